//go:build amd64 || arm64

package faults

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"portrange/internal/nettest"
)

// Environment variables that tell a copy of the test program what it is.
const (
	launchEnv = "PORTRANGE_TEST_LAUNCH" // to become the program under test; which calls are caught
	binaryEnv = "PORTRANGE_TEST_BINARY" // on a host of its own, with this program under test
)

var (
	manyFaults = flag.Int("faults", 0, "system calls that are to fail; 0 for as many as the budget allows")
	manyKills  = flag.Int("kills", 0, "kills, after the faults")
	budget     = flag.Duration("budget", 20*time.Second, "how long to go on without -faults and -kills")
	seed       = flag.Uint64("seed", 0, "of the random choice; 0 for one of the time")
	only       = flag.String("only", "", "the scenarios whose name contains this")
	workers    = flag.Int("workers", 2, "hosts side by side")
	worker     = flag.Int("worker", 0, "which of them this is")
	program    = flag.String("program", "", "the program under test, by its path; built where there is none")
	verbose    = flag.Bool("each", false, "print each fault")
)

func TestMain(m *testing.M) {
	if names := os.Getenv(launchEnv); names != "" {
		os.Unsetenv(launchEnv)
		fmt.Fprintln(os.Stderr, Launch(strings.Fields(names), os.Args[1:]))
		os.Exit(126)
	}
	os.Exit(m.Run())
}

// TestFaults lets system calls fail, and kills the program, at random places of
// each scenario, on hosts of its own side by side.
func TestFaults(t *testing.T) {
	if binary := os.Getenv(binaryEnv); binary != "" {
		mountHost(t)
		b := newBench(t, binary)
		if *only == "" && *manyFaults+*manyKills == 0 {
			b.tryNamed()
		}
		b.run()
		return
	}
	onHosts(t, "TestFaults")
}

// onHosts runs a test again on as many hosts as there are workers, each of its own.
func onHosts(t *testing.T, test string) {
	t.Helper()
	nettest.NeedRoot(t)
	binary, first := build(t), *seed
	if first == 0 {
		first = uint64(time.Now().UnixNano())
	}
	for i := range *workers {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			runInside(t, test, binary, first, i)
		})
	}
}

func build(t *testing.T) string {
	t.Helper()
	if *program != "" {
		return *program
	}
	binary := filepath.Join(t.TempDir(), "portrange")
	command := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "portrange/cmd/portrange")
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return binary
}

// runInside runs a test again as the first process of a host.
func runInside(t *testing.T, test, binary string, seed uint64, i int) {
	t.Helper()
	share := func(n int) int { return (n + *workers - 1) / *workers }
	command := exec.CommandContext(t.Context(), "/proc/self/exe",
		"-test.run=^"+test+"$", "-test.v", "-test.count=1", "-test.timeout=12h",
		fmt.Sprintf("-test.short=%v", testing.Short()), fmt.Sprintf("-budget=%v", *budget),
		fmt.Sprintf("-faults=%d", share(*manyFaults)), fmt.Sprintf("-kills=%d", share(*manyKills)),
		fmt.Sprintf("-reads=%d", share(*manyReads)),
		fmt.Sprintf("-seed=%d", seed), fmt.Sprintf("-workers=%d", *workers), fmt.Sprintf("-worker=%d", i),
		"-only="+*only, fmt.Sprintf("-each=%v", *verbose))
	command.Env = append(os.Environ(), binaryEnv+"="+binary)
	command.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNET, Unshareflags: syscall.CLONE_NEWNS,
		Pdeathsig: syscall.SIGKILL,
	}
	var out bytes.Buffer
	command.Stdout, command.Stderr = &out, &out
	if testing.Verbose() { // a long run shows what it finds, and how far it is
		command.Stdout = io.MultiWriter(&out, os.Stderr)
		command.Stderr = command.Stdout
	}
	err := command.Run()
	for line := range strings.Lines(out.String()) {
		if _, said, found := strings.Cut(line, "_test.go:"); found {
			t.Log(strings.TrimSpace(said))
		} else if err != nil {
			t.Log(strings.TrimRight(line, "\n"))
		}
	}
	if err != nil || !strings.Contains(out.String(), "--- PASS: "+test) {
		t.Errorf("inside: %v", err)
	}
}

// fault is a call that fails or is the program's last.
type fault struct {
	scenario int
	key      string // see [Call.Key]
	nth      int    // from 1 on
	errno    unix.Errno
	later    bool // all later ones fail too
	kill     bool
}

func (f fault) String() string {
	what := "killed at"
	switch {
	case f.later:
		what = unix.ErrnoName(f.errno) + " from"
	case !f.kill:
		what = unix.ErrnoName(f.errno) + " at"
	}
	return fmt.Sprintf("%s call %d of %s", what, f.nth, f.key)
}

// errnos are what a call may fail with: not what says that something is not there,
// or that a call is unknown, which would be a lie and no fault.
var errnos = []unix.Errno{
	unix.EIO, unix.ENOMEM, unix.ENOSPC, unix.EACCES, unix.EPERM, unix.EROFS, unix.EMFILE, unix.ENFILE, unix.ESTALE,
	unix.EDQUOT, unix.EBUSY, unix.EINTR, unix.EAGAIN,
}

// bench is a host with the program under test.
type bench struct {
	t      *testing.T
	binary string
	random *rand.Rand
	all    []scenario
	calls  []map[string]int // by scenario: how often each key is called
	asked  []Situation
	seen   map[fault]bool
	counts map[string]int
}

func newBench(t *testing.T, binary string) *bench {
	b := &bench{
		t: t, binary: binary, random: rand.New(rand.NewPCG(*seed, uint64(*worker))), seen: map[fault]bool{}, counts: map[string]int{},
	}
	for _, s := range scenarios() {
		if strings.Contains(s.name, *only) {
			b.all = append(b.all, s)
		}
	}
	for i := range b.all {
		b.record(i)
	}
	return b
}

// record runs a scenario without a fault.
func (b *bench) record(i int) {
	b.t.Helper()
	calls := map[string]int{}
	o := b.play(i, " ", func(c Call) Action {
		// Without the file of users the drop-in's comment has a number for a name: no harm.
		if c.Left == b.all[i].clock && !strings.Contains(c.Key(), "etc/passwd") {
			calls[c.Key()]++
		}
		return Action{}
	})
	if o.Exit != exitOK {
		b.t.Fatalf("%s without a fault: exit code %d\n%s", b.all[i].name, o.Exit, o.Said)
	}
	b.calls, b.asked = append(b.calls, calls), append(b.asked, o.After)
	o.Asked = o.After
	if wrong := Judge(&o); len(wrong) > 0 {
		b.t.Errorf("%s without a fault: %s", b.all[i].name, strings.Join(wrong, "; "))
	}
}

func (b *bench) run() {
	started := time.Now()
	if testing.Short() {
		*budget /= 10
	}
	if *manyFaults+*manyKills == 0 {
		for time.Since(started) < *budget {
			b.tryAny(b.random.IntN(3) == 0)
		}
	}
	for done := 0; done < *manyFaults; {
		done += b.tryAny(false)
	}
	for done := 0; done < *manyKills; {
		if done += b.tryAny(true); done%500 == 0 {
			b.sum(started)
		}
	}
	b.sum(started)
	if left := leftTemporary(); len(left) > 0 {
		b.t.Errorf("left behind: %q", left)
	}
}

// sum prints what was done.
func (b *bench) sum(started time.Time) {
	n := b.counts
	b.t.Logf("seed %d, host %d: %d failing calls, %d of them and all later ones, %d kills; %d not reached; %v",
		*seed, *worker, n["fail"], n["later"], n["kill"], n["not reached"], time.Since(started).Round(time.Second))
}

// tryNamed plays what was found to do harm.
func (b *bench) tryNamed() {
	for i, n := range named() {
		if i%*workers != *worker {
			continue
		}
		n.fault.scenario = slices.IndexFunc(b.all, func(s scenario) bool { return s.name == n.scenario })
		reached, said := b.try(n.fault)
		if reached == 0 {
			b.t.Errorf("%s, %v: not reached", n.scenario, n.fault)
		}
		if !strings.Contains(said, n.said) {
			b.t.Errorf("%s, %v: %q is not said, but %s", n.scenario, n.fault, n.said, lastLine(said))
		}
	}
}

// pick chooses a place that was not tried yet.
func (b *bench) pick(kill bool) fault {
	for {
		f := fault{scenario: b.random.IntN(len(b.all)), kill: kill}
		if b.all[f.scenario].clock && *only == "" && b.random.IntN(5) > 0 {
			continue // each takes seconds
		}
		keys := slices.Sorted(maps.Keys(b.calls[f.scenario]))
		f.key = keys[b.random.IntN(len(keys))]
		if !matters(f.key) && b.random.IntN(20) > 0 {
			continue
		}
		f.nth = 1 + b.random.IntN(b.calls[f.scenario][f.key])
		if !kill {
			f.errno = errnos[b.random.IntN(len(errnos))]
			// Whoever is interrupted, or told to try again, does so for ever.
			f.later = b.random.IntN(2) == 0 && f.errno != unix.EINTR && f.errno != unix.EAGAIN
		}
		if kill || !b.seen[f] {
			b.seen[f] = true
			return f
		}
	}
}

// matters reports whether a call is about what is changed, rather than the look
// around before.
func matters(key string) bool {
	for _, part := range []string{sysctlDir, stateDir, "ip_local_", outFile, "execve", "pipe2", "boot_id"} {
		if strings.Contains(key, part) {
			return true
		}
	}
	return false
}

func (b *bench) tryAny(kill bool) int {
	reached, _ := b.try(b.pick(kill))
	return reached
}

// try plays a scenario with a fault, and reports 1 if the place was reached, and
// what was said.
func (b *bench) try(f fault) (int, string) {
	b.t.Helper()
	n, reached, clock, started := 0, false, b.all[f.scenario].clock, time.Now()
	o := b.play(f.scenario, strings.Fields(f.key)[0], func(c Call) Action {
		if c.Key() != f.key || c.Left != clock || clock && time.Since(started) > unconfirmed+faulty {
			return Action{}
		}
		if n++; n != f.nth && !(f.later && n > f.nth) {
			return Action{}
		}
		reached = true
		return Action{Errno: f.errno, Kill: f.kill}
	})
	name := b.all[f.scenario].name
	if *verbose {
		b.t.Logf("%s, %v: reached %v, exit code %d: %s", name, f, reached, o.Exit, short(o.Said))
	}
	if !reached {
		b.counts["not reached"]++
		return 0, ""
	}
	switch {
	case f.kill:
		b.counts["kill"]++
	case f.later:
		b.counts["later"]++
		fallthrough
	default:
		b.counts["fail"]++
	}
	o.Asked, o.Late = b.asked[f.scenario], o.Late && !f.kill // nobody is left to do it
	o.Mute = f.later && strings.HasSuffix(f.key, outFile)
	if wrong := Judge(&o); len(wrong) > 0 {
		b.t.Errorf("%s, %v: %s\n  exit code %d, journal %s: %s\n  undo %d: %s", name, f, strings.Join(wrong, "; "),
			o.Exit, o.State, lastLine(o.Said), o.UndoExit, lastLine(o.UndoSaid))
	}
	return 1, o.Said
}

func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return text[strings.LastIndexByte(text, '\n')+1:]
}

// play runs a scenario from a fresh start, and then undo. names are the calls to be
// decided about, a blank for all.
func (b *bench) play(i int, names string, decide func(Call) Action) Outcome {
	b.t.Helper()
	s := &b.all[i]
	reset(b.t, s.reserved)
	o := Outcome{Start: look(b.t), Half: b.half(s)}
	for _, words := range s.before {
		if exit, said := b.plain(words); exit != exitOK {
			b.t.Fatalf("%s: before it: exit code %d\n%s", s.name, exit, said)
		}
	}
	o.Before = look(b.t)
	supervisor := &Supervisor{Decide: decide}
	var err error
	o.Exit, o.Killed, o.Said, err = b.execute(s.command, names, supervisor)
	if err != nil {
		b.t.Fatalf("%s: %v", s.name, err)
	}
	o.After, o.State = look(b.t), newest(b.t)
	back := len(differences(o.Start, o.After)) == 0
	if s.clock && o.Exit == exitOK {
		o.Late = !b.awaitClock(&o, supervisor)
	}
	if s.clock && o.Exit == exitOK && !o.Late && o.EndState == "reverted" {
		o.Undone = true // by the clock
	} else if o.Undone = !back || o.State != "done" && o.State != "reverted" && o.State != ""; o.Undone {
		o.UndoExit, o.UndoSaid = b.plain([]string{"undo", "--yes"})
		o.End, o.EndState = look(b.t), newest(b.t)
		for _, path := range leftTemporary() {
			if o.UndoExit == exitOK { // else nobody has had the journal's lock, who would sweep
				o.End[path] = "left behind"
			}
		}
	}
	if err := supervisor.Close(); err != nil {
		b.t.Fatal(err)
	}
	endOthers()
	return o
}

// awaitClock waits until the change has gone back, and reports whether it has
// before the time is over or its clock has ended.
func (b *bench) awaitClock(o *Outcome, supervisor *Supervisor) bool {
	ended := false
	for end := time.Now().Add(unconfirmed + faulty + patience); ; time.Sleep(50 * time.Millisecond) {
		o.End, o.EndState = look(b.t), newest(b.t)
		switch {
		case len(differences(o.Start, o.End)) == 0 && (o.EndState == "reverted" || ended):
			return true // where the journal could not be written, undo settles it
		case ended || time.Now().After(end):
			return false
		}
		select {
		case <-supervisor.Done():
			ended = true // a last look
		default:
		}
	}
}

// half reports whether a list of reserved ports has no port but those of the
// lists that the scenario is about.
func (b *bench) half(s *scenario) func(name, value string) bool {
	known := strings.Join(append([]string{s.reserved, longList(2), "8081"}, settings[aList]), ",")
	return func(name, value string) bool {
		return name == aList && !slices.ContainsFunc(strings.Split(value, ","), func(port string) bool {
			return !strings.Contains(","+known+",", ","+port+",")
		})
	}
}

// outFile takes what the program under test prints.
const outFile = runDir + "/faults-out"

// execute runs the program, supervised or not.
func (b *bench) execute(
	words []string, names string, supervisor *Supervisor,
) (exit int, killed bool, said string, err error) {
	out, err := os.Create(outFile)
	if err != nil {
		return 0, false, "", err
	}
	defer out.Close()
	ctx, cancel := context.WithTimeout(b.t.Context(), time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, b.binary, words...)
	if supervisor != nil {
		command = exec.CommandContext(ctx, "/proc/self/exe", append([]string{b.binary}, words...)...)
		command.Env = append(os.Environ(), launchEnv+"="+names)
	}
	command.Stdout, command.Stderr = out, out
	if supervisor != nil {
		err = supervisor.Run(command)
	} else {
		err = command.Run()
	}
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		err = nil
	}
	if err == nil {
		err = ctx.Err()
	}
	data, errRead := os.ReadFile(outFile)
	status := command.ProcessState.Sys().(syscall.WaitStatus)
	return status.ExitStatus(), status.Signaled(), string(data), errors.Join(err, errRead)
}

func (b *bench) plain(words []string) (int, string) {
	b.t.Helper()
	exit, killed, said, err := b.execute(words, "", nil)
	if err != nil || killed {
		b.t.Fatalf("%q: %v, killed %v", words, err, killed)
	}
	return exit, said
}

// endOthers ends what the programs left behind: all processes of this host but
// its first one, the test.
func endOthers() {
	names, _ := os.ReadDir("/proc")
	for _, name := range names {
		pid := 0
		if _, err := fmt.Sscan(name.Name(), &pid); err == nil && pid > 1 {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	}
	for {
		if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); err != nil || pid <= 0 {
			return
		}
	}
}
