package act

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"portrange/internal/act/journal"
)

// The jobs of a worker, a copy of the test program that is killed at its work.
const (
	jobSet     = "set"
	jobUndo    = "undo"
	jobTry     = "try" // set, until confirmed
	jobConfirm = "confirm"
)

// What else a worker is told: where the journal is, and when to die.
const (
	workerDirEnv  = "PORTRANGE_TEST_DIR"
	workerFuseEnv = "PORTRANGE_TEST_FUSE"
)

func workerCommand(ctx context.Context, job, dir string) *exec.Cmd {
	command := exec.CommandContext(ctx, "/proc/self/exe")
	command.Env = append(os.Environ(), workerEnv+"="+job, workerDirEnv+"="+dir)
	return command
}

// work does a job, and kills itself meanwhile if it was told when.
func work(job string) int {
	act, err := prepare(job)
	if err == nil {
		if fuse, err := time.ParseDuration(os.Getenv(workerFuseEnv)); err == nil {
			go killAfter(fuse)
		}
		err = act()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// killAfter burns a thread's time and then sends SIGKILL to the process. The
// time is that of the processor and not of the clock: on a loaded machine all
// threads of the process stand still together, and the kill still meets the job
// at its work.
func killAfter(fuse time.Duration) {
	runtime.LockOSThread()
	var burnt unix.Timespec
	for time.Duration(burnt.Nano()) < fuse {
		if unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &burnt) != nil {
			return
		}
	}
	_ = unix.Kill(os.Getpid(), unix.SIGKILL)
}

func prepare(job string) (func() error, error) {
	a, err := liveActor(os.Getenv(workerDirEnv))
	if err != nil {
		return nil, err
	}
	switch job {
	case jobUndo:
		u, err := a.PlanUndo(Origin{Command: "undo"})
		return func() error { return a.Undo(u) }, err
	case jobConfirm:
		return func() error { _, err := a.Confirm(context.Background(), 0); return err }, nil
	}
	within := time.Duration(0)
	if job == jobTry {
		within = time.Hour
	}
	p, err := livePlan(a)
	return func() error { _, err := a.Apply(p, within); return err }, err
}

// killer runs workers and kills them.
type killer struct {
	*Actor
	t   *testing.T
	dir string
	// fuse is how long a job may work at most before it is killed. It follows
	// the machine, so that kills meet jobs at their work.
	fuse map[string]time.Duration
	// ended counts at which point jobs were killed.
	ended map[string]int
}

// run starts a worker, which is killed at a random moment of its work or comes
// to its end.
func (k *killer) run(job string, kill bool) {
	k.t.Helper()
	command := workerCommand(k.t.Context(), job, k.dir)
	if kill {
		command.Env = append(command.Env, workerFuseEnv+"="+rand.N(k.fuse[job]).String())
	}
	out, err := command.CombinedOutput()
	if !kill && err != nil || kill && len(out) > 0 {
		k.t.Fatalf("%s: %v\n%s", job, err, out)
	}
}

// newest is the newest entry; its ID is 0 where there is none.
func (k *killer) newest() journal.Entry {
	k.t.Helper()
	for e, err := range k.Journal.Backward() {
		if err != nil {
			k.t.Fatalf("the journal cannot be read: %v", err)
		}
		return e
	}
	return journal.Entry{}
}

// whole checks that every file is old or new, and nothing between.
func (k *killer) whole(job string) {
	k.t.Helper()
	s := look(k.t)
	if s.dropIn != untouched.dropIn && s.dropIn != changed.dropIn {
		k.t.Fatalf("killed %s left the drop-in as %q", job, s.dropIn)
	}
	if s.other != untouched.other && s.other != changed.other {
		k.t.Fatalf("killed %s left the other file as %q", job, s.other)
	}
}

// kill runs a job that is killed, and reports whether it came so far as to
// write an entry, which entry is then returned.
func (k *killer) kill(job string) (journal.Entry, bool) {
	k.t.Helper()
	before := k.newest()
	k.run(job, true)
	k.whole(job)
	now := k.newest()
	begun := now.ID != before.ID || now.State != before.State
	k.learn(job, begun, now.State)
	return now, begun
}

// learn lets a job work longer that had not begun, and less long one that was
// through.
func (k *killer) learn(job string, begun bool, state journal.State) {
	switch {
	case !begun:
		k.ended[job+" before"]++
		k.fuse[job] = k.fuse[job] * 11 / 10
	case state == journal.Begun, state == journal.Confirming:
		k.ended[job+" amidst"]++
	default:
		k.ended[job+" after"]++
		k.fuse[job] = k.fuse[job] * 10 / 11
	}
}

func (k *killer) killSet() {
	_, begun := k.kill(jobSet)
	if !begun {
		expect(k.t, "set was killed before it began", untouched)
		return
	}
	mustUndo(k.t, k.Actor)
	expect(k.t, "set killed, undo", untouched)
}

func (k *killer) killUndo() {
	k.run(jobSet, false)
	undo, begun := k.kill(jobUndo)
	if !begun {
		expect(k.t, "undo was killed before it began", changed)
	}
	if !begun || undo.State == journal.Begun {
		mustUndo(k.t, k.Actor)
	}
	expect(k.t, "undo killed, and finished", untouched)
}

func (k *killer) killTry() {
	try, begun := k.kill(jobTry)
	if begun {
		k.revert(try)
	}
	expect(k.t, "set --confirm killed, and its time over", untouched)
}

// killConfirm lets the clock strike after a confirmation that was killed: from the
// write that decides on, the change stays.
func (k *killer) killConfirm() {
	k.run(jobTry, false)
	try, decided := k.kill(jobConfirm)
	if try.State != journal.Done {
		k.revert(try)
	}
	if decided {
		expect(k.t, "confirm had decided", changed)
		mustUndo(k.t, k.Actor)
	}
	expect(k.t, "confirm killed, and its time over", untouched)
}

func (k *killer) revert(e journal.Entry) {
	k.t.Helper()
	if err := k.Revert(k.t.Context(), &e); err != nil {
		k.t.Fatal(err)
	}
}

// kills is how many workers are killed; -short leaves some to other runs.
const kills = 600

// TestKillAnywhere kills changes at random moments. Afterwards every file is
// whole, the journal can be read, and undo brings everything back.
func TestKillAnywhere(t *testing.T) {
	if !isolated(t) {
		return
	}
	k := &killer{Actor: liveBench(t), t: t, fuse: map[string]time.Duration{}, ended: map[string]int{}}
	k.dir = filepath.Join(DropInDir, "journal") // on tmpfs, where fsync costs nothing
	k.Journal = journal.Open(k.dir)
	for _, job := range []string{jobSet, jobUndo, jobTry, jobConfirm} {
		k.fuse[job] = 5 * time.Millisecond
	}
	rounds := kills / 4
	if testing.Short() {
		rounds /= 10
	}
	for range rounds {
		for _, round := range []func(){k.killSet, k.killUndo, k.killTry, k.killConfirm} {
			if round(); t.Failed() {
				return
			}
		}
	}
	t.Logf("killed %v; longest fuse at the end %v", k.ended, k.fuse)
	k.run(jobSet, false)
	k.run(jobUndo, false)
	for _, err := range k.Journal.Backward() {
		if err != nil {
			t.Errorf("the journal cannot be read: %v", err)
		}
	}
	for _, pattern := range []string{DropInDir + "/.*", filepath.Join(k.dir, "journal/.*")} {
		if left, _ := filepath.Glob(pattern); len(left) > 0 {
			t.Errorf("left behind: %q", left)
		}
	}
}
