// Package sockiter reads TCP and UDP sockets, and the processes that hold
// them, through BPF iterators.
//
// An iterator is a small program that the kernel runs once for each of its
// sockets while a file is read; what the program writes is what the file
// contains. Two things make this the best door: the program sees the bind
// bucket of each socket, which says whether bind() or connect() took the port,
// and it writes a fixed record instead of a netlink message, so that half a
// million sockets take a third of a second.
//
// The package delivers what the kernel's tables say and refuses to judge: it
// counts no ports and knows no range. It reads the network namespace of the
// calling thread and enters none.
//
// Loading needs CAP_BPF and CAP_PERFMON (or CAP_SYS_ADMIN), and a kernel with
// BTF: 5.9 for sockets, 5.11 for their holders.
package sockiter

//go:generate go tool bpf2go -target bpfel -type record -type held_record -cflags "-O2 -Wall -Werror" bpf sockiter.c
