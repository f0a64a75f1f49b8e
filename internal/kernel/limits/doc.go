// Package limits reads how much is left of what connections need besides
// ports: open files, conntrack entries, TCP memory, TIME_WAIT slots.
//
// Some of these belong to a process, some to a network namespace, and some to
// the whole machine; each type here says which. What belongs to a namespace is
// read for the calling thread's, so package netns can bring it elsewhere:
// /proc/net itself would always show the namespace of the process's first
// thread.
//
// The package knows the files and what a missing one means. It refuses to know
// how full is too full.
package limits
