// Package checkup reads everything that package doctor wants to know of some
// network namespaces: their sockets (package sample), who else needs their
// ports (package survey), what the files say about the next boot (package boot),
// and what runs out besides ports (packages limits and netfilter).
//
// Each of these can fail on its own, for want of a permission or because a
// kernel is built without it. Then that part is left out of the facts, and a gap
// says so; a check-up goes on with what it has.
//
// The package refuses to know what is wrong: it reads, package doctor judges.
package checkup
