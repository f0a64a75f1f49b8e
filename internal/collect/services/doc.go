// Package services finds out who wants which ports although no socket may show it:
// services that are down, containers, Kubernetes.
//
// Each is asked through what it leaves in plain sight: unit files, processes and
// their command lines, netfilter rules, the API socket of Docker. For a daemon
// that is installed, and whose configuration nobody reads, a table of well-known
// ports speaks, each with the page that documents it. What cannot be read is a
// gap. Root alone is believed: the claims of other users' processes and files say so
// ([host.Claim.By]).
//
// The package reads files and asks Docker, runs no other program and enters no
// network namespace. It refuses to know who holds a port at the moment, but for
// leaving out the claims whose sockets speak for themselves ([Settle]).
package services
