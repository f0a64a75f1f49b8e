// Package doctor examines network namespaces and finds what is wrong with how
// they hand out local ports, or soon will be.
//
// It is pure: [Facts] go in, findings come out, the worst first. Whoever reads
// the facts (package collect) leaves out what could not be read, and what is
// left out makes no finding: each one carries its evidence, in numbers of this
// host, and what to do. Most things that are wrong with ports are not wrong with
// ports alone, so the facts reach from file limits to the files that decide
// about the next boot.
//
// Each code has a page that explains the matter ([Explain]).
//
// The package refuses to know how facts are read and findings are printed, and
// what the findings of package judge are drawn from: it passes those on.
package doctor
