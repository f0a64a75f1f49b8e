// Package cure proves the advice. It holds tests only: each brings a pool of
// ports to where connect() or bind() fails or is slow, in one of the ways in
// which programs do, with real sockets in namespaces of its own. It asks the
// doctor, carries out the first action for "now" as it is printed, and counts
// again: the failures have to be gone, and the prediction that came with the
// action has to hold.
//
// It knows how programs use up ports, and refuses to know which advice is right:
// what it does next stands in the doctor's JSON alone, a command or the change
// of a program that the action asks for.
package cure
