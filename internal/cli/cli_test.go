package cli

import (
	"bytes"
	"context"
	"errors"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"portrange/internal/escape"
	"portrange/internal/host"
)

// run runs one command line and returns its exit code and output.
func run(ctx context.Context, env map[string]string, args ...string) (code int, stdout, stderr string) {
	var out, words bytes.Buffer
	streams := Streams{In: strings.NewReader(""), Out: &out, Err: &words, Getenv: func(key string) string { return env[key] }}
	code = Run(ctx, args, streams)
	return code, out.String(), words.String()
}

func TestInterruptedSaysNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, args := range [][]string{{"show"}, {"show", "--json"}, {"left", "127.0.0.1:1"}, {"sockets", "--json"}, {"show", "--netns", "all"}} {
		code, _, stderr := run(ctx, nil, args...)
		if code != ExitInterrupted || stderr != "" {
			t.Errorf("%v: exit code %d, standard error %q; want %d and none", args, code, stderr, ExitInterrupted)
		}
	}
}

func TestErrorsAreOneLine(t *testing.T) {
	err := errors.Join(errors.New("read a"), errors.New("read b\n"))
	if got := escape.Line(err.Error()); got != "read a read b" {
		t.Errorf("oneLine = %q", got)
	}
}

func TestCommandTree(t *testing.T) {
	root := NewCommand(Streams{Out: &bytes.Buffer{}, Err: &bytes.Buffer{}, Getenv: func(string) string { return "" }})
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: short help %q, want a phrase without a full stop", cmd.CommandPath(), cmd.Short)
		}
		for line := range strings.Lines(cmd.Long) {
			if len(line) > 81 && cmd.Name() != "json" {
				t.Errorf("%s: the help has a line wider than a terminal: %q", cmd.CommandPath(), line)
			}
		}
		for _, child := range cmd.Commands() {
			walk(child)
		}
	}
	walk(root)
}

// TestTreesShareNothing runs two trees with different flags, which globals would mix up.
func TestTreesShareNothing(t *testing.T) {
	code, _, stderr := run(t.Context(), nil, "version", "--json")
	if code != ExitOK {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	if _, stdout, _ := run(t.Context(), nil, "version"); strings.HasPrefix(stdout, "{") {
		t.Errorf("--json of an earlier run is still on: %s", stdout)
	}
}

func TestLocaleDecidesBars(t *testing.T) {
	tests := []struct {
		env  map[string]string
		want bool
	}{
		{map[string]string{"LANG": "en_GB.UTF-8"}, true},
		{map[string]string{"LANG": "C.utf8"}, true},
		{map[string]string{"LANG": "en_GB.UTF-8", "LC_ALL": "C"}, false},
		{map[string]string{"LC_CTYPE": "de_DE.UTF-8", "LANG": "C"}, true},
		{map[string]string{"LANG": "de_DE.ISO-8859-1"}, false},
		{nil, false},
	}
	for _, test := range tests {
		a := app{Streams: Streams{Getenv: func(key string) string { return test.env[key] }}}
		if got := a.utf8(); got != test.want {
			t.Errorf("%v: %v, want %v", test.env, got, test.want)
		}
	}
}

func TestGapsAreSaidOnce(t *testing.T) {
	gaps := []host.Gap{{Part: "owners", Why: "operation\nnot permitted"}, {Part: "sockets", NetNS: 7, Why: "gone"}}
	var words bytes.Buffer
	a := app{Streams: Streams{Err: &words}}
	a.printGaps(gaps)
	want := "portrange: could not read owners: operation not permitted\n" +
		"portrange: could not read sockets in network namespace 7: gone\n"
	if diff := cmp.Diff(want, words.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	words.Reset()
	a.json = true
	if a.printGaps(gaps); words.Len() > 0 {
		t.Errorf("JSON carries the gaps, yet standard error has %q", words.String())
	}
}

func TestVersionLine(t *testing.T) {
	info := &debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}, Settings: []debug.BuildSetting{
		{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.time", Value: "2026-11-22T20:43:44Z"}, {Key: "vcs.modified", Value: "true"},
	}}
	if got := readBuild(info).String(); !strings.HasPrefix(got, "portrange v1.2.3 (abc, modified) go") {
		t.Errorf("version line %q", got)
	}
	if got := readBuild(nil).String(); !strings.HasPrefix(got, "portrange unknown go") {
		t.Errorf("version line without build information %q", got)
	}
}

func TestProgressIsSilentOffTheTerminal(t *testing.T) {
	var words bytes.Buffer
	stop := progress(&words, "reading")
	stop()
	stop()
	if words.Len() > 0 {
		t.Errorf("progress wrote %q", words.String())
	}
}
