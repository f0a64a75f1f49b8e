//go:build amd64 || arm64

package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var manyReads = flag.Int("reads", 0, "reads that are to fail; 0 for as many as the budget allows")

// TestReads lets system calls fail while the program looks at a host with known
// sockets: its answer is the right one, or names a gap, or there is none.
func TestReads(t *testing.T) {
	if binary := os.Getenv(binaryEnv); binary != "" {
		mountHost(t)
		reset(t, settings[aList])
		newReader(t, binary, populate(t)).run()
		return
	}
	onHosts(t, "TestReads")
}

// questions are what the program is asked. Those of a source that finds owners by BPF,
// and those that read /proc, have little in common.
func questions() [][]string {
	var all [][]string
	for _, words := range []string{"show", "left " + server, "sockets", "doctor"} {
		for _, source := range []string{"bpf", "netlink", "auto"} {
			all = append(all, append(strings.Fields(words), "--json", "--source", source))
		}
	}
	return append(all, []string{"summary", "--json"}, []string{"boot", "--json"},
		[]string{"show", "--json", "--netns", "all"})
}

const server = "127.0.0.1:5000"

// populate opens the sockets that are known: listeners, connections, one of them shut
// down, and of UDP. It returns the descriptor of the listener.
func populate(t *testing.T) (listening int) {
	t.Helper()
	request, err := unix.NewIfreq("lo")
	if err != nil {
		t.Fatal(err)
	}
	request.SetUint16(unix.IFF_UP)
	control, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(unix.IoctlIfreq(control, unix.SIOCSIFFLAGS, request), unix.Close(control)); err != nil {
		t.Fatal(err)
	}
	var open []interface{ Close() error }
	keep := func(c interface{ Close() error }, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, c)
	}
	listener, err := net.Listen("tcp4", server)
	keep(listener, err)
	for i := range 20 {
		keep(net.Dial("tcp4", server))
		if i == 0 {
			if err := open[len(open)-1].(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
		}
		keep(listener.Accept())
	}
	for range 3 {
		keep(net.ListenPacket("udp4", "127.0.0.1:0"))
	}
	t.Cleanup(func() {
		for _, c := range open {
			_ = c.Close()
		}
	})
	raw, err := listener.(*net.TCPListener).SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) { listening = int(fd) })
	}
	if err != nil {
		t.Fatal(err)
	}
	return listening
}

// readErrnos are what a read may fail with.
var readErrnos = []unix.Errno{
	unix.EIO, unix.EMFILE, unix.ENFILE, unix.ENOMEM, unix.EACCES, unix.EPERM, unix.ENOENT, unix.ESRCH, unix.EINTR,
	unix.EAGAIN, unix.ENOBUFS, unix.EINVAL, unix.EOPNOTSUPP,
}

// reads are the system calls by which the program looks.
var reads = []string{
	"openat", "openat2", "newfstatat", "statx", "fstat", "readlinkat", "read", "pread64", "getdents64", "setns", "socket",
	"getsockopt", "setsockopt", "recvfrom", "recvmsg", "sendto", "bind", "connect", "statfs", "uname", "bpf",
}

// reader is a host whose sockets are known.
type reader struct {
	t      *testing.T
	binary string
	random *rand.Rand
	asked  []question
	counts map[string]int
	// listening is the descriptor of the one listener.
	listening int
}

// question is what the program is asked, with the right answer and the calls on the way
// there once it was asked.
type question struct {
	words []string
	right Answer
	calls map[string]int // by [Call.Key]
}

func (q *question) String() string { return strings.Join(q.words, " ") }

func newReader(t *testing.T, binary string, listening int) *reader {
	r := &reader{
		t: t, binary: binary, random: rand.New(rand.NewPCG(*seed, uint64(*worker))), counts: map[string]int{}, listening: listening,
	}
	for _, words := range questions() {
		if q := (question{words: words}); strings.Contains(q.String(), *only) {
			r.asked = append(r.asked, q)
		}
	}
	return r
}

// learn asks a question without a fault, twice.
func (r *reader) learn(q *question) {
	r.t.Helper()
	if q.calls != nil {
		return
	}
	q.calls = map[string]int{}
	q.right = r.ask(q.words, reads, func(c Call) Action {
		if slices.Contains(reads, c.Name) {
			q.calls[c.Key()]++
		}
		return Action{}
	})
	again := r.ask(q.words, []string{"execve"}, func(Call) Action { return Action{} })
	if wrong := JudgeAnswer(q.right, again); q.right.Document == nil || len(wrong) > 0 {
		r.t.Fatalf("%s without a fault: exit code %d, %s; asked again: %v", q, q.right.Exit, q.right.Said, wrong)
	}
}

func (r *reader) run() {
	started := time.Now()
	if testing.Short() {
		*budget /= 10
	}
	if *only == "" && *manyReads == 0 && *worker == 0 {
		r.tryNamed()
	}
	for done := 0; *manyReads == 0 && time.Since(started) < *budget || done < *manyReads; done++ {
		q := &r.asked[r.random.IntN(len(r.asked))]
		r.learn(q)
		r.try(q, r.pick(q))
	}
	r.t.Logf("seed %d: %d reads failed, with %d answers as without, %d gaps, %d refusals; %d not reached; %v", *seed,
		r.counts["right"]+r.counts["gap"]+r.counts["refused"], r.counts["right"], r.counts["gap"], r.counts["refused"],
		r.counts["not reached"], time.Since(started).Round(time.Second))
}

// tryNamed fails reads that were found to do harm: owners that are missing, and sockets
// that come twice.
func (r *reader) tryNamed() {
	is := func(q question) bool { return q.String() == "sockets --json --source netlink" }
	listing := &r.asked[slices.IndexFunc(r.asked, is)]
	r.learn(listing)
	link := fmt.Sprint("readlinkat ", r.listening)
	for _, f := range []fault{
		{key: link, nth: 1, errno: unix.ENOENT},
		{key: link, nth: 1, errno: unix.ENOENT, later: true},
		{key: "openat /proc/N/fd", nth: 1, errno: unix.ENOENT, later: true},
		{key: "getdents64 /proc/N/fd", nth: 1, errno: unix.ESRCH, later: true},
		{key: "openat /proc/N/comm", nth: 1, errno: unix.ENOENT, later: true},
		{key: "recvfrom", nth: 2, errno: unix.ENOBUFS},
		{key: "recvfrom", nth: 4, errno: unix.ENOBUFS},
	} {
		r.try(listing, f)
	}
	if r.counts["not reached"] > 0 {
		r.t.Errorf("%d named faults were not reached", r.counts["not reached"])
	}
}

// pick chooses a call of a question that fails. The names are chosen first, or those
// with the most paths would have it all.
func (r *reader) pick(q *question) fault {
	name := reads[r.random.IntN(len(reads))]
	keys := slices.Sorted(maps.Keys(q.calls))
	keys = slices.DeleteFunc(keys, func(key string) bool { return !strings.HasPrefix(key+" ", name+" ") })
	if len(keys) == 0 {
		return r.pick(q)
	}
	f := fault{key: keys[r.random.IntN(len(keys))], errno: readErrnos[r.random.IntN(len(readErrnos))]}
	f.nth = 1 + r.random.IntN(q.calls[f.key])
	f.later = r.random.IntN(4) == 0 && f.errno != unix.EINTR && f.errno != unix.EAGAIN
	if isAnswer(f.key, f.errno) {
		return r.pick(q)
	}
	return f
}

// isAnswer reports whether an error says something of what it is about, and so is to be
// believed: that a file, a protocol or an option is not there, or that there is nothing
// to read yet. Of the files of a process that is there the first cannot be true.
func isAnswer(key string, errno unix.Errno) bool {
	name, path, _ := strings.Cut(key, " ")
	switch errno {
	case unix.ENOENT, unix.ESRCH:
		ofProcess := strings.HasPrefix(path, "/proc/N") || strings.Trim(path, "0123456789") == "" // a descriptor
		return !ofProcess || name == "recvmsg" || name == "recvfrom"
	case unix.EAGAIN:
		return name == "read" || name == "pread64" || name == "recvfrom" || name == "recvmsg"
	case unix.EINVAL, unix.EOPNOTSUPP:
		return name == "getsockopt" || name == "readlinkat" || name == "socket"
	}
	return false
}

// try asks a question while a call fails.
func (r *reader) try(q *question, f fault) {
	r.t.Helper()
	n, reached := 0, false
	name, _, _ := strings.Cut(f.key, " ")
	got := r.ask(q.words, []string{name}, func(c Call) Action {
		if c.Key() != f.key {
			return Action{}
		}
		if n++; n != f.nth && !(f.later && n > f.nth) {
			return Action{}
		}
		reached = true
		return Action{Errno: f.errno}
	})
	wrong := JudgeAnswer(q.right, got)
	switch {
	case !reached:
		r.counts["not reached"]++
	case got.Document == nil:
		r.counts["refused"]++
	case len(unlike("", q.right.Document["gaps"], got.Document["gaps"])) > 0:
		r.counts["gap"]++
	default:
		r.counts["right"]++
	}
	if *verbose || len(wrong) > 0 {
		r.t.Logf("%s, %v: reached %v, exit code %d: %s", q, f, reached, got.Exit, short(got.Said))
	}
	if len(wrong) > 0 {
		r.t.Errorf("%s, %v: %.500s", q, f, strings.Join(wrong, "; "))
	}
}

// ask runs the program with the calls of these names supervised.
func (r *reader) ask(words, names []string, decide func(Call) Action) Answer {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, "/proc/self/exe", append([]string{r.binary}, words...)...)
	command.Env = append(os.Environ(), launchEnv+"="+strings.Join(names, " "))
	var out, said bytes.Buffer
	command.Stdout, command.Stderr = &out, &said
	supervisor := &Supervisor{Decide: decide}
	err := supervisor.Run(command)
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		r.t.Fatal(err)
	}
	if err := errors.Join(ctx.Err(), supervisor.Close()); err != nil {
		r.t.Errorf("%q: %v", words, err)
	}
	answer := Answer{Exit: command.ProcessState.Sys().(syscall.WaitStatus).ExitStatus(), Said: said.String()}
	if err := json.Unmarshal(out.Bytes(), &answer.Document); err != nil {
		answer.Document = nil
	}
	return answer
}
