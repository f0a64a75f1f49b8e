package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// crashVariable makes the test binary crash as a second process of check would.
const crashVariable = "PORTRANGE_TEST_CRASH"

// traceVariable makes it trace a process instead.
const traceVariable = "PORTRANGE_TEST_TRACE"

func TestMain(m *testing.M) {
	if child := os.Getenv(traceVariable); child != "" {
		os.Exit(trace(child))
	}
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
	var stdout bytes.Buffer
	stderr, err := os.Create(filepath.Join(t.TempDir(), "stderr")) // what hangs goes on writing to it
	if err != nil {
		t.Fatal(err)
	}
	defer stderr.Close()
	code = Run(ctx, append([]string{"check"}, args...), Streams{
		In: strings.NewReader(""), Out: &stdout, Err: stderr, Getenv: func(string) string { return "" }, Again: again,
	})
	text, err := os.ReadFile(stderr.Name())
	if err != nil {
		t.Fatal(err)
	}
	return code, stdout.String(), string(text)
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

// The second process that hangs, and one that may be told to end.
const (
	deaf  = "trap '' TERM; while :; do sleep 0.1; done"
	quick = "exec sleep 100"
)

func TestAHangIsUnknown(t *testing.T) {
	for _, script := range []string{deaf, quick, "kill -STOP $$"} {
		code, out, _ := guardedCheck(t, t.Context(), []string{"/bin/sh", "-c", script}, "--timeout", "10ms")
		if code != 3 || out != "PORTRANGE UNKNOWN: no result within 10ms\n" {
			t.Errorf("%s: exit code %d: %s", script, code, out)
		}
	}
}

// TestASignalIsUnknown: the result is there before [Interrupt] ends the process.
func TestASignalIsUnknown(t *testing.T) {
	for _, script := range []string{deaf, quick, "kill -STOP $$"} {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(50*time.Millisecond, cancel)
		begun := time.Now()
		code, out, _ := guardedCheck(t, ctx, []string{"/bin/sh", "-c", script})
		if code != 3 || !strings.HasPrefix(out, "PORTRANGE UNKNOWN: interrupted") {
			t.Errorf("%s: exit code %d: %s", script, code, out)
		}
		if took := time.Since(begun); took > 10*Grace {
			t.Errorf("%s: took %v", script, took)
		}
	}
}

// TestAnEndThatNobodySeesIsUnknown: SIGKILL does not end a process that the kernel keeps, as
// a read from a file system that is gone does. Here its parent is not told of its death,
// as another process traces it that does not ask (ptrace(2)).
func TestAnEndThatNobodySeesIsUnknown(t *testing.T) {
	traced := filepath.Join(t.TempDir(), "traced")
	if err := unix.Mkfifo(traced, 0o600); err != nil {
		t.Fatal(err)
	}
	result := make(chan string, 1)
	go func() {
		again := []string{"/bin/sh", "-c", "echo $$ >" + traced + "; exec sleep 100"}
		code, out, _ := guardedCheck(t, t.Context(), again, "--timeout", "500ms")
		result <- fmt.Sprint(code, " ", out)
	}()
	child, err := os.ReadFile(traced)
	if err != nil {
		t.Fatal(err)
	}
	tracer := exec.Command("/proc/self/exe")
	tracer.Env = append(os.Environ(), traceVariable+"="+strings.TrimSpace(string(child)))
	wait, err := tracer.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := tracer.Start(); err != nil {
		t.Fatal(err)
	}
	select {
	case got := <-result:
		if got != "3 PORTRANGE UNKNOWN: no result within 500ms\n" {
			t.Errorf("%s", got)
		}
	case <-time.After(20 * time.Second):
		t.Error("it waits for the end of the second process")
	}
	_ = wait.Close()
	if err := tracer.Wait(); err != nil {
		t.Errorf("trace the second process: %v", err)
	}
}

// trace keeps the end of a process from its parent until standard input ends.
func trace(child string) int {
	runtime.LockOSThread()
	pid, _ := strconv.Atoi(child)
	if _, _, err := unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_SEIZE, uintptr(pid), 0, 0, 0, 0); err != 0 {
		return int(err)
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

// TestWithoutASecondProcess: one process is better than no result.
func TestWithoutASecondProcess(t *testing.T) {
	code, out, _ := guardedCheck(t, t.Context(), []string{"/nowhere/portrange"}, "--tuple", "nonsense")
	if code != 3 || !strings.Contains(out, "nonsense") {
		t.Errorf("exit code %d: %s", code, out)
	}
}
