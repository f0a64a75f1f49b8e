package exact

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"portrange/internal/nettest"
)

// Servers listen below every random range, so that what is in the range is
// there on purpose.
const (
	firstServerPort = 1100
	serverPorts     = 3
	lowestRange     = 2000
)

// The devices besides lo. Nobody answers behind them: connect() stays in SYN_SENT.
const (
	void0 = "void0"
	void1 = "void1"
	blue  = "blue" // a VRF, where the kernel has them, with void0 in it
)

var (
	addrs4 = parseAddrs("127.0.0.1", "10.1.0.1", "10.1.0.2", "10.1.0.3")
	addrs6 = parseAddrs("::1", "fd00::1", "fd00::2")
	// linkLocal is an address of both voids, and so two.
	linkLocal = netip.MustParseAddr("fe80::1")
)

// voids are the networks behind the devices.
var voids = map[string]network{
	void0: {
		locals:  parseAddrs("192.0.2.1", "fd01::1", "fe80::1%void0"),
		remotes: parseAddrs("192.0.2.77", "fd01::77", "fe80::77%void0", "192.0.2.78"),
	},
	void1: {
		locals:  parseAddrs("198.51.100.1", "fd02::1", "fe80::1%void1"),
		remotes: parseAddrs("198.51.100.77", "fd02::77", "fe80::77%void1", "198.51.100.78"),
	},
}

// network is what is behind a device: the address that connect() takes for the
// remote one at the same place, the fourth remote being another like the first.
type network struct{ locals, remotes []netip.Addr }

// source is the local address to a remote one.
func (n network) source(remote netip.Addr) netip.Addr {
	return n.locals[slices.Index(n.remotes, remote)%len(n.locals)]
}

// scenario is one random namespace.
type scenario struct {
	*nettest.Namespace
	*rand.Rand

	low, high uint16
	reuse     bool          // tcp_tw_reuse may apply
	delay     time.Duration // tcp_tw_reuse_delay
	servers   []*nettest.Socket
	log       []string
	devices   []string          // the voids of this scenario
	index     map[string]uint32 // of all devices
	vrf       bool              // void0 is in a VRF
	mostlyUDP bool
	routed    bool // there are destinations beyond
	multipath bool // by more than one way
	// v6only and autobindReuse are net.ipv6.bindv6only and net.ipv4.ip_autobind_reuse.
	v6only, autobindReuse bool
	hooks                 []link.Link // programs of the control group
	// freshSince is when the youngest TIME_WAIT socket that is not to count as
	// reusable came about; the answers hold for delay from then.
	freshSince time.Time
}

// nursery makes a namespace whose children get small hash tables of their own
// (tcp_child_ehash_entries, udp_child_hash_entries): walking the machine's,
// sized for its memory, would take most of the time.
func nursery() (*nettest.Namespace, error) {
	n, err := nettest.Create()
	if err != nil {
		return nil, err
	}
	return n, errors.Join(
		n.WriteSysctl("net.ipv4.tcp_child_ehash_entries", "1024"),
		n.WriteSysctl("net.ipv4.udp_child_hash_entries", "256"),
	)
}

// build makes the namespace of a seed as a child of the nursery. The caller
// closes it.
func (p *proof) build(seed uint64) (*scenario, error) {
	var n *nettest.Namespace
	err := p.nursery.Do(func() (err error) {
		n, err = nettest.Create()
		return err
	})
	if err != nil {
		return nil, err
	}
	sc := &scenario{Namespace: n, Rand: rand.New(rand.NewPCG(seed, 0))}
	sc.vrf = p.vrfs && sc.chance(0.6)
	for _, step := range []func() error{sc.addAddresses, sc.configure, sc.addRouting, sc.listen, sc.populate} {
		if err := step(); err != nil {
			return nil, errors.Join(err, n.Close())
		}
	}
	if p.group != "" && sc.chance(0.15) {
		if err := sc.hook(p.group); err != nil {
			return nil, errors.Join(err, sc.close())
		}
	}
	return sc, nil
}

func (sc *scenario) addAddresses() error {
	sc.devices = []string{void0}
	if sc.chance(0.6) {
		sc.devices = append(sc.devices, void1)
	}
	sc.mostlyUDP = sc.chance(0.4)
	err := errors.Join(
		sc.AddAddrs("lo", "10.1.0.1", "10.1.0.2", "10.1.0.3", "fd00::1", "fd00::2"),
		// Only addresses that are given: none made of a hardware address.
		sc.WriteSysctl("net.ipv6.conf.default.addr_gen_mode", "1"),
	)
	if sc.vrf {
		sc.note("%s is in VRF %s", void0, blue)
		err = errors.Join(err, sc.AddVRF(blue, 10))
	}
	for _, device := range sc.devices {
		err = errors.Join(err, sc.addVoid(device))
	}
	return errors.Join(err, sc.readIndexes())
}

func (sc *scenario) addVoid(device string) error {
	locals := voids[device].locals
	if err := sc.AddSink(device); err != nil {
		return err
	}
	if sc.vrf && device == void0 {
		if err := sc.SetMaster(device, blue); err != nil {
			return err
		}
	}
	return errors.Join(
		sc.AddAddrs(device, locals[0].String()+"/24", locals[1].String()+"/64", linkLocal.String()+"/64"),
	)
}

func (sc *scenario) readIndexes() error {
	sc.index = map[string]uint32{"": 0}
	return sc.Do(func() error {
		for _, name := range sc.allDevices() {
			device, err := net.InterfaceByName(name)
			if err != nil {
				return err
			}
			sc.index[name] = uint32(device.Index)
		}
		return nil
	})
}

func (sc *scenario) allDevices() []string {
	all := append([]string{"lo"}, sc.devices...)
	if sc.vrf {
		all = append(all, blue)
	}
	return all
}

func (sc *scenario) configure() error {
	sc.pickRange()
	settings := map[string]string{
		"net.ipv4.ip_local_reserved_ports": sc.pickReserved(),
		"net.ipv4.tcp_tw_reuse":            fmt.Sprint(sc.pickReuse()),
		"net.ipv4.tcp_tw_reuse_delay":      fmt.Sprint(sc.pickDelay().Milliseconds()),
	}
	for _, unusual := range []struct{ key, value string }{
		{"net.ipv4.tcp_timestamps", "0"},
		{"net.ipv6.bindv6only", "1"},
		{"net.ipv4.ip_autobind_reuse", "1"},
		{"net.ipv4.tcp_l3mdev_accept", "1"},
	} {
		if sc.chance(0.2) {
			settings[unusual.key] = unusual.value
		}
	}
	_, sc.v6only = settings["net.ipv6.bindv6only"]
	_, sc.autobindReuse = settings["net.ipv4.ip_autobind_reuse"]
	for key, value := range settings {
		if err := sc.WriteSysctl(key, value); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		sc.note("%s = %q", key, value)
	}
	return sc.applyRange()
}

func (sc *scenario) applyRange() error {
	sc.note("range %d %d", sc.low, sc.high)
	return sc.SetRange(sc.low, sc.high)
}

func (sc *scenario) pickRange() {
	size := 20 + sc.IntN(130)
	if sc.chance(0.05) {
		size = 1 + sc.IntN(6)
	}
	if sc.chance(0.7) {
		size += size % 2 // an even number of ports, as all but careless ranges have
	}
	sc.low = uint16(lowestRange + sc.IntN(65536-lowestRange-size))
	sc.high = sc.low + uint16(size-1)
}

func (sc *scenario) pickReserved() string {
	list := ""
	for range sc.IntN(4) {
		from := sc.portNearRange()
		to := from + uint16(sc.IntN(8))
		if to < from {
			to = from
		}
		list += fmt.Sprintf(",%d-%d", from, to)
	}
	if list == "" {
		return ""
	}
	return list[1:]
}

func (sc *scenario) pickReuse() int {
	mode := sc.IntN(3)
	if _, err := sc.ReadSysctl("net.ipv4.tcp_tw_reuse_delay"); err != nil {
		mode = 0 // before Linux 6.14 the delay is too long to wait for
	}
	sc.reuse = mode > 0
	return mode
}

// pickDelay is short enough that every TIME_WAIT socket is reusable, so long that
// none is, or between the two, where populate makes some of either.
func (sc *scenario) pickDelay() time.Duration {
	sc.delay = 60 * time.Second
	switch {
	case sc.chance(0.5):
		sc.delay = time.Millisecond
	case sc.chance(0.2):
		sc.delay = 800 * time.Millisecond
	}
	return sc.delay
}

// listen opens the servers, dual-stack, that all connections go to.
func (sc *scenario) listen() error {
	for i := range serverPorts {
		s, err := sc.Listen(nettest.TCP6, netip.AddrPortFrom(netip.IPv6Unspecified(), uint16(firstServerPort+i)), nettest.V6Only(false))
		if err != nil {
			return err
		}
		sc.servers = append(sc.servers, s)
	}
	return nil
}

// populate does some random deeds, and waits until TIME_WAIT is reusable where it must be.
func (sc *scenario) populate() error {
	if err := sc.act(2 + sc.IntN(8)); err != nil {
		return err
	}
	if sc.chance(0.2) {
		if err := sc.moveRange(); err != nil {
			return err
		}
	}
	if sc.reuse && sc.delay < time.Second {
		time.Sleep(sc.delay + 5*time.Millisecond)
	}
	if sc.delay == time.Millisecond {
		return nil
	}
	sc.freshSince = time.Now()
	return sc.act(sc.IntN(4))
}

// moveRange leaves sockets outside.
func (sc *scenario) moveRange() error {
	shift := uint16(sc.IntN(int(sc.high-sc.low) + 1))
	if sc.chance(0.5) && sc.low-shift >= lowestRange && sc.low > shift {
		sc.low, sc.high = sc.low-shift, sc.high-shift
	} else if sc.high < 65535-shift {
		sc.low, sc.high = sc.low+shift, sc.high+shift
	}
	return sc.applyRange()
}

func (sc *scenario) act(times int) error {
	deeds := append(sc.deeds(), sc.udpDeeds()...)
	if sc.mostlyUDP {
		deeds = append(sc.udpDeeds(), deeds...)
		deeds = append(sc.udpDeeds(), deeds...)
	}
	for range times {
		deed := deeds[sc.IntN(len(deeds))]
		for i := range 1 + sc.IntN(12) {
			err := deed.do()
			if err != nil && !expected(err) {
				return fmt.Errorf("%s: %w", deed.name, err)
			}
			if i == 0 {
				sc.note("%s", deed.name)
			}
		}
	}
	return nil
}

// expected are the refusals that a random deed may well meet: no port, or a
// former peer in the way, whose end of the same four numbers answers with a reset.
func expected(err error) bool {
	for _, errno := range []error{unix.EADDRINUSE, unix.EADDRNOTAVAIL, unix.EAGAIN, unix.EISCONN, unix.ECONNREFUSED} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

func (sc *scenario) chance(p float64) bool { return sc.Float64() < p }

func (sc *scenario) note(format string, args ...any) {
	sc.log = append(sc.log, fmt.Sprintf(format, args...))
}

// portNearRange is mostly in the range, sometimes beside it.
func (sc *scenario) portNearRange() uint16 {
	p := int(sc.low) - 3 + sc.IntN(int(sc.high-sc.low)+7)
	return uint16(min(max(p, lowestRange), 65535))
}

func pick[T any](sc *scenario, from []T) T { return from[sc.IntN(len(from))] }

func parseAddrs(texts ...string) []netip.Addr {
	addrs := make([]netip.Addr, len(texts))
	for i, text := range texts {
		addrs[i] = netip.MustParseAddr(text)
	}
	return addrs
}
