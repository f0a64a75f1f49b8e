// Package survey collects the facts that a plan is made from: what holds now,
// who needs which port, and what the files say about the next boot.
//
// A port that nobody has open can still belong to somebody. So sockets are only
// the beginning; services that are down, containers and Kubernetes are asked
// too, each through what it leaves in plain sight: unit files, processes and
// their command lines, netfilter rules, the API socket of Docker. What cannot
// be read becomes a gap, and a plan with a gap says so.
//
// The package reads and never writes, runs no other program, and refuses to
// know what a plan makes of its facts: that is package act's.
package survey
