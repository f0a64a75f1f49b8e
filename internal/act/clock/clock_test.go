package clock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"
	"golang.org/x/sys/unix"
)

const waiterEnv = "PORTRANGE_TEST_WAITER"

// TestMain makes the test program the process that waits: it says who it is,
// and ends with the test's directory.
func TestMain(m *testing.M) {
	dir := os.Getenv(waiterEnv)
	if dir == "" {
		os.Exit(m.Run())
	}
	sid, err := unix.Getsid(0)
	if err != nil {
		os.Exit(1)
	}
	text := fmt.Sprintf("%d %d %s", os.Getpid(), sid, strings.Join(os.Args[1:], " "))
	inherited, err := inheritedFiles()
	if err != nil || os.WriteFile(filepath.Join(dir, "open"), []byte(inherited), 0o600) != nil {
		os.Exit(1)
	}
	if os.WriteFile(filepath.Join(dir, "who"), []byte(text), 0o600) != nil {
		os.Exit(1)
	}
	if os.Args[1] == "fail" {
		os.Exit(1)
	}
	Ready()
	for {
		if _, err := os.Stat(dir); err != nil {
			os.Exit(0)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestDetached(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(waiterEnv, dir)
	d := Detached{Arguments: func(id int, after time.Duration) []string {
		return []string{"revert", strconv.Itoa(id), after.String()}
	}}
	if err := d.Start(7, time.Minute); err != nil {
		t.Fatal(err)
	}
	who, err := os.ReadFile(filepath.Join(dir, "who"))
	if err != nil {
		t.Fatal(err)
	}
	var pid, sid int
	var verb, after string
	var id int
	if _, err := fmt.Sscan(string(who), &pid, &sid, &verb, &id, &after); err != nil {
		t.Fatalf("%q: %v", who, err)
	}
	if sid != pid || verb != "revert" || id != 7 || after != "1m0s" {
		t.Errorf("waits as %q, want a session of its own", who)
	}
}

// inheritedFiles are the targets of all open files.
func inheritedFiles() (string, error) {
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return "", err
	}
	var targets []string
	for _, entry := range open {
		if target, err := os.Readlink("/proc/self/fd/" + entry.Name()); err == nil { // else it was ReadDir's own
			targets = append(targets, target)
		}
	}
	return strings.Join(targets, "\n"), nil
}

// TestDetachedInheritsNothing: a lock on an inherited file would stay taken, and the
// reader of an inherited pipe would wait for its end.
func TestDetachedInheritsNothing(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(waiterEnv, dir)
	path := filepath.Join(dir, "lock")
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CREAT, 0o600) // not close-on-exec, as a shell's
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	d := Detached{Arguments: func(int, time.Duration) []string { return []string{"revert"} }}
	if err := d.Start(7, time.Minute); err != nil {
		t.Fatal(err)
	}
	open, err := os.ReadFile(filepath.Join(dir, "open"))
	if err != nil || strings.Contains(string(open), path) || !strings.HasPrefix(string(open), "/dev/null\n/dev/null\n/dev/null\n") {
		t.Errorf("%v; open are\n%s", err, open)
	}
}

func TestDetachedThatEndsAtOnce(t *testing.T) {
	t.Setenv(waiterEnv, t.TempDir())
	d := Detached{Arguments: func(int, time.Duration) []string { return []string{"fail"} }}
	if err := d.Start(7, time.Minute); err == nil || !strings.Contains(err.Error(), "ended at once") {
		t.Errorf("error %v", err)
	}
}

// fakeManager is a systemd that answers.
type fakeManager struct {
	result  string
	err     error
	startup time.Duration // its age
	since   string        // what it says instead of when it started
	started []string
	timer   map[string]string
	service map[string]string
	stopped string
	reset   string
}

func texts(properties []dbus.Property) map[string]string {
	m := map[string]string{}
	for _, p := range properties {
		m[p.Name] = p.Value.Signature().String() + " " + p.Value.String()
	}
	return m
}

func (m *fakeManager) StartTransientUnitAux(_ context.Context, name, mode string, properties []dbus.Property,
	aux []dbus.PropertyCollection, ch chan<- string,
) (int, error) {
	m.started = append(m.started, name, mode)
	m.timer = texts(properties)
	for _, unit := range aux {
		m.started = append(m.started, unit.Name)
		m.service = texts(unit.Properties)
	}
	if m.result != "" {
		ch <- m.result
	}
	return 1, m.err
}

func (m *fakeManager) StopUnitContext(_ context.Context, name, _ string, _ chan<- string) (int, error) {
	m.stopped = name
	return 1, nil
}

func (m *fakeManager) ResetFailedUnitContext(_ context.Context, name string) error {
	m.reset = name
	return nil
}

func (m *fakeManager) GetManagerProperty(name string) (string, error) {
	if name != "UserspaceTimestampMonotonic" {
		return "", fmt.Errorf("unknown property %s", name)
	}
	if m.since != "" {
		return m.since, nil
	}
	var now unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)
	return fmt.Sprintf("@t %d", (time.Duration(now.Nano()) - m.startup).Microseconds()), err
}

func timer(m *fakeManager) *Timer {
	return &Timer{
		Connect: func(context.Context) (Manager, func(), error) { return m, func() {}, nil },
		Command: func(id int) []string { return []string{"/usr/bin/portrange", "revert", strconv.Itoa(id)} },
		Needs:   func(int) []string { return nil },
	}
}

func TestTimer(t *testing.T) {
	m := &fakeManager{result: "done", startup: time.Hour}
	if err := timer(m).Start(7, 90*time.Second); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(m.started, " "); got != "portrange-revert-7.timer fail portrange-revert-7.service" {
		t.Errorf("started %s", got)
	}
	// The types are those of org.freedesktop.systemd1(5); systemd refuses others.
	for property, want := range map[string]string{
		m.timer["AccuracyUSec"]:      `t @t 1000`,
		m.timer["RemainAfterElapse"]: `b false`,
		m.service["Restart"]:         `s "on-failure"`,
		m.service["RestartUSec"]:     `t @t 5000000`,
		m.service["ExecStart"]:       `a(sasb) [("/usr/bin/portrange", ["/usr/bin/portrange", "revert", "7"], false,)]`,
	} {
		if property != want {
			t.Errorf("property %s, want %s", property, want)
		}
	}
	const before, behind = `a(st) @a(st) [("OnStartupSec", `, `,)]`
	number, formed := strings.CutPrefix(strings.TrimSuffix(m.timer["TimersMonotonic"], behind), before)
	strikes, err := strconv.Atoi(number)
	if min := (time.Hour + 90*time.Second).Microseconds(); !formed || err != nil ||
		int64(strikes) < min || int64(strikes) > min+patience.Microseconds() {
		t.Errorf("strikes at %s, want 1h1m30s after systemd started", m.timer["TimersMonotonic"])
	}
	timer(m).Stop(7)
	if m.stopped != "portrange-revert-7.timer" || m.reset != "portrange-revert-7.service" {
		t.Errorf("stopped %s, reset %s", m.stopped, m.reset)
	}
}

func TestTimerThatDoesNotStart(t *testing.T) {
	if err := timer(&fakeManager{result: "failed"}).Start(7, time.Minute); err == nil || !strings.Contains(err.Error(), `"failed"`) {
		t.Errorf("error %v", err)
	}
	refused := errors.New("access denied")
	if err := timer(&fakeManager{err: refused}).Start(7, time.Minute); !errors.Is(err, refused) {
		t.Errorf("error %v", err)
	}
	if err := timer(&fakeManager{since: "@s \"?\""}).Start(7, time.Minute); err == nil || !strings.Contains(err.Error(), "when it started") {
		t.Errorf("error %v", err)
	}
	nobody := timer(nil)
	nobody.Connect = func(context.Context) (Manager, func(), error) { return nil, nil, refused }
	if err := nobody.Start(7, time.Minute); !errors.Is(err, refused) {
		t.Errorf("error %v", err)
	}
	nobody.Stop(7)
}

func TestShared(t *testing.T) {
	here := t.TempDir()
	private := filepath.Join(here, "private")
	write(t, private)
	root := t.TempDir()
	write(t, filepath.Join(root, private))
	goRun := filepath.Join(here, "go-build1")
	write(t, goRun)
	for path, want := range map[string]string{
		here + "/removed": "no such file",
		here:              "another file",
		private:           "another file",
	} {
		if err := shared(root, []string{path}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", path, err, want)
		}
	}
	if err := shared("/", []string{here, private}); err != nil {
		t.Error(err)
	}
	if err := shared("/", []string{here, goRun}); err == nil || !strings.Contains(err.Error(), "go run") {
		t.Errorf("error %v", err)
	}
}

func write(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestFallback(t *testing.T) {
	refused := errors.New("access denied")
	for name, test := range map[string]struct {
		manager fakeManager
		process string
		why     error // for the process
		fails   bool
	}{
		"timer":   {fakeManager{result: "done"}, "fail", nil, false},
		"process": {fakeManager{err: refused}, "revert", refused, false},
		"neither": {fakeManager{err: refused}, "fail", nil, true},
	} {
		t.Setenv(waiterEnv, t.TempDir())
		var why error
		f := &Fallback{
			Timer:    timer(&test.manager),
			Detached: &Detached{Arguments: func(int, time.Duration) []string { return []string{test.process} }},
			Instead:  func(err error) { why = err },
		}
		err := f.Start(7, time.Minute)
		if !errors.Is(why, test.why) || (err != nil) != test.fails || test.fails && !errors.Is(err, refused) {
			t.Errorf("%s: error %v, a process because of %v", name, err, why)
		}
		f.Stop(7)
		if test.manager.stopped == "" {
			t.Errorf("%s: the timer was not stopped", name)
		}
	}
}
