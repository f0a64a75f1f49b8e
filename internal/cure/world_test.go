package cure

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"portrange/internal/cli"
)

// The test program is every program of its worlds; these variables say which.
const (
	roleVariable   = "PORTRANGE_CURE_ROLE"
	mannerVariable = "PORTRANGE_CURE_MANNER"
	serverVariable = "PORTRANGE_CURE_SERVER"
	setupVariable  = "PORTRANGE_CURE_SETUP"

	roleFirst, roleClient, roleServer = "first process", "client", "server"
)

func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "portrange" {
		streams := cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Getenv: os.Getenv}
		os.Exit(cli.Run(context.Background(), os.Args[1:], streams))
	}
	roles := map[string]func() error{roleFirst: runFirst, roleClient: runClient, roleServer: runServer}
	run, is := roles[os.Getenv(roleVariable)]
	if !is {
		flag.Parse()
		_ = flag.Set("test.parallel", "16") // they wait most of the time
		os.Exit(m.Run())
	}
	if err := run(); err != nil && !errors.Is(err, io.EOF) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// world is a machine of its own as far as portrange can see: network, processes,
// settings and the files of /etc and /var/lib that it reads and writes.
type world struct {
	t    *testing.T
	bin  string // where its programs are, links to this one
	root int    // process id of its first process
}

// hidden is what the test's machine has installed.
const hidden = `for d in /usr/lib/systemd/system /usr/local/lib/systemd/system \
	/usr/lib/sysctl.d /usr/local/lib/sysctl.d /lib/systemd/system /lib/sysctl.d /usr/lib/tuned /etc/systemd/system /etc/sysctl.d; do
	test ! -d "$d" || mount -t tmpfs none "$d"
done
mount -t tmpfs none /run; mkdir /run/netns
mount -t tmpfs none /var/lib; mkdir /var/lib/portrange
test ! -e /etc/sysctl.conf || mount --bind /dev/null /etc/sysctl.conf
mount -t sysfs none /sys
ip link set lo up
ip addr add 10.0.0.1/24 dev lo
ip addr add 10.0.0.2/24 dev lo
sysctl -qw net.core.somaxconn=65535
`

// newWorld makes a world and runs a shell script in it.
func newWorld(t *testing.T, setup string) *world {
	t.Helper()
	w := &world{t: t, bin: t.TempDir()}
	w.link("portrange")
	w.link("init")
	first := exec.CommandContext(t.Context(), filepath.Join(w.bin, "init"))
	first.Env = append(os.Environ(), roleVariable+"="+roleFirst, setupVariable+"=set -e\n"+hidden+setup)
	first.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWPID, Pdeathsig: unix.SIGKILL,
	}
	w.start(first)
	w.root = first.Process.Pid
	return w
}

// runFirst is the first process of a world: it takes all others with it when it ends.
func runFirst() error {
	err := errors.Join(
		unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
		unix.Mount("proc", "/proc", "proc", 0, ""),
	)
	if err != nil {
		return err
	}
	if out, err := exec.Command("sh", "-c", os.Getenv(setupVariable)).CombinedOutput(); err != nil {
		return fmt.Errorf("set up: %w: %s", err, out)
	}
	fmt.Println("ready")
	_, err = bufio.NewReader(os.Stdin).ReadString(0)
	return err
}

// link gives this program another name, as the kernel names a process by its file.
func (w *world) link(name string) {
	w.t.Helper()
	self, err := os.Executable()
	if err == nil {
		err = os.Symlink(self, filepath.Join(w.bin, name))
	}
	if err != nil && !errors.Is(err, os.ErrExist) {
		w.t.Fatal(err)
	}
}

// started is a program that was started, and its two ends.
type started struct {
	*exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// start starts a program that says when it is ready, and ends it with the test.
func (w *world) start(cmd *exec.Cmd) *started {
	w.t.Helper()
	s := w.launch(cmd)
	if line, err := s.out.ReadString('\n'); err != nil || line != "ready\n" {
		w.t.Fatalf("%s does not start: %q, %v", cmd, line, err)
	}
	return s
}

func (w *world) launch(cmd *exec.Cmd) *started {
	w.t.Helper()
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	s := &started{cmd, in, bufio.NewReader(out)}
	w.t.Cleanup(s.end)
	return s
}

// end ends a program by the end of its input. It may have ended before.
func (s *started) end() {
	s.in.Close()
	_ = s.Wait()
}

// inside is a command in the world, in one of its named network namespaces or,
// without a name, in its own.
func (w *world) inside(netns string, env []string, words ...string) *exec.Cmd {
	args := []string{"--target", strconv.Itoa(w.root), "--net", "--mount", "--pid", "--"}
	if netns != "" {
		args = append(args, "ip", "netns", "exec", netns)
	}
	cmd := exec.CommandContext(w.t.Context(), "nsenter", append(args, words...)...)
	cmd.Env = append(os.Environ(), "PATH="+w.bin+":"+os.Getenv("PATH"), "LC_ALL=C.UTF-8", "NO_COLOR=1")
	cmd.Env = append(cmd.Env, env...)
	return cmd
}

// serve runs a server.
func (w *world) serve(netns, environment string) {
	w.t.Helper()
	w.link("backend")
	w.start(w.inside(netns, []string{roleVariable + "=" + roleServer, environment}, filepath.Join(w.bin, "backend")))
}

// program is a client program that runs.
type program struct {
	*started
	w      *world
	name   string
	netns  string
	manner manner
}

// run starts a client program under a name.
func (w *world) run(netns, name string, m manner) *program {
	w.t.Helper()
	w.link(name)
	text, err := json.Marshal(m)
	if err != nil {
		w.t.Fatal(err)
	}
	// A signal that the Go runtime sends itself would end a call that waits.
	env := []string{"GODEBUG=asyncpreemptoff=1", roleVariable + "=" + roleClient, mannerVariable + "=" + string(text)}
	run := w.launch(w.inside(netns, env, filepath.Join(w.bin, name)))
	return &program{started: run, w: w, name: name, netns: netns, manner: m}
}

// tell gives an order; answer waits until it is done.
func (p *program) tell(o order) {
	p.w.t.Helper()
	if err := json.NewEncoder(p.in).Encode(o); err != nil {
		p.w.t.Fatalf("tell %s: %v", p.name, err)
	}
}

func (p *program) answer() (t tally) {
	p.w.t.Helper()
	line, err := p.out.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &t)
	}
	if err != nil {
		p.w.t.Fatalf("%s: %v", p.name, err)
	}
	return t
}

func (p *program) do(o order) tally {
	p.w.t.Helper()
	p.tell(o)
	return p.answer()
}

// typed runs a command line as an operator types it: in a shell on a terminal, and
// a question is answered with yes.
func (w *world) typed(line string) string {
	w.t.Helper()
	cmd := w.inside("", nil, "script", "-qec", line, "/dev/null")
	cmd.Stdin = strings.NewReader("y\n")
	out, err := cmd.CombinedOutput()
	if err != nil {
		w.t.Fatalf("%s: %v\n%s", line, err, out)
	}
	return string(out)
}
