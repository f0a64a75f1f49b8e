/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */

/* The parts of the kernel's types that the programs read. Offsets are relocated
 * to the running kernel when the programs are loaded, so only names and nesting
 * count here, and a name with three underscores stands for another version of
 * the type before them.
 */
#ifndef SOCKITER_KERNEL_H
#define SOCKITER_KERNEL_H

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;
typedef signed char __s8;
typedef short __s16;
typedef int __s32;
typedef long long __s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>

#define AF_INET 2
#define AF_INET6 10
#define SOCK_STREAM 1
#define SOCK_DGRAM 2
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17
#define IPPROTO_MPTCP 262

/* include/net/tcp_states.h */
#define TCP_SYN_RECV 3
#define TCP_TIME_WAIT 6
#define TCP_CLOSE 7
#define TCP_LISTEN 10
#define TCP_NEW_SYN_RECV 12

/* include/net/sock.h */
#define SOCK_BINDPORT_LOCK 8

/* include/net/inet_connection_sock.h */
#define ICSK_TIME_RETRANS 1
#define ICSK_TIME_PROBE0 3
#define ICSK_TIME_LOSS_PROBE 5
#define ICSK_TIME_REO_TIMEOUT 6

/* include/linux/pid_types.h */
#define PIDTYPE_TGID 1

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct seq_file;

struct in6_addr {
	union {
		__u8 u6_addr8[16];
	} in6_u;
};

struct hlist_node {
	struct hlist_node *next;
	struct hlist_node **pprev;
};

struct hlist_head {
	struct hlist_node *first;
};

/* One slot of the table of bind buckets. */
struct inet_bind_hashbucket {
	struct hlist_head chain;
};

struct inet_hashinfo {
	struct inet_bind_hashbucket *bhash;
	unsigned int bhash_size;
};

struct inet_timewait_death_row {
	struct inet_hashinfo *hashinfo;
};

struct netns_ipv4 {
	struct inet_timewait_death_row tcp_death_row;
};

struct ns_common {
	unsigned int inum;
};

struct net {
	struct ns_common ns;
	struct netns_ipv4 ipv4;
};

struct nsproxy {
	struct net *net_ns;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	unsigned char skc_reuse : 4;
	unsigned char skc_reuseport : 1;
	unsigned char skc_ipv6only : 1;
	unsigned char skc_net_refcnt : 1;
	int skc_bound_dev_if;
	possible_net_t skc_net;
	struct hlist_node skc_bind_node;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
};

struct timer_list {
	struct hlist_node entry;
	unsigned long expires;
};

struct inode {
	unsigned long i_ino;
};

/* References minus one, since 6.13. */
typedef struct {
	struct {
		__s64 counter;
	} refcnt;
} file_ref_t;

struct file {
	struct inode *f_inode;
	file_ref_t f_ref;
};

struct file___counted {
	struct {
		__s64 counter;
	} f_count;
};

struct socket {
	struct file *file;
	struct sock *sk;
};

typedef struct {
	__u32 val;
} kuid_t;

struct sock {
	struct sock_common __sk_common;
	struct socket *sk_socket;
	struct timer_list sk_timer;
	kuid_t sk_uid;
	__u8 sk_userlocks : 4;
	__u16 sk_protocol;
	__u16 sk_type;
	unsigned long sk_ino; /* since 6.17 */
};

/* Since 6.19 the retransmission timer is what sk_timer was, and the keepalive
 * timer, which sk_timer was before, has a place of its own.
 */
struct sock___swapped {
	struct timer_list tcp_retransmit_timer;
};

struct inet_sock {
	struct sock sk;
};

struct inet_bind_bucket {
	possible_net_t ib_net;
	int l3mdev;
	unsigned short port;
	signed char fastreuse;
	signed char fastreuseport;
	struct hlist_node node;
	struct hlist_head bhash2; /* since 6.8 */
};

/* The sockets of one port that share a local address. */
struct inet_bind2_bucket {
	struct hlist_node bhash_node;
	struct hlist_head owners;
};

struct inet_connection_sock {
	struct inet_sock icsk_inet;
	struct inet_bind_bucket *icsk_bind_hash;
	struct inet_bind2_bucket *icsk_bind2_hash;
	struct timer_list icsk_retransmit_timer;
	__u8 icsk_retransmits;
	__u8 icsk_pending;
	__u8 icsk_probes_out;
};

/* The expiry beside the timer, where older kernels keep it. */
struct inet_connection_sock___apart {
	unsigned long icsk_timeout;
};

struct inet_connection_sock___swapped {
	struct timer_list icsk_keepalive_timer;
};

struct tcp_sock {
	struct inet_connection_sock inet_conn;
};

struct udp_sock {
	struct inet_sock inet;
};

struct inet_timewait_sock {
	struct sock_common __tw_common;
	volatile unsigned char tw_substate;
	__u32 tw_entry_stamp; /* since 6.14 */
	struct timer_list tw_timer;
	struct inet_bind_bucket *tw_tb;
	struct inet_bind2_bucket *tw_tb2;
};

struct tcp_timewait_sock {
	struct inet_timewait_sock tw_sk;
	int tw_ts_recent_stamp;
};

struct request_sock {
	struct sock_common __req_common;
	__u8 num_retrans;
	struct timer_list rsk_timer;
};

struct inet_request_sock {
	struct request_sock req;
};

struct tcp_request_sock {
	struct inet_request_sock req;
};

struct list_head {
	struct list_head *next;
};

struct mptcp_sock {
	struct list_head conn_list;
};

struct mptcp_subflow_context {
	struct list_head node;
	struct sock *tcp_sock;
};

struct upid {
	int nr;
};

struct pid {
	unsigned int level;
	struct upid numbers[1];
};

struct signal_struct {
	struct pid *pids[4];
};

struct task_struct {
	int tgid;
	struct pid *thread_pid;
	struct signal_struct *signal;
	struct nsproxy *nsproxy;
	char comm[16];
};

struct bpf_iter_meta {
	struct seq_file *seq;
	__u64 session_id; /* another one for each walk */
};

struct bpf_iter__tcp {
	struct bpf_iter_meta *meta;
	struct sock_common *sk_common;
	__u32 uid;
};

struct bpf_iter__udp {
	struct bpf_iter_meta *meta;
	struct udp_sock *udp_sk;
	__u32 uid;
};

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	__u32 fd;
	struct file *file;
};

#pragma clang attribute pop

#endif
