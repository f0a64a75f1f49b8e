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

// What an error of [Set] may say about a list that takes several calls.
var (
	// ErrHalf says that a part of the list is in force, and could not be put back.
	ErrHalf = errors.New("the list was left half changed")
	// ErrOther says that what is there comes from another program.
	ErrOther = errors.New("another program wrote it meanwhile")
)

// Set changes a setting of the calling thread's network namespace. A list of
// reserved ports may be as long as it gets. Errors say what to do, and wrap
// [ErrRefused] or the error of the system call. After an error the setting is
// what it was, or the error says otherwise, which [ErrHalf] and [ErrOther] do.
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
// are free for the microseconds between two calls. A list that stays half
// changed after an error is put back, one that somebody else wrote is not.
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
	now, errRead := t.reserved()
	switch {
	case errRead != nil:
		return fmt.Errorf("%w; %w for all that can be told: %w", err, ErrHalf, errRead)
	case *now == *before:
		return err
	case !between(before, want, now):
		return fmt.Errorf("%w; %w: it has %d ports now", err, ErrOther, now.Len())
	}
	if errBack := t.writeReserved(before, now); errBack != nil {
		return fmt.Errorf("%w; %w, as it could not be put back at once: %w", err, ErrHalf, errBack)
	}
	return err
}

// Between reports whether now is what a write of the list after over the list
// before may have left behind that was stopped on its way, or one of before over
// that. Lists that fit into one call have nothing between them.
func Between(before, after, now string) bool {
	var sets [3]*port.Set
	for i, list := range []string{before, after, now} {
		var err error
		if sets[i], err = port.ParseSet(list); err != nil {
			return false
		}
	}
	return between(sets[0], sets[1], sets[2])
}

// between compares with every state that [tree.writeReserved] can leave, there
// and back: the first chunks of one list, alone where they replaced what was
// there, or with the first chunks of the other where they were added to it.
func between(before, after, now *port.Set) bool {
	there, back := growing(after), growing(before)
	for i, some := range there {
		for j, others := range back {
			if i+j == 0 || i > 0 && j > 0 && !within(some, before) && !within(others, after) {
				continue
			}
			both := some.Clone()
			if both.Union(others); *both == *now {
				return true
			}
		}
	}
	return false
}

// growing are the unions of no chunk of a list, of its first one, of its first
// two, and so on.
func growing(list *port.Set) []*port.Set {
	sum := &port.Set{}
	steps := []*port.Set{sum}
	for _, chunk := range chunkList(list.String(), maxChunk) {
		part, err := port.ParseSet(chunk)
		if err != nil {
			panic("a chunk of a list is no list: " + err.Error())
		}
		sum = sum.Clone()
		sum.Union(part)
		steps = append(steps, sum)
	}
	return steps
}

func within(some, all *port.Set) bool { return some.CountIn(all) == some.Len() }

func (t tree) reserved() (*port.Set, error) {
	text, err := t.read(port.KeyReserved)
	if err != nil {
		return nil, err
	}
	return port.ParseSet(text)
}

func (t tree) writeReserved(want, before *port.Set) error {
	chunks := chunkList(want.String(), maxChunk)
	offset := int64(0)
	if len(chunks) > 1 && within(before, want) {
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
		return fmt.Errorf("write %s: %d ports were written, and %d are there; does another program write it?",
			port.KeyReserved, want.Len(), got.Len())
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
