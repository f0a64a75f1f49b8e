//go:build ignore
/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */

/* A walk through the kernel's table of bind buckets (inet_hashinfo.bhash): every
 * TCP socket that holds a port is in it, in whatever state, below its port and
 * its local address.
 *
 *	bhash[] -> inet_bind_bucket, one for a port -> inet_bind2_bucket, one for
 *	an address of it -> sock_common, all in lists made of hlist_node
 *
 * An iterator takes a lock and a reference for each socket and touches several
 * of its cache lines. This walk takes neither and touches one. In return it has to
 * find out for itself when a list changed below it: see advance().
 */
#include "record.h"

#define SLOT_RECORDS 2048
#define RESTARTS_MAX 1000
#define STEPS_MAX (1 << 20)
/* About 2 ms, after which others may have the processor. */
#define STEPS_ENOUGH (1 << 14)

/* A place in a list: a node, and the address of the pointer that leads to it. */
struct place {
	__u64 link;
	__u64 node; /* 0 at the end of the list */
};

/* A walk comes back whenever its slot is full, and is run again with what it
 * left here. It lives in a map, the contents of which the verifier need not
 * follow.
 */
struct bind_walk {
	__u32 netns;   /* inode number; 0: the caller's, which is then filled in */
	__u32 buckets; /* out: size of the table */
	__u32 next;    /* bucket of the table to visit next */
	__u32 end;     /* bucket to stop before */
	__u32 count;   /* out: records in the slot */
	__u32 done;    /* out */
	__u32 restarts; /* of the bucket that is under way */
	__u32 l3mdev;
	struct place port, address, owner;
	__u64 net;     /* struct net of the port */
	__u64 bucket2; /* struct inet_bind2_bucket of the owner */
	__u64 restarted; /* out: how often a bucket was read again, of all so far */
	__u64 skipped; /* out: sockets that were not asked for their list, of all so far */
	__u16 number;  /* the port */
	__u8 hold;
	__u8 unused[5];
};

struct slot {
	struct bind_walk walk;
	struct record records[SLOT_RECORDS];
};

struct {
	__uint(type, 2 /* BPF_MAP_TYPE_ARRAY */);
	__uint(map_flags, 1 << 10 /* BPF_F_MMAPABLE */);
	__uint(max_entries, 1); /* Go sets it */
	__type(key, __u32);
	__type(value, struct slot);
} slots SEC(".maps");

struct visit {
	struct slot *slot;
	struct inet_bind_hashbucket *table;
};

#define CONTAINER(address, type, member) \
	CAST((void *)(address) - bpf_core_field_offset(struct type, member), type)

static __always_inline void enter(struct place *place, struct hlist_head *list)
{
	place->link = (__u64)list;
	place->node = (__u64)list->first;
}

/* Goes on to the next node, if all that was read of this one is true: while the
 * node and the link that led to it point at each other, it is where it was
 * found. A node that was taken out fails this, and so does the one after it; for
 * two that went to another list together see belongs().
 *
 * Processors that reorder loads may see an end where a socket that accept() is
 * about to give away is just being linked, and miss the rest once.
 */
static __always_inline int advance(struct place *place)
{
	struct hlist_node *node = CAST((void *)place->node, hlist_node);
	__u64 next = (__u64)node->next;

	barrier();
	if ((__u64)node->pprev != place->link ||
	    (__u64)CAST((void *)place->link, hlist_head)->first != place->node)
		return 0;
	place->link = place->node;
	place->node = next;
	return 1;
}

static __always_inline void enter_bucket(struct visit *v, __u32 bucket)
{
	void *at = (void *)v->table + (__u64)bucket * bpf_core_type_size(struct inet_bind_hashbucket);

	enter(&v->slot->walk.port, &CAST(at, inet_bind_hashbucket)->chain);
}

static __always_inline long next_bucket(struct visit *v)
{
	struct bind_walk *w = &v->slot->walk;

	w->restarts = 0;
	w->done = w->next >= w->end;
	if (w->done)
		return 1;
	enter_bucket(v, w->next++);
	return 0;
}

/* What was read of the bucket before was true too. It is read once more. */
static __always_inline long restart_bucket(struct visit *v)
{
	struct bind_walk *w = &v->slot->walk;

	w->address.node = 0;
	w->owner.node = 0;
	enter_bucket(v, w->next - 1);
	w->restarted++;
	return ++w->restarts > RESTARTS_MAX;
}

static __always_inline long visit_port(struct visit *v)
{
	struct bind_walk *w = &v->slot->walk;
	struct inet_bind_bucket *bucket = CONTAINER(w->port.node, inet_bind_bucket, node);
	struct net *net = bucket->ib_net.net;
	struct place first;

	enter(&first, &bucket->bhash2);
	barrier(); /* a new bucket has its hold before it has sockets */
	w->l3mdev = bucket->l3mdev;
	w->number = bucket->port;
	w->hold = hold_of(bucket);
	w->net = (__u64)net;
	if (!advance(&w->port))
		return restart_bucket(v);
	if (net->ns.inum == w->netns)
		w->address = first;
	return 0;
}

static __always_inline long visit_address(struct visit *v)
{
	struct bind_walk *w = &v->slot->walk;
	struct inet_bind2_bucket *bucket = CONTAINER(w->address.node, inet_bind2_bucket, bhash_node);
	struct place first;

	enter(&first, &bucket->owners);
	if (!advance(&w->address))
		return restart_bucket(v);
	w->owner = first;
	w->bucket2 = (__u64)bucket;
	return 0;
}

static __always_inline struct inet_bind2_bucket *bucket2_of(struct sock_common *skc)
{
	if (skc->skc_state == TCP_TIME_WAIT)
		return CAST(skc, inet_timewait_sock)->tw_tb2;
	return CAST(skc, inet_connection_sock)->icsk_bind2_hash;
}

/* Two sockets in a row can be freed and used again, in a row, in another list,
 * where they point at each other as well. That takes some time: only the first
 * socket of a run, which others may have kept waiting, is asked for its list.
 */
static __always_inline int belongs(struct bind_walk *w, struct sock_common *skc)
{
	if (skc->skc_num != w->number || (__u64)skc->skc_net.net != w->net)
		return 0;
	if (!w->count)
		return (__u64)bucket2_of(skc) == w->bucket2;
	w->skipped++;
	return 1;
}

/* Both are far from the rest of the socket. */
static __always_inline void fill_full(struct record *r, struct sock *sk)
{
	if (r->state == TCP_LISTEN)
		fill_chosen(r, sk);
	if (r->options & OPTION_REUSEPORT)
		r->uid = sk->sk_uid.val;
}

static __always_inline long visit_owner(struct visit *v)
{
	struct bind_walk *w = &v->slot->walk;
	struct sock_common *skc = CONTAINER(w->owner.node, sock_common, skc_bind_node);
	struct record *r;
	int ours;

	if (w->count >= SLOT_RECORDS)
		return 1;
	r = &v->slot->records[w->count];
	*r = (struct record){.proto = IPPROTO_TCP, .l3mdev = w->l3mdev, .hold = w->hold};
	fill_tuple(r, skc);
	if (r->state == TCP_TIME_WAIT)
		fill_waiting(r, CAST(skc, tcp_timewait_sock));
	else
		fill_full(r, CAST(skc, sock));
	ours = belongs(w, skc);
	if (!advance(&w->owner) || !ours)
		return restart_bucket(v);
	w->count++;
	return 0;
}

static long step(__u32 i, struct visit *v)
{
	struct bind_walk *w = &v->slot->walk;

	if (w->owner.node)
		return visit_owner(v);
	if (w->address.node)
		return visit_address(v);
	if (w->port.node)
		return visit_port(v);
	return next_bucket(v) || i >= STEPS_ENOUGH;
}

/* The context is the number of the slot to go on with. */
SEC("syscall")
int walk_binds(__u32 *number)
{
	struct task_struct *task = CAST((void *)bpf_get_current_task(), task_struct);
	struct net *net = task->nsproxy->net_ns;
	struct inet_hashinfo *hash = net->ipv4.tcp_death_row.hashinfo;
	struct visit v = {.table = hash->bhash};
	__u32 key = *number;
	struct bind_walk *w;

	v.slot = bpf_map_lookup_elem(&slots, &key);
	if (!v.slot)
		return -1;
	w = &v.slot->walk;
	if (!w->netns)
		w->netns = net->ns.inum;
	w->buckets = hash->bhash_size;
	w->count = 0;
	bpf_loop(STEPS_MAX, step, &v, 0);
	return w->restarts > RESTARTS_MAX;
}

char _license[] SEC("license") = "GPL";
