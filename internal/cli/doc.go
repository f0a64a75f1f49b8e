// Package cli is the command line: one file per command, each of which turns
// flags into calls and their result into output and an exit code.
//
// It knows flags, terminals and the words of errors. It refuses to know the
// kernel (package collect reads it), the rules of ports (package judge) and how
// a report looks (package report).
package cli
