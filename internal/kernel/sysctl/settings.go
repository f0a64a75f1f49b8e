package sysctl

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strconv"
	"strings"
	"time"

	"portrange/internal/host"
	"portrange/internal/port"
)

// oldUnprivilegedStart is PROT_SOCK, fixed until Linux 4.11, where the kernel has
// no file for it.
const oldUnprivilegedStart = 1024

// Read returns the port settings of the calling thread's network namespace. The
// error names the setting that could not be read or understood.
func Read() (host.Settings, error) { return live().settings() }

func (t tree) settings() (host.Settings, error) {
	r := reader{tree: t}
	var s host.Settings
	s.Range, _ = value(&r, port.KeyRange, port.ParseRange)
	s.Reserved, _ = value(&r, port.KeyReserved, port.ParseSet)
	s.TWReuse, _ = value(&r, port.KeyTWReuse, numberUpTo(2))
	s.Timestamps, _ = value(&r, port.KeyTimestamps, numberUpTo(math.MaxUint8))

	var found bool
	if s.UnprivilegedStart, found = optional(&r, port.KeyUnprivilegedStart, numberUpTo(math.MaxUint16)); !found {
		s.UnprivilegedStart = oldUnprivilegedStart
	}
	// The kernel keeps the delay below a minute (TCP_PAWS_MSL), in milliseconds.
	upToAnHour := durationUpTo(int(time.Hour/time.Millisecond), time.Millisecond)
	if s.TWReuseDelay, s.HasTWReuseDelay = optional(&r, port.KeyTWReuseDelay, upToAnHour); !s.HasTWReuseDelay {
		s.TWReuseDelay = port.DefaultTWReuseDelay
	}
	s.StepWidth, s.HasStepWidth = optional(&r, port.KeyStepWidth, numberUpTo(math.MaxInt32))
	s.L3MdevAccept, s.HasL3MdevAccept = optional(&r, port.KeyL3MdevAccept, parseFlag)
	s.BindV6Only, s.HasBindV6Only = optional(&r, port.KeyBindV6Only, parseFlag)
	s.AutobindReuse, s.HasAutobindReuse = optional(&r, port.KeyAutobindReuse, parseFlag)
	s.MaxTWBuckets, _ = value(&r, port.KeyMaxTWBuckets, numberUpTo(math.MaxInt32))
	s.FinTimeout, _ = value(&r, port.KeyFinTimeout, durationUpTo(math.MaxInt32, time.Second))
	if r.err != nil {
		return host.Settings{}, r.err
	}
	return s, nil
}

// reader remembers the first error, so that settings reads like a list.
type reader struct {
	tree
	err error
}

// optional reads a setting that older kernels do not have.
func optional[T any](r *reader, key string, parse func(string) (T, error)) (T, bool) {
	before := r.err
	v, ok := value(r, key, parse)
	if !ok && before == nil && errors.Is(r.err, fs.ErrNotExist) {
		r.err = nil
	}
	return v, ok
}

func value[T any](r *reader, key string, parse func(string) (T, error)) (T, bool) {
	var none T
	if r.err != nil {
		return none, false
	}
	text, err := r.read(key)
	if err != nil {
		r.err = err
		return none, false
	}
	v, err := parse(text)
	if err != nil {
		r.err = fmt.Errorf("read %s: %w", key, err)
		return none, false
	}
	return v, true
}

func numberUpTo(high int) func(string) (int, error) {
	return func(text string) (int, error) {
		text = strings.TrimSpace(text)
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n > high {
			return 0, fmt.Errorf("%q is not a number from 0 to %d", text, high)
		}
		return n, nil
	}
}

// parseFlag reads a setting that is 0 or not. The kernel lets bindv6only be any
// number of a byte.
func parseFlag(text string) (bool, error) {
	n, err := numberUpTo(math.MaxUint8)(text)
	return n != 0, err
}

// durationUpTo parses a number of units.
func durationUpTo(high int, unit time.Duration) func(string) (time.Duration, error) {
	return func(text string) (time.Duration, error) {
		n, err := numberUpTo(high)(text)
		return time.Duration(n) * unit, err
	}
}
