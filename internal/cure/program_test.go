package cure

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"portrange/internal/finding"
)

// manner is how a program treats its connections: its configuration.
type manner struct {
	UDP     bool
	Remotes []netip.AddrPort
	// Bind is the address that it binds to port 0 of before it connects; invalid
	// for none. NoPort sets IP_BIND_ADDRESS_NO_PORT first.
	Bind   netip.Addr
	NoPort bool
	// Whole has the kernel search the whole range at once, so that to fill it takes no
	// time (IP_LOCAL_PORT_RANGE, Linux 6.8).
	Whole bool
	// Silent asks nothing of the server, which accepts nobody.
	Silent bool
	// Keep is how many connections it has open at once before it resets the oldest; 0
	// for a program that closes each when it is answered, before the server does, and
	// leaks for one that never does.
	Keep int
	// Reuse keeps one connection open and sends every request over it.
	Reuse bool
}

// leaks is a Keep that is never reached.
const leaks = 1 << 30

// changed is the manner after a change that an action asks for.
func (m manner) changed(to finding.Change) (manner, error) {
	switch to {
	case finding.Restart: // the same again
	case finding.KeepAlive:
		m.Reuse = true
	case finding.BindNoPort:
		m.NoPort = true
	case finding.CloseIdle:
		m.Keep = 1
	default:
		return m, fmt.Errorf("an action asks for the change %q, which no program here knows", to)
	}
	return m, nil
}

// order is what a program is told to do: requests, so many a second, until the
// time or the number is reached. 0 is no limit, and for PerSecond as fast as it can.
type order struct {
	For       time.Duration
	Number    int
	PerSecond float64
	// Full has it go on until a request fails.
	Full bool
}

// tally is what became of the requests.
type tally struct {
	Requests, Failed int
	// Median is how long it took to get a port and a connection, of those that got one.
	Median time.Duration
	Took   time.Duration
	Err    string // the last failure
	// Files says that this was for want of files, and not of a port.
	Files bool
}

func (t tally) share() float64 { return float64(t.Failed) / float64(max(t.Requests, 1)) }

// perSecond is how many requests a second were served.
func (t tally) perSecond() float64 { return float64(t.Requests-t.Failed) / t.Took.Seconds() }

// client is the program that is under load.
type client struct {
	manner
	next int
	open []int // file descriptors, the oldest first
}

// runClient obeys orders, one a line, until its input ends.
func runClient() error {
	var c client
	if err := json.Unmarshal([]byte(os.Getenv(mannerVariable)), &c.manner); err != nil {
		return err
	}
	if err := raiseFiles(); err != nil {
		return err
	}
	orders, out := bufio.NewScanner(os.Stdin), json.NewEncoder(os.Stdout)
	for orders.Scan() {
		var o order
		if err := json.Unmarshal(orders.Bytes(), &o); err != nil {
			return err
		}
		if err := out.Encode(c.obey(o)); err != nil {
			return err
		}
	}
	return orders.Err()
}

// raiseFiles makes room for as many sockets as the process may have.
func raiseFiles() error {
	var limit unix.Rlimit
	err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit)
	limit.Cur = limit.Max
	return errors.Join(err, unix.Setrlimit(unix.RLIMIT_NOFILE, &limit))
}

func (c *client) obey(o order) tally {
	var t tally
	var took []time.Duration
	began := time.Now()
	for ; !o.done(&t, time.Since(began)); t.Requests++ {
		if o.PerSecond > 0 {
			time.Sleep(time.Until(began.Add(time.Duration(float64(t.Requests) / o.PerSecond * float64(time.Second)))))
		}
		d, err := c.request()
		if err != nil {
			t.Failed++
			t.Err, t.Files = err.Error(), errors.Is(err, unix.EMFILE)
			continue
		}
		took = append(took, d)
	}
	t.Took = time.Since(began)
	if len(took) > 0 {
		slices.Sort(took)
		t.Median = took[len(took)/2]
	}
	return t
}

func (o *order) done(t *tally, passed time.Duration) bool {
	return o.For > 0 && passed >= o.For || o.Number > 0 && t.Requests >= o.Number || o.Full && t.Failed > 0
}

// request is one request, over a connection that is open or a new one. It tells
// how long that took to get.
func (c *client) request() (time.Duration, error) {
	if c.Reuse && len(c.open) > 0 {
		return 0, exchange(c.open[0])
	}
	for c.Keep > 0 && len(c.open) >= c.Keep {
		reset(c.open[0])
		c.open = c.open[1:]
	}
	began := time.Now()
	fd, err := c.connect(c.Remotes[c.next%len(c.Remotes)])
	took := time.Since(began)
	c.next++
	if err != nil {
		return 0, err
	}
	if !c.Silent && !c.UDP {
		err = exchange(fd)
	}
	if c.Keep > 0 || c.Reuse || c.UDP {
		c.open = append(c.open, fd)
	} else {
		unix.Close(fd)
	}
	return took, err
}

// patience is how long a packet that gets no answer is waited for.
const patience = time.Second

func (c *client) connect(to netip.AddrPort) (int, error) {
	kind := unix.SOCK_STREAM
	if c.UDP {
		kind = unix.SOCK_DGRAM
	}
	fd, err := unix.Socket(unix.AF_INET, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	if err := c.connectWith(fd, to); err != nil {
		unix.Close(fd)
		return 0, err
	}
	return fd, nil
}

func (c *client) connectWith(fd int, to netip.AddrPort) error {
	wait := unix.NsecToTimeval(patience.Nanoseconds())
	errs := []error{
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &wait),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait),
	}
	if c.NoPort {
		errs = append(errs, unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1))
	}
	if c.Whole { // ends beyond the namespace's range leave that as it is
		errs = append(errs, unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_LOCAL_PORT_RANGE, -1<<16|1))
	}
	if c.Bind.IsValid() {
		errs = append(errs, os.NewSyscallError("bind", unix.Bind(fd, &unix.SockaddrInet4{Addr: c.Bind.As4()})))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	at := &unix.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())}
	return os.NewSyscallError("connect", unix.Connect(fd, at))
}

// exchange is a byte there and a byte back.
func exchange(fd int) error {
	buf := []byte{'?'}
	if _, err := unix.Write(fd, buf); err != nil {
		return os.NewSyscallError("write", err)
	}
	n, err := unix.Read(fd, buf)
	if err == nil && n == 0 {
		err = unix.ECONNRESET
	}
	return os.NewSyscallError("read", err)
}

// reset closes a connection so that no port waits.
func reset(fd int) {
	// A socket of UDP has nothing to linger for.
	_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	unix.Close(fd)
}

// The ways of a server.
const (
	serveNobody = "nobody" // connections stay in its queue, as its clients see it established
	serveUntil  = "until"  // answers until the client closes
	serveOnce   = "once"   // answers once and closes
)

// runServer listens on the addresses that its argument has after the way, an entry
// each, and says when it does.
func runServer() error {
	way, list, _ := strings.Cut(os.Getenv(serverVariable), " ")
	if err := raiseFiles(); err != nil {
		return err
	}
	for _, at := range strings.Fields(list) {
		if err := serve(way, netip.MustParseAddrPort(at)); err != nil {
			return err
		}
	}
	fmt.Println("ready")
	_, err := bufio.NewReader(os.Stdin).ReadString(0)
	return errors.Join(err)
}

func serve(way string, at netip.AddrPort) error {
	if way != serveNobody {
		listener, err := net.Listen("tcp4", at.String())
		if err == nil {
			go answer(listener, way)
		}
		return err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	return errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1),
		unix.Bind(fd, &unix.SockaddrInet4{Addr: at.Addr().As4(), Port: int(at.Port())}),
		unix.Listen(fd, 65535),
	)
}

func answer(listener net.Listener, way string) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			buf := make([]byte, 1)
			for {
				if _, err := conn.Read(buf); err != nil {
					return
				}
				if _, err := conn.Write(buf); err != nil || way == serveOnce {
					return
				}
			}
		}()
	}
}

// listenOn is the environment of a server.
func listenOn(way string, at ...string) string {
	return serverVariable + "=" + way + " " + strings.Join(at, " ")
}

// ports are the entries of one address with ports from low to high.
func ports(addr string, low, high int) []string {
	var list []string
	for p := low; p <= high; p++ {
		list = append(list, addr+":"+strconv.Itoa(p))
	}
	return list
}
