package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"portrange/internal/nettest"
)

// hangs is how long a process may take that is told to end before it counts as one
// that never does. It is no measure of speed: the machine may be busy.
const hangs = 30 * time.Second

// exitCodeOf waits for a command to end.
func exitCodeOf(t *testing.T, command *exec.Cmd) int {
	t.Helper()
	late := time.AfterFunc(hangs, func() { _ = command.Process.Kill() })
	_ = command.Wait() // the exit code is the result
	if !late.Stop() {
		t.Errorf("%s: still there %v after the signal", command, hangs)
	}
	return command.ProcessState.ExitCode()
}

// fullPipe is a pipe that takes no byte more, and that nobody reads.
func fullPipe(t *testing.T) *os.File {
	t.Helper()
	reader, writer, err := os.Pipe()
	check(t, err)
	t.Cleanup(func() { reader.Close(); writer.Close() })
	fd := int(writer.Fd())
	check(t, unix.SetNonblock(fd, true))
	for err == nil {
		_, err = unix.Write(fd, make([]byte, 4096))
	}
	check(t, unix.SetNonblock(fd, false))
	return writer
}

// awaitBlocked waits until a process sleeps in a write to a pipe.
func awaitBlocked(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(hangs); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
		check(t, err)
		for _, thread := range threads {
			call, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/syscall", pid, thread.Name())) // the thread may have ended
			if strings.HasPrefix(string(call), fmt.Sprintf("%d 0x1 ", unix.SYS_WRITE)) {
				return
			}
		}
	}
	t.Fatal("it never writes to standard output")
}

// TestASignalEndsARunThatNobodyReads: the write that does not return ends with the
// process.
func TestASignalEndsARunThatNobodyReads(t *testing.T) {
	nettest.NeedRoot(t)
	if testing.Short() {
		t.Skip("under the race detector a run takes too long to get to its output")
	}
	for _, line := range []string{
		"show", "left 127.0.0.1:80", "sockets", "sockets --json", "summary", "doctor", "doctor --interval 100ms",
		"check", "boot", "boot --json", "plan --help", "set --dry-run 20000 60000", "help json",
	} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			command := exec.Command("portrange", strings.Fields(line)...)
			command.Stdout = fullPipe(t)
			check(t, command.Start())
			defer func() { _ = command.Process.Kill() }() // where it was not ended
			awaitBlocked(t, command.Process.Pid)
			check(t, command.Process.Signal(syscall.SIGTERM))
			if code := exitCodeOf(t, command); code != 143 {
				t.Errorf("exit code %d, want 143", code)
			}
		})
	}
}

// TestASignalEndsWaiting: between two looks there is nothing to read.
func TestASignalEndsWaiting(t *testing.T) {
	for signal, want := range map[syscall.Signal]int{unix.SIGINT: 130, unix.SIGTERM: 143, unix.SIGHUP: 129} {
		command := exec.Command("portrange", "doctor", "--interval", "1h", "--source", "netlink")
		check(t, command.Start())
		awaitReading(t, command.Process.Pid)
		check(t, command.Process.Signal(signal))
		if code := exitCodeOf(t, command); code != want {
			t.Errorf("%v: exit code %d, want %d", signal, code, want)
		}
	}
}

// awaitReading waits until a process has read more than the start of a program takes.
func awaitReading(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(hangs); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
		check(t, err)
		var read int
		_, err = fmt.Sscanf(string(text), "rchar: %d", &read)
		check(t, err)
		if read > 100_000 {
			return
		}
	}
	t.Fatal("it reads nothing")
}

// TestASignalAtAQuestion leaves the terminal as it was, and nothing changed.
func TestASignalAtAQuestion(t *testing.T) {
	box := nettest.NewNamed(t, fmt.Sprintf("portrange-%d-question", os.Getpid()))
	keyboard, terminal := openTerminal(t)
	before, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
	check(t, err)
	command := exec.Command("portrange", "set", "20000", "60000", "--netns", box.Path())
	command.Stdin, command.Stdout, command.Stderr = terminal, terminal, terminal
	check(t, command.Start())
	var said bytes.Buffer
	check(t, until(keyboard, &said, "[y/N] "))
	check(t, command.Process.Signal(syscall.SIGTERM))
	if code := exitCodeOf(t, command); code != 143 {
		t.Errorf("exit code %d, want 143", code)
	}
	check(t, until(keyboard, &said, "portrange: nothing was changed\r\n"))
	after, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
	check(t, err)
	if *after != *before {
		t.Errorf("the terminal is %+v, was %+v", after, before)
	}
	if value := box.GetSysctl("net.ipv4.ip_local_port_range"); strings.Join(strings.Fields(value), " ") != "32768 60999" {
		t.Errorf("the range is %q", value)
	}
}

// openTerminal makes a terminal and the end at which a person would sit.
func openTerminal(t *testing.T) (keyboard, terminal *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	check(t, err)
	t.Cleanup(func() { keyboard.Close() })
	number, err := unix.IoctlGetInt(int(keyboard.Fd()), unix.TIOCGPTN)
	check(t, err)
	check(t, unix.IoctlSetPointerInt(int(keyboard.Fd()), unix.TIOCSPTLCK, 0))
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	check(t, err)
	t.Cleanup(func() { terminal.Close() })
	return keyboard, terminal
}

// until reads until text has come.
func until(from *os.File, said *bytes.Buffer, text string) error {
	for deadline := time.Now().Add(hangs); !strings.Contains(said.String(), text); {
		ready := []unix.PollFd{{Fd: int32(from.Fd()), Events: unix.POLLIN}}
		if _, err := unix.Poll(ready, 100); err != nil && err != unix.EINTR {
			return err
		}
		if ready[0].Revents == 0 && time.Now().Before(deadline) {
			continue
		}
		part := make([]byte, 4096)
		n, err := from.Read(part)
		said.Write(part[:n])
		if err != nil && err != io.EOF || time.Now().After(deadline) {
			return fmt.Errorf("%w after %q, wanted %q", err, said.String(), text)
		}
	}
	return nil
}
