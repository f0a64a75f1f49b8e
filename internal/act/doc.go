// Package act changes the port settings of a host: it makes a plan, carries it
// out and takes it back.
//
// The range is easy to change and easy to get wrong: a port that comes into it
// may belong to a listener that is down for a restart just then, a value set
// by hand is gone after a reboot, and a range too narrow cuts off whoever is
// logged in. So a change has three parts that are kept apart. [NewPlan] is
// pure: from a [Wish] and a [Look] it makes a [Plan], the list of writes and every
// consequence, as package rules finds it by comparing the namespace as it is with
// the namespace as it would be. An [Actor] carries out that list and
// nothing else: it compares each setting and each file with what the plan was
// made from before it writes, takes everything back when one write fails, and
// keeps a journal (package journal) from which [Actor.Undo] takes a change
// back later. With a deadline, the change goes back by itself unless
// confirmed; files are written on confirmation only, so that also a reboot
// takes an unconfirmed change back.
//
// How a change stands, whether it is pending, overdue or half done, and what is to
// be done about it, follows from its entry and from what is there by [Stand], and
// nobody else decides it. The tests have a model of commands, clocks, other writers,
// kills, reboots and failing disks that decides by the same function, visit every
// interleaving of a few of them, and take the code on random walks of it. A clock
// ([Actor.Strike]) does not give up: what it cannot have, the lock and the journal
// included, it does without.
//
// ip_unprivileged_port_start is never changed, although it may be in the way of
// a range: it decides who may offer services on a port, which is not for a tool
// about outgoing connections to decide. The error says what to write, and in
// which order.
//
// The package is the only writer of the host's settings and files. It refuses to
// know where a State comes from (package collect), what is wrong with it (package
// rules) and how a plan looks (package report).
package act
