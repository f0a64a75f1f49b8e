package main

import (
	"errors"
	"os/exec"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// exitCode is `code N COMMAND...`: runs a command that must exit with N. Its
// output is there for stdout and stderr as after exec.
func exitCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d; standard output: %s", got, want, ts.ReadFile("stdout"))
	}
}

// isUnknown is `unknown TEXT ARG...`: portrange check must exit with 3 and print
// nothing but one line on standard output, which must contain TEXT.
func isUnknown(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: unknown TEXT ARG...")
	}
	exitCode(ts, false, append([]string{"3", "portrange", "check"}, args[1:]...))
	said := strings.TrimSuffix(ts.ReadFile("stdout"), "\n")
	switch {
	case ts.ReadFile("stderr") != "":
		ts.Fatalf("standard error: %s", ts.ReadFile("stderr"))
	case strings.Contains(said, "\n") || !strings.HasPrefix(said, "PORTRANGE UNKNOWN: "):
		ts.Fatalf("standard output is not one line of UNKNOWN: %s", said)
	case !strings.Contains(said, args[0]):
		ts.Fatalf("standard output %q does not contain %q", said, args[0])
	}
}
