// Package host is what was seen of a host at one moment: its network
// namespaces with their settings and sockets, who holds and who claims ports,
// and what runs out besides ports.
//
// A [State] is a value. Packages below internal/kernel fill its types, package
// collect puts it together, and every other stage reads it: the rules of package
// judge, the findings of package rules, reports and plans. Two States, one after
// the other, tell rates; two States, before and after a change, tell
// consequences.
//
// What could not be read is a [Gap] beside the State, never a smaller number. A
// nil part of a State was not asked for or could not be read.
//
// The package does no I/O. It refuses to know what the facts mean: which ports
// are left is package judge's, what is wrong package rules'.
package host
