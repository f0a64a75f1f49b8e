package boot

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// The forecast is held against the programs themselves: a random tree becomes
// the root of systemd-sysctl and of sysctl --system, each in a network
// namespace that nobody used before, and what they leave there is compared.
//
// The test runs in two processes of its own. A worker has a private mount
// namespace, in which it builds the root directories; for each program it
// takes a thread into a new network namespace, runs the program from there and
// reads the settings. All keys in the trees belong to the network namespace,
// and everything else below /proc/sys is mounted read-only.

var (
	trees     = flag.Int("trees", 500, "random trees to hold against the real programs")
	firstTree = flag.Uint64("first", 1, "seed of the first of them")
)

const (
	workerEnv = "PORTRANGE_BOOT_WORKER" // holds the directory to work in
	workers   = 2
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(workerEnv); dir != "" {
		if err := work(dir, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// verdict is what a worker found out about one tree.
type verdict struct {
	Seed       uint64
	Difference string
}

func TestForecastMatchesPrograms(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root for namespaces and mounts")
	}
	before := hostState(t)
	seeds := make(chan uint64)
	var group sync.WaitGroup
	for range workers {
		group.Go(func() { superviseWorker(t, seeds) })
	}
	count := uint64(*trees)
	if testing.Short() {
		count = min(count, 50)
	}
	for seed := *firstTree; seed < *firstTree+count; seed++ {
		seeds <- seed
	}
	close(seeds)
	group.Wait()
	if diff := cmp.Diff(before, hostState(t)); diff != "" {
		t.Errorf("the machine's own state changed (-before +after):\n%s", diff)
	}
}

// superviseWorker hands seeds to one worker and reports the differences.
func superviseWorker(t *testing.T, seeds <-chan uint64) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), workerEnv+"="+t.TempDir())
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &unix.SysProcAttr{Unshareflags: unix.CLONE_NEWNS, Pdeathsig: unix.SIGKILL}
	in, inErr := cmd.StdinPipe()
	out, outErr := cmd.StdoutPipe()
	if err := errors.Join(inErr, outErr, cmd.Start()); err != nil {
		t.Error(err)
	}
	verdicts := json.NewDecoder(out)
	for seed := range seeds {
		var v verdict
		_, writeErr := fmt.Fprintln(in, seed)
		if err := errors.Join(writeErr, verdicts.Decode(&v)); err != nil {
			t.Errorf("seed %d: %v", seed, err)
			break
		}
		if v.Difference != "" {
			t.Errorf("seed %d: %s", v.Seed, v.Difference)
		}
	}
	for range seeds { // after a failure the rest goes untested, which failed already
	}
	if err := errors.Join(in.Close(), cmd.Wait()); err != nil {
		t.Error(err)
	}
}

// hostState is what the test must not change.
func hostState(t *testing.T) map[string]string {
	t.Helper()
	state, err := readSettings()
	if err != nil {
		t.Fatal(err)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, t.Name()) { // as t.TempDir does
			state["mounts"] += line
		}
	}
	return state
}

func work(dir string, in io.Reader, out io.Writer) error {
	bench, err := newBench(dir)
	if err != nil {
		return fmt.Errorf("set up: %w", err)
	}
	answers := json.NewEncoder(out)
	for lines := bufio.NewScanner(in); lines.Scan(); {
		var seed uint64
		if _, err := fmt.Sscan(lines.Text(), &seed); err != nil {
			return err
		}
		difference, err := bench.try(seed)
		if err != nil {
			return fmt.Errorf("seed %d: %w", seed, err)
		}
		if err := answers.Encode(verdict{Seed: seed, Difference: difference}); err != nil {
			return err
		}
	}
	return nil
}

// bench holds two root directories: one where /lib is a link into /usr, one
// where it is a directory of its own.
type bench struct{ merged, split string }

func newBench(dir string) (*bench, error) {
	b := &bench{merged: filepath.Join(dir, "merged"), split: filepath.Join(dir, "split")}
	if err := unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return nil, err
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, ""); err != nil {
		return nil, err
	}
	for _, root := range []string{b.merged, b.split} {
		if err := furnish(root); err != nil {
			return nil, err
		}
	}
	if err := os.Symlink("usr/lib", b.merged+"/lib"); err != nil {
		return nil, err
	}
	return b, splitLib(b.split)
}

// furnish makes a root directory in which the programs run.
func furnish(root string) error {
	for _, dir := range []string{"usr", "proc", "dev", "etc", "run"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			return err
		}
	}
	for _, dir := range []string{"bin", "sbin", "lib64"} {
		if err := os.Symlink("usr/"+dir, filepath.Join(root, dir)); err != nil {
			return err
		}
	}
	null := filepath.Join(root, "dev/null")
	if err := unix.Mknod(null, unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))); err != nil {
		return err
	}
	const remount = unix.MS_BIND | unix.MS_REMOUNT | unix.MS_RDONLY
	for _, m := range []struct {
		from, to, kind string
		flags          uintptr
	}{
		{"/usr", "usr", "", unix.MS_BIND | unix.MS_REC},
		{"", "usr", "", remount},
		{"tmpfs", "usr/lib/sysctl.d", "tmpfs", 0},
		{"tmpfs", "usr/local/lib", "tmpfs", 0},
		{"/proc", "proc", "", unix.MS_BIND | unix.MS_REC},
		{"/proc/sys", "proc/sys", "", unix.MS_BIND},
		{"", "proc/sys", "", remount},
		{"/proc/sys/net", "proc/sys/net", "", unix.MS_BIND},
	} {
		if err := unix.Mount(m.from, filepath.Join(root, m.to), m.kind, m.flags, ""); err != nil {
			return fmt.Errorf("mount %s on %s: %w", m.from, m.to, err)
		}
	}
	return nil
}

// splitLib gives a root a /lib that differs from /usr/lib in nothing but its
// sysctl.d.
func splitLib(root string) error {
	if err := os.Mkdir(root+"/lib", 0o755); err != nil {
		return err
	}
	entries, err := os.ReadDir("/usr/lib")
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.Name() == "sysctl.d" {
			continue
		}
		if err := os.Symlink("../usr/lib/"+entry.Name(), filepath.Join(root, "lib", entry.Name())); err != nil {
			return err
		}
	}
	return nil
}

// try returns a description of the differences for one seed, "" for none.
func (b *bench) try(seed uint64) (string, error) {
	tree := randomTree(seed)
	root := b.merged
	if tree.split {
		root = b.split
	}
	if err := tree.build(root); err != nil {
		return "", fmt.Errorf("build: %w", err)
	}
	var report *Report
	err := onThread(tree.weak, func() (err error) {
		forecast, err := Read(root, Keys())
		if err == nil {
			report = forecast.Report(nil)
		}
		return err
	})
	if err != nil {
		return "", err
	}
	differences := ""
	for _, p := range []struct {
		command  []string
		decision func(Setting) *Decision
	}{
		{[]string{"/usr/lib/systemd/systemd-sysctl"}, func(s Setting) *Decision { return s.Systemd }},
		{[]string{"/usr/sbin/sysctl", "--system"}, func(s Setting) *Decision { return s.Procps }},
	} {
		difference, err := compare(root, tree.weak, p.command, report, p.decision)
		if err != nil {
			return "", fmt.Errorf("%s: %w", p.command, err)
		}
		differences += difference
	}
	if differences != "" {
		differences += tree.String()
	}
	return differences, nil
}

// compare runs a program and holds the forecast against what it did.
func compare(root string, weak bool, command []string, report *Report, decision func(Setting) *Decision) (string, error) {
	forecast, real, said, err := settingsAfter(root, weak, command)
	if err != nil {
		return "", err
	}
	for _, s := range report.Settings {
		if d := decision(s); d != nil {
			forecast[s.Key] = d.Value
		}
	}
	if diff := cmp.Diff(forecast, real); diff != "" {
		return fmt.Sprintf("%s (-forecast +real):\n%s%s\n", command, diff, said), nil
	}
	return "", nil
}

// settingsAfter runs a program in a new network namespace. It returns the
// settings before and after, and what the program said.
func settingsAfter(root string, weak bool, command []string) (before, after map[string]string, said string, err error) {
	err = onThread(weak, func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return err
		}
		var readErr error
		if before, readErr = readSettings(); readErr != nil {
			return readErr
		}
		cmd := exec.Command(command[0], command[1:]...)
		cmd.Env = []string{"LC_ALL=C", "SYSTEMD_LOG_LEVEL=warning"}
		cmd.Dir = "/"
		cmd.SysProcAttr = &unix.SysProcAttr{Chroot: root}
		output, runErr := cmd.CombinedOutput()
		said = string(output)
		var exit *exec.ExitError
		if runErr != nil && !errors.As(runErr, &exit) || exit != nil && !exit.Exited() {
			return fmt.Errorf("%w: %s", runErr, output)
		}
		after, readErr = readSettings()
		return readErr
	})
	return before, after, said, err
}

// onThread runs f on a thread of its own, which ends with it: namespaces and
// lost capabilities go no further. A weak thread is a root that file modes
// bind.
func onThread(weak bool, f func() error) error {
	failed := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked
		if weak {
			if err := weaken(); err != nil {
				failed <- err
				return
			}
		}
		failed <- f()
	}()
	return <-failed
}

// weaken drops the two capabilities that let root read everything, for this
// thread and for what it executes.
func weaken() error {
	const lost = 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_DAC_READ_SEARCH
	for _, c := range []uintptr{unix.CAP_DAC_OVERRIDE, unix.CAP_DAC_READ_SEARCH} {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil {
			return err
		}
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if err := unix.Capget(&header, &sets[0]); err != nil {
		return err
	}
	sets[0].Effective &^= lost
	return unix.Capset(&header, &sets[0])
}

// readSettings reads all keys in the network namespace of the calling thread,
// with single spaces. One read has to be enough: a second one gives nothing,
// however long the list of reserved ports is.
func readSettings() (map[string]string, error) {
	settings := map[string]string{}
	buffer := make([]byte, 512<<10)
	for _, key := range Keys() {
		f, err := os.Open(procSys + swapped(key))
		if err != nil {
			return nil, err
		}
		n, err := f.Read(buffer)
		_ = f.Close()
		if err != nil && err != io.EOF {
			return nil, err
		}
		settings[key] = spaced(string(buffer[:n]))
	}
	return settings, nil
}
