package cli

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"
)

// crashVariable makes the test binary crash as a second process of check would.
const crashVariable = "PORTRANGE_TEST_CRASH"

func TestMain(m *testing.M) {
	switch os.Getenv(crashVariable) {
	case "panic":
		go panic("a goroutine panics")
		select {}
	case "fatal":
		shared := map[int]int{}
		for {
			go func() {
				for i := 0; ; i++ {
					shared[i&7]++ // "concurrent map writes" is no panic: nothing recovers from it
				}
			}()
		}
	}
	os.Exit(m.Run())
}

// check runs check with a second process, and what that writes on standard error.
func guardedCheck(t *testing.T, ctx context.Context, again []string, args ...string) (code int, out, said string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = Run(ctx, append([]string{"check"}, args...), Streams{
		In: strings.NewReader(""), Out: &stdout, Err: &stderr, Getenv: func(string) string { return "" }, Again: again,
	})
	return code, stdout.String(), stderr.String()
}

// TestACrashIsUnknown has the second process end in each way there is.
func TestACrashIsUnknown(t *testing.T) {
	for script, want := range map[string]struct {
		code int
		out  string
	}{
		"echo 'PORTRANGE OK: fine'; exit 64":             {0, "PORTRANGE OK: fine\n"},
		"echo 'PORTRANGE CRITICAL: none left'; exit 66":  {2, "PORTRANGE CRITICAL: none left\n"},
		"echo 'PORTRANGE UNKNOWN: interrupted'; exit 67": {3, "PORTRANGE UNKNOWN: interrupted\n"},
		"echo half a result; exit 2":                     {3, "PORTRANGE UNKNOWN: portrange crashed (exit status 2); what it said is on standard error, please report it\n"},
		"exit 63":                                        {3, "PORTRANGE UNKNOWN: portrange crashed (exit status 63); what it said is on standard error, please report it\n"},
		"exit 68":                                        {3, "PORTRANGE UNKNOWN: portrange crashed (exit status 68); what it said is on standard error, please report it\n"},
		"exit 0":                                         {3, "PORTRANGE UNKNOWN: portrange crashed (exit status 0); what it said is on standard error, please report it\n"},
		"kill -SEGV $$":                                  {3, "PORTRANGE UNKNOWN: portrange crashed (signal: segmentation fault); what it said is on standard error, please report it\n"},
	} {
		if code, out, _ := guardedCheck(t, t.Context(), []string{"/bin/sh", "-c", "ulimit -c 0; " + script}); code != want.code || out != want.out {
			t.Errorf("%s: exit code %d and %q, want %d and %q", script, code, out, want.code, want.out)
		}
	}
}

func TestARealCrashIsUnknown(t *testing.T) {
	for how, want := range map[string]string{"panic": "panic: a goroutine panics", "fatal": "fatal error: concurrent map"} {
		t.Setenv(crashVariable, how)
		code, out, said := guardedCheck(t, t.Context(), []string{"/proc/self/exe"})
		if code != 3 || !strings.HasPrefix(out, "PORTRANGE UNKNOWN: portrange crashed (exit status 2)") || strings.Count(out, "\n") != 1 {
			t.Errorf("%s: exit code %d: %s", how, code, out)
		}
		if !strings.Contains(said, want) {
			t.Errorf("%s: no stack on standard error:\n%s", how, said)
		}
	}
}

func TestAHangIsUnknown(t *testing.T) {
	code, out, _ := guardedCheck(t, t.Context(), []string{"/bin/sh", "-c", "trap '' TERM; exec sleep 100"}, "--timeout", "10ms")
	if code != 3 || out != "PORTRANGE UNKNOWN: no result within 10ms\n" {
		t.Errorf("exit code %d: %s", code, out)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if code, out, _ = guardedCheck(t, ctx, []string{"/bin/sh", "-c", "exec sleep 100"}); code != 3 || !strings.HasPrefix(out, "PORTRANGE UNKNOWN: interrupted") {
		t.Errorf("interrupted: exit code %d: %s", code, out)
	}
}

// TestWithoutASecondProcess: one process is better than no result.
func TestWithoutASecondProcess(t *testing.T) {
	code, out, _ := guardedCheck(t, t.Context(), []string{"/nowhere/portrange"}, "--tuple", "nonsense")
	if code != 3 || !strings.Contains(out, "nonsense") {
		t.Errorf("exit code %d: %s", code, out)
	}
}
