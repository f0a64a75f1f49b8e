package sysctl

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"portrange/internal/port"
)

// ErrRefused says that the kernel does not take a value (EINVAL), or would take
// only a part of it.
var ErrRefused = errors.New("not a valid value")

// Set changes a setting of the calling thread's network namespace. A list of
// reserved ports may be as long as it gets. Errors say what to do, and wrap
// [ErrRefused] or the error of the system call. After an error the setting is
// what it was, or the error says otherwise.
func Set(key, value string) error { return live().set(key, value) }

func (t tree) set(key, value string) error {
	switch key {
	case port.KeyReserved:
		return t.setReserved(value)
	case port.KeyRange:
		// The kernel would take a single number for a new low end, and pass over a third one.
		if _, err := port.ParseRange(value); err != nil {
			return fmt.Errorf("write %s: %w: %w; %s", key, ErrRefused, err, t.whyRefused(key))
		}
	}
	return t.change(key, func(file *os.File) error { return writeOnce(file, value, 0) })
}

func (t tree) change(key string, write func(*os.File) error) error {
	file, err := os.OpenFile(t.path(key), os.O_WRONLY, 0)
	if err != nil {
		return t.explainWrite(key, err)
	}
	// The kernel reports everything at write(2).
	defer file.Close()
	if err := write(file); err != nil {
		return t.explainWrite(key, err)
	}
	return nil
}

// writeOnce writes a value by one system call, as each call is a change of its
// own. The line end matters for lists: without one, some kernels up to 6.19
// take the last port for half of a range now and then and refuse it
// (proc_do_large_bitmap).
func writeOnce(file *os.File, value string, offset int64) error {
	line := value + "\n"
	n, err := unix.Pwrite(int(file.Fd()), []byte(line), offset)
	if err == nil && n < len(line) {
		return fmt.Errorf("only %d of %d bytes were taken", n, len(line))
	}
	return err
}

// maxChunk is how much of a list one call may hold: the kernel takes less than
// a page a call, and before Linux 5.2 cut a longer list in the middle of a number.
const maxChunk = 4000

// addOffset is any offset but 0: a list written there is added to the one in
// force, instead of replacing it (proc_do_large_bitmap).
const addOffset = 1

// setReserved changes the list at once where it fits into one call. A longer
// one is at once only where ports are added; where others go, its later parts
// are free for the microseconds between two calls.
func (t tree) setReserved(list string) error {
	want, err := port.ParseSet(list)
	if err != nil {
		return fmt.Errorf("write %s: %w: %w", port.KeyReserved, ErrRefused, err)
	}
	before, err := t.reserved()
	if err != nil {
		return err
	}
	err = t.writeReserved(want, before)
	if err == nil {
		return nil
	}
	after, errRead := t.reserved()
	if errRead == nil && *after == *before {
		return err
	}
	if errUndo := t.writeReserved(before, &port.Set{}); errUndo != nil {
		return fmt.Errorf("%w; the list is half changed, it was %q: %w", err, before, errUndo)
	}
	return err
}

func (t tree) reserved() (*port.Set, error) {
	text, err := t.read(port.KeyReserved)
	if err != nil {
		return nil, err
	}
	return port.ParseSet(text)
}

func (t tree) writeReserved(want, before *port.Set) error {
	chunks := chunkList(want.String(), maxChunk)
	removed := before.Clone()
	removed.Subtract(want)
	offset := int64(0)
	if len(chunks) > 1 && removed.Len() == 0 {
		offset = addOffset
	}
	err := t.change(port.KeyReserved, func(file *os.File) error {
		for _, chunk := range chunks {
			if err := writeOnce(file, chunk, offset); err != nil {
				return err
			}
			offset = addOffset
		}
		return nil
	})
	if err != nil {
		return err
	}
	got, err := t.reserved()
	if err == nil && *got != *want {
		return fmt.Errorf("write %s: reads back as %q; does another program write it?", port.KeyReserved, got)
	}
	return err
}

// chunkList cuts a list at commas. There is always at least one chunk, as an
// empty one clears the list.
func chunkList(list string, size int) []string {
	var chunks []string
	for len(list) > size {
		cut := strings.LastIndexByte(list[:size+1], ',')
		if cut < 0 {
			break
		}
		chunks = append(chunks, list[:cut])
		list = list[cut+1:]
	}
	return append(chunks, list)
}

func (t tree) explainWrite(key string, err error) error {
	switch {
	case errors.Is(err, unix.EINVAL):
		return fmt.Errorf("write %s: %w: %s", key, ErrRefused, t.whyRefused(key))
	case errors.Is(err, unix.EROFS):
		return fmt.Errorf("write %s: %w; containers mount /proc/sys so: change it from the host "+
			"(portrange --netns PID), or start the container with it", key, unix.EROFS)
	}
	return t.explain("write", key, err)
}

// whyRefused tells the rule that stands behind EINVAL (net/ipv4/sysctl_net_ipv4.c).
func (t tree) whyRefused(key string) string {
	switch key {
	case port.KeyRange:
		start, err := t.get(port.KeyUnprivilegedStart)
		if err != nil {
			start = fmt.Sprint(oldUnprivilegedStart)
		}
		return fmt.Sprintf("it takes two numbers up to 65535, low not above high, and low not below %s, which is %s",
			port.KeyUnprivilegedStart, start)
	case port.KeyUnprivilegedStart:
		ports, err := t.get(port.KeyRange)
		if err != nil {
			ports = "not known"
		}
		return fmt.Sprintf("it takes one number up to 65535, not above the low end of %s, which is %s", port.KeyRange, ports)
	case port.KeyReserved:
		return "it takes ports and ranges joined by commas, as 8080,9148-9150"
	}
	return "see ip-sysctl.rst of the kernel's documentation for what it takes"
}
