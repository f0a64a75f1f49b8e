/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */

/* What all programs write of a socket, and how they fill it in. */
#ifndef SOCKITER_RECORD_H
#define SOCKITER_RECORD_H

#include "kernel.h"

#define FLAG_FAMILY6 0x01
#define FLAG_V6ONLY 0x02
#define FLAG_MINI 0x04
#define FLAG_STAMPED 0x08
#define FLAG_COARSE 0x10 /* quiet counts seconds, not milliseconds */
#define FLAG_SHARED 0x20 /* the file may be open at another descriptor too */
#define FLAG_CHOSEN 0x40 /* a listener that let the kernel choose its port */

#define OPTION_REUSE 0x01 /* SO_REUSEADDR */
#define OPTION_REUSEPORT 0x02

/* port.Hold */
#define CONNECT_HELD 1
#define BIND_HELD 2
#define NOT_HELD 3

/* port.TimerKind */
#define TIMER_RETRANSMIT 1
#define TIMER_KEEPALIVE 2
#define TIMER_TIMEWAIT 3
#define TIMER_PROBE 4

#define NSEC_PER_MSEC 1000000
#define NSEC_PER_SEC 1000000000

struct record {
	__u64 inode;
	__u8 local[16]; /* an IPv4 address takes the first four bytes */
	__u8 remote[16];
	__u32 device;
	__u32 l3mdev;
	__u32 uid;
	__s32 quiet;   /* milliseconds since a timewait socket's last packet */
	__s32 expires; /* jiffies until the timer fires */
	__u16 local_port;
	__u16 remote_port;
	__u8 proto;
	__u8 state;
	__u8 flags;
	__u8 hold;
	__u8 timer;
	__u8 retries;
	__u8 options;
	__u8 unused;
};

/* Since 6.2. Makes a pointer of another type out of any pointer; what is read
 * through it may be wrong but cannot fault.
 */
extern void *bpf_rdonly_cast(void *object, __u32 type) __ksym __weak;

#define CAST(pointer, type) \
	((struct type *)bpf_rdonly_cast(pointer, bpf_core_type_id_kernel(struct type)))

static __always_inline void copy_address(__u8 *to, struct in6_addr *from)
{
	((__u64 *)to)[0] = *(__u64 *)&from->in6_u.u6_addr8[0];
	((__u64 *)to)[1] = *(__u64 *)&from->in6_u.u6_addr8[8];
}

static __always_inline void fill_tuple(struct record *r, struct sock_common *skc)
{
	r->state = skc->skc_state;
	r->local_port = skc->skc_num;
	r->remote_port = bpf_ntohs(skc->skc_dport);
	r->device = skc->skc_bound_dev_if;
	if (BPF_CORE_READ_BITFIELD(skc, skc_reuse))
		r->options |= OPTION_REUSE;
	if (BPF_CORE_READ_BITFIELD(skc, skc_reuseport))
		r->options |= OPTION_REUSEPORT;
	if (skc->skc_family != AF_INET6) {
		*(__u32 *)r->local = skc->skc_rcv_saddr;
		*(__u32 *)r->remote = skc->skc_daddr;
		return;
	}
	r->flags |= FLAG_FAMILY6;
	if (BPF_CORE_READ_BITFIELD(skc, skc_ipv6only))
		r->flags |= FLAG_V6ONLY;
	copy_address(r->local, &skc->skc_v6_rcv_saddr);
	copy_address(r->remote, &skc->skc_v6_daddr);
}

/* The two clocks of tcp_twsk_unique, before and since 6.14, in its 32 bits. */
static __always_inline void fill_quiet(struct record *r, struct tcp_timewait_sock *tcptw)
{
	struct inet_timewait_sock *tw = &tcptw->tw_sk;

	if (bpf_core_field_exists(tw->tw_entry_stamp)) {
		r->quiet = (__u32)(bpf_ktime_get_ns() / NSEC_PER_MSEC) - tw->tw_entry_stamp;
	} else {
		r->flags |= FLAG_COARSE;
		r->quiet = (__u32)(bpf_ktime_get_ns() / NSEC_PER_SEC) - tcptw->tw_ts_recent_stamp;
	}
}

static __always_inline void fill_waiting(struct record *r, struct tcp_timewait_sock *tcptw)
{
	r->state = tcptw->tw_sk.tw_substate;
	r->flags |= FLAG_MINI;
	if (tcptw->tw_ts_recent_stamp)
		r->flags |= FLAG_STAMPED;
	fill_quiet(r, tcptw);
}

/* bind() notes whether it was given a port (inet_bind_sk). */
static __always_inline void fill_chosen(struct record *r, struct sock *sk)
{
	if (!(BPF_CORE_READ_BITFIELD(sk, sk_userlocks) & SOCK_BINDPORT_LOCK))
		r->flags |= FLAG_CHOSEN;
}

static __always_inline __u8 hold_of(struct inet_bind_bucket *bucket)
{
	return bucket->fastreuse == -1 && bucket->fastreuseport == -1 ? CONNECT_HELD : BIND_HELD;
}

#endif
