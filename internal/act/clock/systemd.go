package clock

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"
	godbus "github.com/godbus/dbus/v5"
)

// Manager is what is asked of systemd. *dbus.Conn is one.
type Manager interface {
	StartTransientUnitAux(ctx context.Context, name, mode string, properties []dbus.Property,
		aux []dbus.PropertyCollection, ch chan<- string) (int, error)
	StopUnitContext(ctx context.Context, name, mode string, ch chan<- string) (int, error)
}

// Timer is a transient timer of systemd.
type Timer struct {
	// Connect opens a connection to systemd and returns how to close it.
	Connect func(ctx context.Context) (Manager, func(), error)
	// Command is the program and its arguments that take change id back.
	Command func(id int) []string
}

// patience is how long systemd may take to answer.
const patience = 10 * time.Second

// Connect connects to systemd, through the system's bus or, where there is
// none, directly.
func Connect(ctx context.Context) (Manager, func(), error) {
	conn, err := dbus.NewWithContext(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("connect to systemd: %w", err)
	}
	return conn, conn.Close, nil
}

func unitName(id int) string { return fmt.Sprintf("portrange-revert-%d", id) }

// Start asks for what systemd-run --on-active= would.
func (t *Timer) Start(id int, after time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	manager, done, err := t.Connect(ctx)
	if err != nil {
		return err
	}
	defer done()
	result := make(chan string, 1)
	service := dbus.PropertyCollection{Name: unitName(id) + ".service", Properties: serviceProperties(id, t.Command(id))}
	_, err = manager.StartTransientUnitAux(ctx, unitName(id)+".timer", "fail",
		timerProperties(id, after), []dbus.PropertyCollection{service}, result)
	if err != nil {
		return fmt.Errorf("start a timer of systemd: %w", err)
	}
	select {
	case outcome := <-result:
		if outcome != "done" {
			return fmt.Errorf("start a timer of systemd: the job ended as %q; see `systemctl status %s.timer`", outcome, unitName(id))
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("start a timer of systemd: %w", ctx.Err())
	}
}

// timerMonotonic is an element of TimersMonotonic (org.freedesktop.systemd1(5)).
type timerMonotonic struct {
	Base string
	USec uint64
}

func timerProperties(id int, after time.Duration) []dbus.Property {
	return []dbus.Property{
		dbus.PropDescription(fmt.Sprintf("portrange: take change %d back unless it is confirmed", id)),
		{Name: "TimersMonotonic", Value: godbus.MakeVariant([]timerMonotonic{{"OnActiveSec", uint64(after.Microseconds())}})},
		// Without, systemd delays timers by up to a minute to save wake-ups.
		{Name: "AccuracyUSec", Value: godbus.MakeVariant(uint64(time.Millisecond.Microseconds()))},
		{Name: "RemainAfterElapse", Value: godbus.MakeVariant(false)},
	}
}

func serviceProperties(id int, command []string) []dbus.Property {
	return []dbus.Property{
		dbus.PropDescription(fmt.Sprintf("portrange: take change %d back", id)),
		dbus.PropExecStart(command, false),
		{Name: "CollectMode", Value: godbus.MakeVariant("inactive-or-failed")},
	}
}

// Stop ends the timer.
func (t *Timer) Stop(id int) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	manager, done, err := t.Connect(ctx)
	if err != nil {
		return
	}
	defer done()
	_, _ = manager.StopUnitContext(ctx, unitName(id)+".timer", "replace", nil)
}

// Running reports whether systemd runs the machine (sd_booted(3)) and can run
// program later: what `go run` builds is gone by then.
func Running(program string) bool {
	info, err := os.Lstat("/run/systemd/system")
	return err == nil && info.IsDir() && !strings.Contains(program, "/go-build")
}
