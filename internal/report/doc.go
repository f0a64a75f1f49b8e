// Package report prints what the other stages found: text for people, JSON for
// programs, both from the same structs.
//
// It knows terminals, columns and the promise of the JSON field names
// ([Documents] lists every one with its meaning, which stands in the struct tag
// doc beside the field). Findings are data until they come here: a [Finding]
// puts one into words, and text shows each cause with what it explains as one
// block that ends in numbered steps. It refuses to know where the
// numbers come from, and computes none that a reader of the JSON would miss:
// what text shows beyond it are sums, shares and words.
package report
