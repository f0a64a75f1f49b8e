package judge

import (
	"testing"

	"portrange/internal/host"
	"portrange/internal/port"
)

// The devices of vrfBox: blue is a VRF with va in it, vc is outside.
const (
	blue = 5
	va   = 6
	vc   = 7
)

func within(l3mdev, device uint32) func(*port.Socket) {
	return func(s *port.Socket) { s.L3Mdev, s.Device = l3mdev, device }
}

// vrfBox is [box] with a VRF.
func vrfBox(accept bool, sockets ...*port.Socket) *host.Namespace {
	ns := box()
	ns.Settings.L3MdevAccept = accept
	ns.Usage = host.NewUsage(ns.Settings)
	ns.Usage.Masters = map[uint32]uint32{blue: blue, va: blue}
	for _, s := range sockets {
		ns.Usage.Add(s)
	}
	return ns
}

// TestVRFsHaveBucketsOfTheirOwn is the table measured on Linux 6.1 with 5 sockets
// bound in the VRF, 11 outside, 20 connections of the VRF's device and 7 of a
// device in it.
func TestVRFsHaveBucketsOfTheirOwn(t *testing.T) {
	ns := vrfBox(false)
	add := func(n, from int, local, remote string, edit ...func(*port.Socket)) {
		for i := range n {
			s := socket(local+":1", remote, edit...)
			s.Local = addrPort(local, from+i)
			ns.Usage.Add(s)
		}
	}
	ns.Settings.Reserved = &port.Set{}
	add(5, 40060, "10.1.0.1", "", idle, within(blue, blue))
	add(11, 40080, "10.2.0.1", "", idle)
	add(20, 40000, "10.1.0.1", "10.1.0.9:80", within(blue, blue))
	add(7, 40030, "10.1.0.1", "10.1.0.9:80", within(blue, va))
	for _, tt := range []struct {
		device uint32
		remote string
		want   int
	}{
		{va, "10.1.0.9:80", 68},   // 100 − 5 bound − 20 of the VRF − 7 of its own
		{blue, "10.1.0.9:80", 75}, // passes those of va
		{va, "10.1.0.9:81", 95}, {blue, "10.1.0.9:81", 95},
		{0, "10.1.0.9:80", 89}, {vc, "10.2.0.9:80", 89},
	} {
		to := tuple("10.1.0.1", tt.remote)
		to.Device = tt.device
		if got := left(ns, to); got.Left != tt.want || !got.Exact {
			t.Errorf("device %d to %s: %+v, want %d left", tt.device, tt.remote, got, tt.want)
		}
	}
	v := Namespace(ns)
	if v.BindHeld != 11 || v.Usable != 89 || v.InUse != 27 {
		t.Errorf("bind-held %d, usable %d, in use %d; want those outside of the VRF, and all connections", v.BindHeld, v.Usable, v.InUse)
	}
}

// TestOneBindTableForAllVRFs is tcp_l3mdev_accept=1.
func TestOneBindTableForAllVRFs(t *testing.T) {
	ns := vrfBox(true,
		socket("0.0.0.0:40000", "", listen),
		socket("10.1.0.1:40001", "10.1.0.9:80"),
		socket("10.1.0.1:40002", "10.1.0.9:80", within(0, blue)),
		socket("10.1.0.1:40003", "10.1.0.9:80", within(0, va)),
		socket("10.1.0.1:40004", "10.1.0.9:80", within(0, vc)),
	)
	for device, want := range map[uint32]int{0: 88, blue: 87, va: 86, vc: 87} {
		to := tuple("10.1.0.1", "10.1.0.9:80")
		to.Device = device
		if got := left(ns, to); got.Left != want {
			t.Errorf("device %d: %+v, want %d left", device, got, want)
		}
	}
}

func TestBindWithinAVRF(t *testing.T) {
	ns := vrfBox(false,
		socket("0.0.0.0:40000", "", idle),
		socket("0.0.0.0:40001", "", idle, within(blue, blue)),
		socket("0.0.0.0:40002", "", idle, within(blue, va)),
		socket("0.0.0.0:40003", "", udp),
		socket("0.0.0.0:40004", "", udp, on(blue)),
	)
	for _, tt := range []struct {
		proto  port.Proto
		device uint32
		want   int
	}{{port.TCP, 0, 89}, {port.TCP, blue, 89}, {port.TCP, va, 89}, {port.UDP, 0, 88}, {port.UDP, blue, 88}, {port.UDP, va, 89}} {
		if got := leftLocal(ns, tt.proto, "10.1.0.1", through(tt.device)); got.Left != tt.want || !got.Exact {
			t.Errorf("%v on device %d: %+v, want %d left", tt.proto, tt.device, got, tt.want)
		}
	}
}

// TestUncertainVRF: netlink does not show buckets, and a socket may be from before
// its device came to the VRF.
func TestUncertainVRF(t *testing.T) {
	for name, ns := range map[string]*host.Namespace{
		"netlink": vrfBox(false, socket("10.1.0.1:40000", "", idle, asNetlink, on(va))),
		"moved":   vrfBox(false, socket("10.1.0.1:40000", "", idle, on(va))),
		"gone":    box(socket("10.1.0.1:40000", "", idle, within(blue, va))),
	} {
		got, udp := left(ns, service), leftLocal(ns, port.UDP, "0.0.0.0")
		if got.Exact || len(got.Doubts) != 1 || got.Doubts[0] != DoubtVRF || !udp.Exact {
			t.Errorf("%s: TCP %v, UDP %v; want a doubt of TCP", name, got.Doubts, udp.Doubts)
		}
	}
	if got := left(vrfBox(false), service); !got.Exact {
		t.Errorf("a VRF without sockets: %+v", got)
	}
	ns := vrfBox(false, socket("10.1.0.1:40000", "", listen, asNetlink, on(va)))
	if got := left(ns, service); got.Left != 90 {
		t.Errorf("a listener in a VRF, as netlink shows it: %+v, want it not in the way outside", got)
	}
}
