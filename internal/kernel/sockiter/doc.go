// Package sockiter reads TCP and UDP sockets, and the processes that hold them,
// through BPF: small programs that run inside the kernel and write a fixed record
// for each socket.
//
// Most of them are iterators, which the kernel runs once for each of its sockets
// while a file is read. They see the bind bucket of each socket, which says
// whether bind() or connect() took the port. Where only the ports count, not what
// else a socket has, TCP is read faster still: a program follows the kernel's
// table of bind buckets itself, on several processors at once, and touches one
// cache line of most sockets instead of several. That takes a quarter of the time
// of an iterator that does nothing (docs/performance.md). It takes no lock, so this is for
// processors that keep loads in order, x86 and s390x; elsewhere the iterators do it.
//
// The package delivers what the kernel's tables say and refuses to judge: it
// counts no ports and knows no range. It reads the network namespace of the
// calling thread and enters none.
//
// Loading needs CAP_BPF and CAP_PERFMON (or CAP_SYS_ADMIN), and a kernel with
// BTF: 5.9 for sockets, 5.11 for their holders, 6.8 for the table.
package sockiter

//go:generate go tool bpf2go -target bpfel,bpfeb -type record -type held_record -cflags "-O2 -Wall -Werror" bpf sockiter.c
//go:generate go tool bpf2go -target bpfel,bpfeb -type bind_walk -cflags "-O2 -Wall -Werror" bind bindhash.c
