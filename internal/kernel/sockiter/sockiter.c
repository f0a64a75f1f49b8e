//go:build ignore
/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */

/* Three iterator programs, each writing one fixed record per socket. They
 * decide nothing that Go can decide from the record. iter_tcp and iter_udp use
 * no helper that lockdown withholds.
 *
 * At half a million sockets the time goes into cache misses, about 0.2 µs each:
 * what is not asked for is not read, and the bucket of a port is read once.
 */
#include "record.h"

#define SUBFLOWS_MAX 8

struct held_record {
	struct record socket;
	__u32 pid;
	__u32 fd;
	__u32 netns;
	__u32 unused;
	char command[16];
};

/* Set before loading: nobody wants inodes and timers. */
const volatile __u8 brief;

/* Brings the types into the object for bpf2go to find. */
struct held_record *types __attribute__((unused));

/* The holds that were read, by port and namespace. An entry has the two bits of
 * the hold below the namespace and the walk that it is good for, so that walks
 * at the same time only cost each other the gain.
 */
static __u64 holds[65536];

static __always_inline __u64 hold_key(struct bpf_iter_meta *meta, struct sock_common *skc)
{
	return meta->session_id << 34 | (__u64)skc->skc_net.net->ns.inum << 2;
}

static __always_inline __u64 *hold_entry(struct record *r, __u64 key)
{
	return &holds[(__u16)(r->local_port + (key >> 2))];
}

/* Sockets without a device share the one bucket of their port (see
 * inet_sk_bound_l3mdev). One that is closed may have no bucket any more.
 */
static __always_inline int recall_hold(struct record *r, __u64 key)
{
	__u64 entry = *hold_entry(r, key);

	if (r->device || r->state == TCP_CLOSE || entry >> 2 != key >> 2)
		return 0;
	r->hold = entry & 3;
	return 1;
}

static __always_inline void fill_hold(struct record *r, __u64 key, struct inet_bind_bucket *bucket)
{
	if (!bucket) {
		r->hold = NOT_HELD;
		return;
	}
	r->l3mdev = bucket->l3mdev;
	r->hold = hold_of(bucket);
	if (!r->device)
		*hold_entry(r, key) = key | r->hold;
}

static __always_inline void fill_timer(struct record *r, __u8 kind, unsigned long expires,
				       __u8 retries)
{
	r->timer = kind;
	r->retries = retries;
	r->expires = expires - (unsigned long)bpf_jiffies64();
}

static __always_inline unsigned long transmit_expiry(struct tcp_sock *tp)
{
	struct inet_connection_sock___apart *apart = (void *)&tp->inet_conn;
	struct sock___swapped *swapped = (void *)tp;

	if (bpf_core_field_exists(apart->icsk_timeout))
		return apart->icsk_timeout;
	if (bpf_core_field_exists(swapped->tcp_retransmit_timer))
		return swapped->tcp_retransmit_timer.expires;
	return tp->inet_conn.icsk_retransmit_timer.expires;
}

static __always_inline struct timer_list *keepalive_timer(struct tcp_sock *tp)
{
	struct inet_connection_sock___swapped *swapped = (void *)tp;

	if (bpf_core_field_exists(swapped->icsk_keepalive_timer))
		return &swapped->icsk_keepalive_timer;
	return &tp->inet_conn.icsk_inet.sk.sk_timer;
}

/* The order is that of inet_sk_diag_fill and get_tcp4_sock. */
static __always_inline void fill_tcp_timer(struct record *r, struct tcp_sock *tp)
{
	struct timer_list *keepalive;

	switch (tp->inet_conn.icsk_pending) {
	case ICSK_TIME_RETRANS:
	case ICSK_TIME_LOSS_PROBE:
	case ICSK_TIME_REO_TIMEOUT:
		fill_timer(r, TIMER_RETRANSMIT, transmit_expiry(tp), tp->inet_conn.icsk_retransmits);
		return;
	case ICSK_TIME_PROBE0:
		fill_timer(r, TIMER_PROBE, transmit_expiry(tp), tp->inet_conn.icsk_probes_out);
		return;
	}
	keepalive = keepalive_timer(tp);
	if (keepalive->entry.pprev)
		fill_timer(r, TIMER_KEEPALIVE, keepalive->expires, tp->inet_conn.icsk_probes_out);
}

static __always_inline __u64 socket_inode(struct sock *sk)
{
	struct socket *socket;
	struct file *file;

	if (bpf_core_field_exists(sk->sk_ino))
		return sk->sk_ino;
	socket = sk->sk_socket;
	if (!socket)
		return 0;
	file = socket->file;
	return file ? file->f_inode->i_ino : 0;
}

static __always_inline void fill_tcp(struct record *r, __u64 key, struct tcp_sock *tp)
{
	if (!recall_hold(r, key))
		fill_hold(r, key, tp->inet_conn.icsk_bind_hash);
	if (r->state == TCP_LISTEN)
		fill_chosen(r, &tp->inet_conn.icsk_inet.sk);
	if (!brief) {
		r->inode = socket_inode(&tp->inet_conn.icsk_inet.sk);
		fill_tcp_timer(r, tp);
	}
}

static __always_inline void fill_timewait(struct record *r, __u64 key,
					  struct tcp_timewait_sock *tcptw)
{
	struct inet_timewait_sock *tw = &tcptw->tw_sk;

	fill_waiting(r, tcptw);
	if (!recall_hold(r, key))
		fill_hold(r, key, tw->tw_tb);
	if (!brief)
		fill_timer(r, TIMER_TIMEWAIT, tw->tw_timer.expires, 0);
}

/* SYN_RECV is what ss and /proc/net/tcp call TCP_NEW_SYN_RECV. A request below
 * an MPTCP listener is no tcp_request_sock to the helper.
 */
static __always_inline void fill_request(struct record *r, struct tcp_request_sock *req)
{
	r->state = TCP_SYN_RECV;
	r->hold = NOT_HELD;
	if (req && !brief)
		fill_timer(r, TIMER_RETRANSMIT, req->req.req.rsk_timer.expires,
			   req->req.req.num_retrans);
}

SEC("iter/tcp")
int iter_tcp(struct bpf_iter__tcp *ctx)
{
	struct sock_common *skc = ctx->sk_common;
	struct record r = {.proto = IPPROTO_TCP};
	struct tcp_timewait_sock *tw;
	struct tcp_sock *tp;
	__u64 key;

	if (!skc)
		return 0;
	fill_tuple(&r, skc);
	r.uid = ctx->uid;
	key = hold_key(ctx->meta, skc);
	if ((tp = bpf_skc_to_tcp_sock(skc)))
		fill_tcp(&r, key, tp);
	else if ((tw = bpf_skc_to_tcp_timewait_sock(skc)))
		fill_timewait(&r, key, tw);
	else if (r.state == TCP_NEW_SYN_RECV)
		fill_request(&r, bpf_skc_to_tcp_request_sock(skc));
	bpf_seq_write(ctx->meta->seq, &r, sizeof(r));
	return 0;
}

SEC("iter/udp")
int iter_udp(struct bpf_iter__udp *ctx)
{
	struct udp_sock *up = ctx->udp_sk;
	struct record r = {.proto = IPPROTO_UDP};

	if (!up)
		return 0;
	fill_tuple(&r, &up->inet.sk.__sk_common);
	r.uid = ctx->uid;
	if (!brief)
		r.inode = socket_inode(&up->inet.sk);
	bpf_seq_write(ctx->meta->seq, &r, sizeof(r));
	return 0;
}

/* The number of the process in the PID namespace of whoever reads. A process of
 * the topmost namespace has one number only. (The typed current task costs the
 * verifier 100 ms, as it looks up each member's trust by name.)
 */
static __always_inline __u32 process_id(struct task_struct *task)
{
	__u32 nr = task->tgid, level;
	struct task_struct *reader;
	struct pid *pid;

	if (!task->thread_pid->level)
		return nr;
	reader = (void *)bpf_get_current_task();
	level = BPF_CORE_READ(reader, thread_pid, level);
	if (!level)
		return nr;
	pid = task->signal->pids[PIDTYPE_TGID];
	bpf_probe_read_kernel(&nr, sizeof(nr),
			      (void *)pid + bpf_core_field_offset(pid->numbers) +
				      level * bpf_core_type_size(struct upid) +
				      bpf_core_field_offset(struct upid, nr));
	return nr;
}

/* The iterator itself holds one reference to the file, its descriptor another. */
static __always_inline int is_shared(struct file *file)
{
	struct file___counted *counted = (void *)file;

	if (bpf_core_field_exists(counted->f_count))
		return counted->f_count.counter > 2;
	return file->f_ref.refcnt.counter > 1;
}

static __always_inline void write_holder(struct bpf_iter__task_file *ctx, struct file *file,
					 struct task_struct *task, struct sock *sk,
					 struct tcp_sock *tp)
{
	struct held_record h = {.socket.proto = tp ? IPPROTO_TCP : IPPROTO_UDP};

	fill_tuple(&h.socket, &sk->__sk_common);
	if (!h.socket.local_port)
		return;
	if (tp)
		fill_tcp(&h.socket, hold_key(ctx->meta, &sk->__sk_common), tp);
	if (is_shared(file))
		h.socket.flags |= FLAG_SHARED;
	if (!brief || h.socket.flags & FLAG_SHARED)
		h.socket.inode = file->f_inode->i_ino;
	h.socket.uid = sk->sk_uid.val;
	h.pid = process_id(task);
	h.fd = ctx->fd;
	h.netns = sk->__sk_common.skc_net.net->ns.inum;
	((__u64 *)h.command)[0] = *(__u64 *)&task->comm[0];
	((__u64 *)h.command)[1] = *(__u64 *)&task->comm[8];
	bpf_seq_write(ctx->meta->seq, &h, sizeof(h));
}

/* An MPTCP socket has no port; the TCP sockets it is made of have. Where the
 * kernel cannot show them, a record without a protocol stands for it.
 */
static __always_inline void write_subflows(struct bpf_iter__task_file *ctx, struct file *file,
					   struct task_struct *task, struct sock *sk)
{
	struct mptcp_subflow_context *subflow;
	struct held_record unresolved = {};
	struct mptcp_sock *msk;
	struct list_head *at;

	if (!bpf_rdonly_cast) {
		bpf_seq_write(ctx->meta->seq, &unresolved, sizeof(unresolved));
		return;
	}
	msk = CAST(sk, mptcp_sock);
	at = msk->conn_list.next;
	for (int i = 0; i < SUBFLOWS_MAX && at != &msk->conn_list; i++) {
		subflow = CAST((void *)at - bpf_core_field_offset(subflow->node), mptcp_subflow_context);
		sk = CAST(subflow->tcp_sock, sock);
		write_holder(ctx, file, task, sk, CAST(sk, tcp_sock));
		at = subflow->node.next;
	}
}

SEC("iter/task_file")
int iter_task_file(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct socket *socket;
	struct tcp_sock *tp;
	struct sock *sk;
	__u16 family;

	if (!task || !file || !(socket = bpf_sock_from_file(file)) || !(sk = socket->sk))
		return 0;
	family = sk->__sk_common.skc_family;
	if (family != AF_INET && family != AF_INET6)
		return 0;
	if (sk->sk_protocol == IPPROTO_UDP && sk->sk_type == SOCK_DGRAM)
		write_holder(ctx, file, task, sk, NULL);
	else if (sk->sk_protocol == IPPROTO_TCP && sk->sk_type == SOCK_STREAM &&
		 (tp = bpf_skc_to_tcp_sock(sk)))
		write_holder(ctx, file, task, sk, tp);
	else if (sk->sk_protocol == IPPROTO_MPTCP && sk->sk_type == SOCK_STREAM)
		write_subflows(ctx, file, task, sk);
	return 0;
}

char _license[] SEC("license") = "GPL";
