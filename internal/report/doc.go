// Package report prints what the other stages found: text for people, JSON for
// programs, both from the same structs.
//
// It knows terminals, columns and the promise of the JSON field names
// ([Documents] lists every one with its meaning). It refuses to know where the
// numbers come from, and computes none that a reader of the JSON would miss:
// what text shows beyond it are sums, shares and words.
package report
