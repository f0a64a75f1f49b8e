package rules_test

import (
	"bytes"
	"errors"
	"fmt"
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
	"portrange/internal/port"
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

// notRun are the commands that TestCommandsRun passes over: they concern the whole
// machine, or take a minute.
func notRun(ref string) []string {
	return []string{
		"sysctl -w fs.file-max=200",
		"nsenter --target 1 --net sysctl -w net.netfilter.nf_conntrack_max=200",
		"portrange plan --from-live 1m --netns " + ref,
	}
}

// youngSettings are those that not every kernel of the tests has.
func youngSettings() []string {
	return []string{port.KeyTWReuseDelay, port.KeyStepWidth, port.KeyAutobindReuse}
}

// TestCommandsRun runs each command that an action names, as it is printed, in a
// namespace of its own. What would change the range is only planned.
func TestCommandsRun(t *testing.T) {
	nettest.NeedRoot(t)
	ref := fmt.Sprintf("portrange-rules-commands-%d", os.Getpid())
	host := nettest.NewNamed(t, ref)
	host.Range(40000, 40099)
	left, run := notRun(ref), 0
	for _, command := range rules.Commands(ref) {
		if at := slices.Index(left, command.String()); at >= 0 {
			left = slices.Delete(left, at, at+1)
			continue
		}
		if key := missingSetting(command); key != "" {
			t.Logf("%s: not run, as this kernel has no %s", command, key)
			continue
		}
		runCommand(t, ref, command)
		run++
	}
	if len(left) > 0 || run < 20 {
		t.Errorf("%d commands were run; no action names %q, which are to be passed over", run, left)
	}
}

// missingSetting is the young setting that the command writes and the kernel does
// not have, "" for none.
func missingSetting(command finding.Command) string {
	key, _, _ := strings.Cut(command[len(command)-1], "=")
	_, err := os.Stat(filepath.Join("/proc/sys", strings.ReplaceAll(key, ".", "/")))
	if slices.Contains(youngSettings(), key) && errors.Is(err, fs.ErrNotExist) {
		return key
	}
	return ""
}

// runCommand runs a command as it is. One of others that does not enter the
// namespace would set something of the machine that runs the test.
func runCommand(t *testing.T, ref string, command finding.Command) {
	t.Helper()
	if command[0] == "portrange" {
		runOurs(t, command)
		return
	}
	if !strings.HasPrefix(command.String(), "ip netns exec "+ref+" ") {
		t.Errorf("%s: is for the whole machine, and not among those to pass over", command)
		return
	}
	if out, err := exec.CommandContext(t.Context(), command[0], command[1:]...).CombinedOutput(); err != nil {
		t.Errorf("%s: %v: %s", command, err, out)
	}
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
