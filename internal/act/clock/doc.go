// Package clock starts the clock that takes a change back unless it is
// confirmed.
//
// Whoever watches the clock must outlive what the change may cut off: the
// terminal, the ssh session, the program itself. Where systemd runs, a
// transient timer does, which systemd itself starts on time; a process of the
// session's own would end with the session where KillUserProcesses= is set.
// Elsewhere, and where systemd cannot be reached or would not find the program,
// it is a process in a session of its own (setsid(2)).
//
// A process inherits nothing of its caller's but the standard streams' places. A
// service that is killed is started again.
//
// The package knows how to have a command run later, and how that tells the system's
// log of trouble. What the command does is the caller's business.
package clock
