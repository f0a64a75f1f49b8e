// Package faults is the proof that a change of settings is whole or not at all,
// and that portrange says which, whatever fails on its way: it runs the program
// on a host of its own, lets one system call fail, or all from one on, or kills
// the program before one, and holds what it finds afterwards against what the
// program said.
//
// The host is a process in a PID, mount and network namespace of its own, with
// an empty file system wherever portrange writes. System calls are caught by
// seccomp(2), which hands them to a supervisor in the test: [Launch] puts a
// filter on the program to be and executes it, [Supervisor.Run] counts the calls
// and answers each with an error, a kill, or leave to go on. [Judge] is pure: it
// compares what was there, what was asked for, what is there and what was said.
// So is [JudgeAnswer], which holds an answer about known sockets, given while a
// read failed, against the right one.
//
// The package knows the program from outside only, by its command line, its exit
// codes and its words. It refuses to know how it works. For tests only.
package faults
