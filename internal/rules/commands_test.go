package rules_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"portrange/internal/cli"
	"portrange/internal/finding"
	"portrange/internal/nettest"
	"portrange/internal/rules"
)

// TestCommandsAreOurs holds each command of ours that an action names against
// the command tree: it exists, and takes the flags and arguments.
func TestCommandsAreOurs(t *testing.T) {
	ours := 0
	for _, command := range rules.Commands("lb1") {
		if command[0] != "portrange" {
			continue
		}
		ours++
		root := cli.NewCommand(cli.Streams{Getenv: os.Getenv})
		cmd, rest, err := root.Find(command[1:])
		if err == nil {
			err = cmd.ParseFlags(rest)
		}
		if err == nil {
			err = cmd.ValidateArgs(cmd.Flags().Args())
		}
		if err != nil || !cmd.Runnable() {
			t.Errorf("%s: %v", command, err)
		}
	}
	if ours < 10 {
		t.Errorf("only %d commands of ours: the cases no longer have any?", ours)
	}
}

// wholeMachine are settings that no namespace of a test has to itself.
var wholeMachine = []string{"fs.file-max=", "net.netfilter.nf_conntrack_max="}

// TestCommandsRun runs each command that an action names, as it is printed, in a
// namespace of its own. What would change the range is only planned.
func TestCommandsRun(t *testing.T) {
	nettest.NeedRoot(t)
	host := nettest.NewNamed(t, "portrange-rules-commands")
	host.Range(40000, 40099)
	run, passed := 0, []string{}
	for _, command := range rules.Commands("portrange-rules-commands") {
		switch {
		case !runsHere(t, command):
			passed = append(passed, command.String())
		case command[0] == "portrange":
			runOurs(t, command)
			run++
		default:
			if out, err := exec.CommandContext(t.Context(), command[0], command[1:]...).CombinedOutput(); err != nil {
				t.Errorf("%s: %v: %s", command, err, out)
			}
			run++
		}
	}
	t.Logf("%d commands were run, not so %q", run, passed)
	if run < 20 || len(passed) > 4 {
		t.Errorf("%d commands were run and %q passed over", run, passed)
	}
}

// runsHere is false for what concerns the whole machine, takes a minute, or sets
// what this kernel does not have.
func runsHere(t *testing.T, command finding.Command) bool {
	t.Helper()
	last := command[len(command)-1]
	if command[0] == "sysctl" { // of the machine that runs the test
		return false
	}
	if slices.ContainsFunc(wholeMachine, func(key string) bool { return strings.HasPrefix(last, key) }) ||
		slices.Contains(command, "--from-live") {
		return false
	}
	if !slices.Contains(command, "sysctl") {
		return true
	}
	key, _, _ := strings.Cut(last, "=")
	_, err := os.Stat(filepath.Join("/proc/sys", strings.ReplaceAll(key, ".", "/")))
	return !errors.Is(err, fs.ErrNotExist)
}

func runOurs(t *testing.T, command finding.Command) {
	t.Helper()
	args := slices.Clone(command[1:])
	if args[0] == "set" || args[0] == "reserve" && args[1] != "list" {
		args = append(args, "--dry-run")
	}
	var out, said bytes.Buffer
	code := cli.Run(t.Context(), args, cli.Streams{In: strings.NewReader(""), Out: &out, Err: &said, Getenv: os.Getenv})
	if code != cli.ExitOK {
		t.Errorf("%s: exit code %d: %s", command, code, said.String())
	}
}
