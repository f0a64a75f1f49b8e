// Package figure turns what was computed or measured into charts: the share of a
// port range that a load takes against its rate, and what connect() costs
// against the share of a pool in use.
//
// It knows what is worth seeing of each, and in which words. It refuses to
// compute: every point comes from package capacity or was measured by package
// simulate. How lines and words get onto a page is known to package chart.
package figure
