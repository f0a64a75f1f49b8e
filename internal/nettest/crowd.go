package nettest

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// crowdEnv hands a helper process its task.
const crowdEnv = "NETTEST_CROWD"

// crowdReady is what a helper prints once all its sockets are there.
const crowdReady = "ready"

// A helper process holds at most this many sockets, and leaves some of its open
// files for itself.
const (
	crowdPerProcess = 19_900
	crowdSpareFiles = 100
)

// CrowdOptions says what a crowd looks like. The zero value is a crowd with one
// destination.
type CrowdOptions struct {
	// Destinations is over how many remote addresses the sockets are spread,
	// evenly; 0 means one.
	Destinations int
	// First is the first remote end, by default 127.1.0.1:8080; the next ones
	// follow by address. The namespace needs a route to all of them.
	First netip.AddrPort
	// Local is the sockets' own address; the zero Addr leaves it to routing.
	Local netip.Addr
}

// Crowd is a large number of established TCP sockets without peers, held by
// helper processes.
type Crowd struct {
	helpers []*helper
}

type helper struct {
	cmd   *exec.Cmd
	stdin io.Closer
	out   *bufio.Reader
}

// task is what one helper makes: the sockets numbered From up to, but without, To.
type task struct {
	NetNS   string
	Range   [2]uint16
	From    int
	To      int
	Options CrowdOptions
}

// StartCrowd fills the namespace with n established TCP sockets whose local
// ports connect() picked (bind-held they are not). They come about in repair
// mode (tcp(7), TCP_REPAIR), in which the kernel sends nothing: half a million
// take a few seconds. The helpers are further processes of the running program,
// which must call [Helper] or [Main] first thing. They end with it.
//
// Each destination uses the range's ports from the low end up; EADDRNOTAVAIL
// says that the range is too small for n / Destinations.
func (n *Namespace) StartCrowd(size int, options CrowdOptions) (*Crowd, error) {
	options = options.withDefaults()
	first := task{NetNS: n.Path(), Options: options}
	value, err := n.ReadSysctl("net.ipv4.ip_local_port_range")
	if err != nil {
		return nil, err
	}
	if _, err := fmt.Sscan(value, &first.Range[0], &first.Range[1]); err != nil {
		return nil, fmt.Errorf("parse port range %q: %w", value, err)
	}
	share, err := socketsPerProcess()
	if err != nil {
		return nil, err
	}
	crowd := &Crowd{}
	for from := 0; from < size; from += share {
		part := first
		part.From, part.To = from, min(from+share, size)
		if err := crowd.start(part); err != nil {
			return nil, errors.Join(err, crowd.Close())
		}
	}
	if err := crowd.await(); err != nil {
		return nil, errors.Join(err, crowd.Close())
	}
	return crowd, nil
}

func (o CrowdOptions) withDefaults() CrowdOptions {
	if o.Destinations == 0 {
		o.Destinations = 1
	}
	if !o.First.IsValid() {
		o.First = netip.MustParseAddrPort("127.1.0.1:8080")
	}
	return o
}

func socketsPerProcess() (int, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("read limit of open files: %w", err)
	}
	if limit.Max < 2*crowdSpareFiles {
		return 0, fmt.Errorf("hard limit of %d open files is too low for a crowd", limit.Max)
	}
	return int(min(limit.Max-crowdSpareFiles, crowdPerProcess)), nil
}

func (c *Crowd) start(part task) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	encoded, err := json.Marshal(part)
	if err != nil {
		return err
	}
	// Should a test binary not call Main, it runs no tests, rather than all of
	// them and this again.
	cmd := exec.Command(program, "-test.run=^$")
	cmd.Env = append(os.Environ(), crowdEnv+"="+string(encoded))
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start crowd helper: %w", err)
	}
	c.helpers = append(c.helpers, &helper{cmd: cmd, stdin: stdin, out: bufio.NewReader(stdout)})
	return nil
}

func (c *Crowd) await() error {
	for _, h := range c.helpers {
		line, err := h.out.ReadString('\n')
		if err != nil && err != io.EOF {
			return fmt.Errorf("read from crowd helper: %w", err)
		}
		if answer := strings.TrimSpace(line); answer != crowdReady {
			return fmt.Errorf("crowd helper: %q; the program must call nettest.Helper or nettest.Main first thing", answer)
		}
	}
	return nil
}

// PIDs are the processes that hold the sockets.
func (c *Crowd) PIDs() []int {
	var pids []int
	for _, h := range c.helpers {
		pids = append(pids, h.cmd.Process.Pid)
	}
	return pids
}

// Close ends the helpers and with them the sockets, and waits for that.
func (c *Crowd) Close() error {
	var errs []error
	for _, h := range c.helpers {
		errs = append(errs, h.stdin.Close())
	}
	for _, h := range c.helpers {
		errs = append(errs, h.cmd.Wait())
	}
	c.helpers = nil
	return errors.Join(errs...)
}

// Crowd is [Namespace.StartCrowd] for the length of the test.
func (h *Host) Crowd(size int, options CrowdOptions) *Crowd {
	h.t.Helper()
	crowd, err := h.StartCrowd(size, options)
	h.must(err)
	h.t.Cleanup(func() {
		if err := crowd.Close(); err != nil {
			h.t.Errorf("end crowd: %v", err)
		}
	})
	return crowd
}

// Main is the TestMain of a package whose tests make crowds.
func Main(m *testing.M) {
	Helper()
	os.Exit(m.Run())
}

// Helper does not return in a process that was started as a crowd's helper; in
// any other it does nothing.
func Helper() {
	encoded, ok := os.LookupEnv(crowdEnv)
	if !ok {
		return
	}
	if err := runHelper(encoded); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(0)
}

// runHelper makes the sockets and holds them until standard input ends, which
// it also does when the parent dies.
func runHelper(encoded string) error {
	var part task
	if err := json.Unmarshal([]byte(encoded), &part); err != nil {
		return err
	}
	if err := part.run(); err != nil {
		return err
	}
	fmt.Println(crowdReady)
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

// run leaves its sockets open. The Go runtime has raised the soft limit of open
// files to the hard one.
func (k task) run() error {
	file, err := os.Open(k.NetNS)
	if err != nil {
		return err
	}
	n := &Namespace{file: file}
	return n.Do(func() error {
		for i := k.From; i < k.To; i++ {
			if err := k.connect(i); err != nil {
				return fmt.Errorf("socket %d of the crowd: %w", i, err)
			}
		}
		return nil
	})
}

func (k task) connect(i int) error {
	kind := TCP4
	if k.Options.First.Addr().Is6() {
		kind = TCP6
	}
	fd, err := kind.open()
	if err != nil {
		return err
	}
	s := &Socket{kind: kind, fd: fd}
	for _, option := range k.options(i / k.Options.Destinations) {
		if err := option(fd); err != nil {
			return err
		}
	}
	if k.Options.Local.IsValid() {
		if err := s.Bind(netip.AddrPortFrom(k.Options.Local, 0)); err != nil {
			return err
		}
	}
	return s.Connect(netip.AddrPortFrom(nth(k.Options.First.Addr(), i%k.Options.Destinations), k.Options.First.Port()))
}

// options narrow the socket's choice to one port, as a connect() that looks for
// one past half the range walks all that are taken.
func (k task) options(ordinal int) []Option {
	options := []Option{intOption(unix.SOL_TCP, unix.TCP_REPAIR, unix.TCP_REPAIR_ON), BindNoPort()}
	if at := int(k.Range[0]) + ordinal; at <= int(k.Range[1]) {
		options = append(options, LocalRange(uint16(at), uint16(at)))
	}
	return options
}

// nth is the address n after addr.
func nth(addr netip.Addr, n int) netip.Addr {
	b := addr.AsSlice()
	for i := len(b) - 1; i >= 0 && n > 0; i-- {
		n += int(b[i])
		b[i] = byte(n)
		n >>= 8
	}
	next, _ := netip.AddrFromSlice(b)
	return next
}
