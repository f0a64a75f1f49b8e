package main

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"

	"portrange/internal/nettest"
)

// namespaces are those of one script, by the name it uses.
type namespaces map[string]*nettest.Namespace

type namespacesKey struct{}

func setup(env *testscript.Env) error {
	env.Values[namespacesKey{}] = namespaces{}
	env.Setenv("NO_COLOR", "")
	env.Setenv("LC_ALL", "C.UTF-8") // as on most hosts; terminal.txtar has a plain one
	return nil
}

// condition adds root to the conditions of scripts.
func condition(cond string) (bool, error) {
	if cond == "root" {
		return os.Geteuid() == 0, nil
	}
	return false, fmt.Errorf("unknown condition %q", cond)
}

// makeNamespace is `netns NAME`: a fresh network namespace. ip-netns(8) and
// --netns know it by $NAME, which no other test has.
func makeNamespace(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: netns NAME")
	}
	unique := fmt.Sprintf("portrange-%d-%s-%s", os.Getpid(), strings.ReplaceAll(ts.Name(), "/", "-"), args[0])
	ns, err := nettest.CreateNamed(unique)
	ts.Check(err)
	ts.Defer(func() { ts.Check(ns.Close()) })
	ts.Value(namespacesKey{}).(namespaces)[args[0]] = ns
	ts.Setenv(args[0], unique)
}

func namespace(ts *testscript.TestScript, name string) *nettest.Namespace {
	ns, known := ts.Value(namespacesKey{}).(namespaces)[name]
	if !known {
		ts.Fatalf("no namespace %s was made", name)
	}
	return ns
}

// setRange is `range NAME LOW HIGH`.
func setRange(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: range NAME LOW HIGH")
	}
	low, err := strconv.ParseUint(args[1], 10, 16)
	ts.Check(err)
	high, err := strconv.ParseUint(args[2], 10, 16)
	ts.Check(err)
	ts.Check(namespace(ts, args[0]).SetRange(uint16(low), uint16(high)))
}

// setSysctl is `sysctl NAME KEY VALUE`.
func setSysctl(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: sysctl NAME KEY VALUE")
	}
	ts.Check(namespace(ts, args[0]).WriteSysctl(args[1], args[2]))
}

// addAddrs is `addr NAME ADDR/BITS...`: addresses on lo.
func addAddrs(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: addr NAME ADDR/BITS...")
	}
	ts.Check(namespace(ts, args[0]).AddAddrs("lo", args[1:]...))
}

// openSockets is `open NAME STATE KIND ADDR:PORT [N [FROM]]`: sockets of a kind
// in a state, connections in it towards ADDR:PORT, both ends in the namespace.
func openSockets(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 4 || len(args) > 6 {
		ts.Fatalf("usage: open NAME STATE KIND ADDR:PORT [N [FROM]]")
	}
	n := 1
	if len(args) > 4 {
		var err error
		n, err = strconv.Atoi(args[4])
		ts.Check(err)
	}
	from := netip.AddrPort{}
	if len(args) > 5 {
		from = netip.MustParseAddrPort(args[5])
	}
	s := scene{ns: namespace(ts, args[0]), kind: nettest.Kind(args[2]), at: netip.MustParseAddrPort(args[3]), from: from}
	ts.Check(s.open(args[1], n))
}

// scene opens sockets towards one address.
type scene struct {
	ns   *nettest.Namespace
	kind nettest.Kind
	at   netip.AddrPort
	from netip.AddrPort // where a client is bound first; the zero AddrPort for no bind()
}

func (s *scene) open(state string, n int) error {
	switch state {
	case "listen":
		_, err := s.ns.Listen(s.kind, s.at)
		return err
	case "bind":
		return times(n, func() error { _, err := s.ns.Bind(s.kind, s.at); return err })
	case "connect": // to nobody, or without an accept(): UDP
		return times(n, func() error { _, err := s.dial(); return err })
	}
	listener, err := s.ns.Listen(s.kind, s.at)
	if err != nil {
		return err
	}
	switch state {
	case "established":
		return times(n, func() error { _, _, err := nettest.Pair(listener, s.dial); return err })
	case "fin-wait-2":
		return times(n, func() error { _, _, err := nettest.FinWait2(listener, s.dial); return err })
	case "time-wait":
		_, err := nettest.TimeWait(listener, n, s.dial)
		return err
	}
	return fmt.Errorf("unknown state %q", state)
}

func (s *scene) dial() (*nettest.Socket, error) {
	if s.from.IsValid() {
		return s.ns.BindConnect(s.kind, s.from, s.at)
	}
	return s.ns.Connect(s.kind, s.at)
}

func times(n int, do func() error) error {
	for range n {
		if err := do(); err != nil {
			return err
		}
	}
	return nil
}

// fails is `fails TEXT ARG...`: portrange must exit with 2, print nothing but
// one line on standard error, and that line must contain TEXT.
func fails(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: fails TEXT ARG...")
	}
	var stdout, stderr strings.Builder
	command := exec.Command("portrange", args[1:]...)
	command.Stdout, command.Stderr = &stdout, &stderr
	_ = command.Run() // the exit code is looked at below
	said := strings.TrimSuffix(stderr.String(), "\n")
	switch {
	case command.ProcessState.ExitCode() != 2:
		ts.Fatalf("exit code %d, want 2; standard error: %s", command.ProcessState.ExitCode(), said)
	case stdout.Len() > 0:
		ts.Fatalf("standard output: %s", stdout.String())
	case strings.Contains(said, "\n") || !strings.HasPrefix(said, "portrange: "):
		ts.Fatalf("standard error is not one line of portrange: %s", said)
	case !strings.Contains(said, args[0]):
		ts.Fatalf("standard error %q does not contain %q", said, args[0])
	}
}

// sortRows is `sorted FILE`: sorts all lines but the first, since the kernel's
// tables have no order.
func sortRows(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: sorted FILE")
	}
	lines := strings.Split(strings.TrimSuffix(ts.ReadFile(args[0]), "\n"), "\n")
	slices.Sort(lines[1:])
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.Join(lines, "\n")+"\n"), 0o644))
}

// interrupt is `interrupt FILE ARG...`: runs portrange with a standard output
// that nobody reads until it has been sent SIGINT, then puts the exit code and
// standard error into FILE.
func interrupt(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: interrupt FILE ARG...")
	}
	reader, writer, err := os.Pipe()
	ts.Check(err)
	defer reader.Close()
	var stderr strings.Builder
	command := exec.Command("portrange", args[1:]...)
	command.Stdout, command.Stderr = writer, &stderr
	ts.Check(command.Start())
	ts.Check(writer.Close())
	// The first bytes show that it runs and is busy.
	_, err = reader.Read(make([]byte, 1))
	ts.Check(err)
	ts.Check(command.Process.Signal(syscall.SIGINT))
	// Room to write lets it notice; it must not finish the list.
	rest := make([]byte, 64<<10)
	for {
		if _, err := reader.Read(rest); err != nil {
			break
		}
	}
	_ = command.Wait() // the exit code is the result
	text := fmt.Sprintf("exit %d\n%s", command.ProcessState.ExitCode(), stderr.String())
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o644))
}

var (
	numberOfNamespace = regexp.MustCompile(`\b40265\d{5}\b`)
	timeOfDay         = regexp.MustCompile(`\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?( UTC|Z)`)
	ownProcess        = regexp.MustCompile(`\b` + strconv.Itoa(os.Getpid()) + `\b`)
	timer             = regexp.MustCompile(`timewait \d\d\.\ds`)
	inode             = regexp.MustCompile(`"inode":\d+`)
	expiry            = regexp.MustCompile(`"expires_ms":\d+`)
	walked            = regexp.MustCompile(`"(restarts|skipped)": \d+`)
)

// normalise is `normalise stdout|FILE TO`: copies text and replaces what no two
// runs have in common.
func normalise(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: normalise FILE TO")
	}
	text := ts.ReadFile(args[0])
	for name := range ts.Value(namespacesKey{}).(namespaces) {
		text = strings.ReplaceAll(text, ts.Getenv(name), name)
	}
	host, err := os.Hostname()
	ts.Check(err)
	var uts syscall.Utsname
	ts.Check(syscall.Uname(&uts))
	text = strings.NewReplacer(release(&uts), "KERNEL", host, "HOST").Replace(text)
	text = numberOfNamespace.ReplaceAllString(text, "NETNS")
	text = timeOfDay.ReplaceAllString(text, "TIME")
	text = ownProcess.ReplaceAllString(text, "PID")
	text = timer.ReplaceAllString(text, "timewait NN.Ns")
	text = inode.ReplaceAllString(text, `"inode":INODE`)
	text = expiry.ReplaceAllString(text, `"expires_ms":MS`)
	text = walked.ReplaceAllString(text, `"$1": N`)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(text), 0o644))
}

func release(uts *syscall.Utsname) string {
	var b strings.Builder
	for _, c := range uts.Release {
		if c == 0 {
			break
		}
		b.WriteByte(byte(c))
	}
	return b.String()
}
