// Package finding is the record of something worth knowing of a host: what kind
// it is, how severe, about what, by which numbers, because of what else, and
// what to do.
//
// A [Finding] is data until it is printed. Text, JSON, metrics, alerts and
// history word or store the same record: nobody takes prose apart again. The
// words of a kind stand with its rule (package rules), the form of numbers with
// package words, and how a finding is laid out with package report.
//
// One fault shows in several ways: a full pool is full because of connections in
// TIME_WAIT. [Relate] finds the cause among the findings, gives it the severity
// of its effect and puts it first, and [Tracker] remembers since when each stands.
//
// The package knows no rule, no kernel and no printer.
package finding
