package clock

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"
	godbus "github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"
)

// Manager is what is asked of systemd. *dbus.Conn is one.
type Manager interface {
	StartTransientUnitAux(ctx context.Context, name, mode string, properties []dbus.Property,
		aux []dbus.PropertyCollection, ch chan<- string) (int, error)
	StopUnitContext(ctx context.Context, name, mode string, ch chan<- string) (int, error)
	ResetFailedUnitContext(ctx context.Context, name string) error
	GetManagerProperty(name string) (string, error)
}

// Timer is a transient timer of systemd.
type Timer struct {
	// Connect opens a connection to systemd and returns how to close it.
	Connect func(ctx context.Context) (Manager, func(), error)
	// Command is the program and its arguments that take change id back.
	Command func(id int) []string
	// Needs are the paths without which the command may fail, the program's among
	// them.
	Needs func(id int) []string
}

// patience is how long systemd may take to answer.
const patience = 10 * time.Second

func unitName(id int) string { return fmt.Sprintf("portrange-revert-%d", id) }

// Start asks for what systemd-run --on-active= would, and is an error where
// the command could not do its work when the time comes.
func (t *Timer) Start(id int, after time.Duration) error {
	if err := shared(systemdRoot, t.Needs(id)); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	manager, done, err := t.Connect(ctx)
	if err != nil {
		return err
	}
	defer done()
	strikes, err := sinceStartup(manager, after)
	if err != nil {
		return err
	}
	service := dbus.PropertyCollection{Name: unitName(id) + ".service", Properties: serviceProperties(id, t.Command(id))}
	result := make(chan string, 1)
	_, err = manager.StartTransientUnitAux(ctx, unitName(id)+".timer", "fail",
		timerProperties(id, strikes), []dbus.PropertyCollection{service}, result)
	if err != nil {
		return fmt.Errorf("start a timer of systemd: %w", err)
	}
	select {
	case outcome := <-result:
		if outcome != "done" {
			return fmt.Errorf("start a timer of systemd: the job ended as %q; see `systemctl status %s.timer`",
				outcome, unitName(id))
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("start a timer of systemd: %w", ctx.Err())
	}
}

// sinceStartup is a time from now as systemd counts it: from its own start.
func sinceStartup(manager Manager, after time.Duration) (time.Duration, error) {
	const property = "UserspaceTimestampMonotonic"
	text, err := manager.GetManagerProperty(property)
	if err != nil {
		return 0, fmt.Errorf("ask systemd when it started: %w", err)
	}
	started, err := parseTimestamp(text)
	if err != nil {
		return 0, fmt.Errorf("ask systemd when it started: %s is %q: %w", property, text, err)
	}
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return 0, fmt.Errorf("read the monotonic clock: %w", err)
	}
	up := time.Duration(now.Nano()) - started
	if up < 0 {
		return 0, fmt.Errorf("ask systemd when it started: %s is %q, which is yet to come", property, text)
	}
	return up + after, nil
}

// parseTimestamp reads a time as D-Bus writes it, as "@t 4711", in microseconds.
func parseTimestamp(text string) (time.Duration, error) {
	digits, isTime := strings.CutPrefix(text, "@t ")
	if !isTime {
		return 0, errors.New("want @t and a number")
	}
	microseconds, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		return 0, err
	}
	if microseconds > uint64(math.MaxInt64/time.Microsecond) {
		return 0, errors.New("out of range")
	}
	return time.Duration(microseconds) * time.Microsecond, nil
}

// serviceProperties start the command again when it was killed. They leave out
// CollectMode=: one that failed for good shall stay in `systemctl --failed`.
func serviceProperties(id int, command []string) []dbus.Property {
	const again = 5 * time.Second
	return []dbus.Property{
		dbus.PropDescription(fmt.Sprintf("portrange: take change %d back", id)),
		dbus.PropExecStart(command, false),
		{Name: "Restart", Value: godbus.MakeVariant("on-failure")},
		{Name: "RestartUSec", Value: godbus.MakeVariant(uint64(again.Microseconds()))},
	}
}

// timerMonotonic is an element of TimersMonotonic (org.freedesktop.systemd1(5)).
type timerMonotonic struct {
	Base string
	USec uint64
}

// timerProperties count from systemd's start. OnActiveSec= would begin anew
// with every `systemctl daemon-reload` (systemd issue 31914), which installing
// a package does, and the change would go back late or, with enough of them,
// never.
func timerProperties(id int, strikes time.Duration) []dbus.Property {
	timers := []timerMonotonic{{"OnStartupSec", uint64(strikes.Microseconds())}}
	return []dbus.Property{
		dbus.PropDescription(fmt.Sprintf("portrange: take change %d back unless it is confirmed", id)),
		{Name: "TimersMonotonic", Value: godbus.MakeVariant(timers)},
		// Without, systemd delays timers by up to a minute to save wake-ups.
		{Name: "AccuracyUSec", Value: godbus.MakeVariant(uint64(time.Millisecond.Microseconds()))},
		{Name: "RemainAfterElapse", Value: godbus.MakeVariant(false)},
	}
}

// Stop ends the timer, and forgets that it struck in vain.
func (t *Timer) Stop(id int) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	manager, done, err := t.Connect(ctx)
	if err != nil {
		return
	}
	defer done()
	_, _ = manager.StopUnitContext(ctx, unitName(id)+".timer", "replace", nil)
	_ = manager.ResetFailedUnitContext(ctx, unitName(id)+".service")
}

// Running reports whether systemd runs the machine (sd_booted(3)).
func Running() bool {
	info, err := os.Lstat("/run/systemd/system")
	return err == nil && info.IsDir()
}

// systemdRoot is the root directory as systemd sees it, which is process 1.
const systemdRoot = "/proc/1/root"

// shared is an error where a path is not the same file under another root: on a
// mount of this session's own, removed, or about to be.
func shared(other string, paths []string) error {
	root, err := os.OpenRoot(other)
	if errors.Is(err, os.ErrPermission) {
		return nil // systemd itself will tell who may not ask
	}
	if err != nil {
		return fmt.Errorf("look at what systemd sees: %w", err)
	}
	defer root.Close()
	for _, path := range paths {
		here, err := os.Stat(path)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		there, err := root.Stat(strings.TrimPrefix(path, "/"))
		switch {
		case errors.Is(err, os.ErrNotExist):
			return fmt.Errorf("%s: systemd sees no such file", path)
		case err != nil:
			return fmt.Errorf("%s: %w", path, err)
		case !os.SameFile(here, there):
			return fmt.Errorf("%s: systemd sees another file of that name", path)
		case strings.Contains(path, "/go-build"):
			return fmt.Errorf("%s: `go run` removes it at the end", path)
		}
	}
	return nil
}
