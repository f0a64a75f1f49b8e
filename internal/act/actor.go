package act

import (
	"errors"
	"fmt"
	"time"

	"portrange/internal/act/journal"
	"portrange/internal/port"
	"portrange/internal/words"
)

// Actor carries out plans and takes them back.
type Actor struct {
	Host    Host
	Journal *journal.Journal
	// Clock takes back what was not confirmed.
	Clock Clock
}

// Clock arranges for [Actor.Revert] to be called on time, by a process that
// outlives the caller, its terminal and its session.
type Clock interface {
	// Start returns once the clock runs.
	Start(id int, after time.Duration) error
	// Stop is for tidiness: a clock that strikes in vain does no harm.
	Stop(id int)
}

// The errors of an [Actor] that are not errors of the host.
var (
	// ErrChanged says that a setting or file is not what the plan was made from.
	ErrChanged = errors.New("changed by somebody else meanwhile")
	// ErrPending says that a change waits for its confirmation.
	ErrPending = errors.New("a change waits for confirmation")
	// ErrNothing says that there is no change to take back or to confirm.
	ErrNothing = errors.New("there is none")
)

// pending refuses to go on while a change is in the way.
func (a *Actor) pending() error {
	u, err := a.Unsettled()
	if err != nil || u == nil || !u.Standing.Pending() {
		return err
	}
	return u.Err()
}

// sameValue compares two values of a setting.
func sameValue(key, a, b string) bool {
	if key == port.KeyReserved {
		first, errFirst := port.ParseSet(a)
		second, errSecond := port.ParseSet(b)
		if errFirst == nil && errSecond == nil {
			return *first == *second
		}
	}
	return spaced(a) == spaced(b)
}

// expectSetting is an error unless the setting is what the plan was made from.
func (a *Actor) expectSetting(s *journal.Setting) error {
	now, err := a.Host.Get(s.Namespace, s.Key)
	if err != nil {
		return err
	}
	if !sameValue(s.Key, now, s.Before) {
		return fmt.Errorf("%s: %w: it is %q now, the plan was made for %q; run the command again",
			settingName(s), ErrChanged, words.List(now), words.List(s.Before))
	}
	return nil
}

func (a *Actor) expectFile(f *journal.File) error {
	now, err := a.Host.ReadFile(f.Path)
	if err != nil {
		return fmt.Errorf("read %s: %w", f.Path, err)
	}
	if !now.Equal(f.Before) {
		return fmt.Errorf("%s: %w; run the command again", f.Path, ErrChanged)
	}
	if f.After == nil {
		return nil // one of several names, or a link, goes; what it stood for stays
	}
	return a.Host.Replaceable(f.Path)
}

// writeSetting compares, writes and reads back. The kernel has no way to do
// that in one step; what others write in between is lost. One that is there
// already is fine: a clock that had to do without the lock was faster.
func (a *Actor) writeSetting(s *journal.Setting) error {
	if now, err := a.Host.Get(s.Namespace, s.Key); err == nil && sameValue(s.Key, now, s.After) {
		return nil
	}
	if err := a.expectSetting(s); err != nil {
		return err
	}
	if err := a.Host.Set(s.Namespace, s.Key, s.After); err != nil {
		return err
	}
	now, err := a.Host.Get(s.Namespace, s.Key)
	if err != nil {
		return err
	}
	if !sameValue(s.Key, now, s.After) {
		return fmt.Errorf("%s: %w: %q was written and %q is there",
			settingName(s), ErrChanged, words.List(s.After), words.List(now))
	}
	return nil
}

// writeFile compares and writes. One that is there already, from an attempt
// that was interrupted, is fine.
func (a *Actor) writeFile(f *journal.File) error {
	if now, err := a.Host.ReadFile(f.Path); err == nil && now.Equal(f.After) {
		return nil
	}
	if err := a.expectFile(f); err != nil {
		return err
	}
	return a.Host.WriteFile(f.Path, f.After)
}
