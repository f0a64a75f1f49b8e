package sockdiag_test

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mdlayher/netlink"

	"portrange/internal/kernel/sockdiag"
	"portrange/internal/kernel/sockdiag/sockdiagtest"
	"portrange/internal/port"
)

var compareAddrs = cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })

func addr(text string) netip.AddrPort { return netip.MustParseAddrPort(text) }

func tcp(state port.State, local, remote string) port.Socket {
	s := port.Socket{Proto: port.TCP, State: state, Local: addr(local), UID: 1000, Inode: 77}
	if remote != "" {
		s.Remote = addr(remote)
	}
	s.Family6 = s.Local.Addr().Is6()
	if state == port.Listen || state == port.BoundInactive {
		s.Hold = port.BindHeld
	}
	return s
}

// with returns the socket after changes.
func with(s port.Socket, change func(*port.Socket)) port.Socket {
	change(&s)
	return s
}

func asMini(left time.Duration) func(*port.Socket) {
	return func(s *port.Socket) {
		s.Mini, s.UID, s.Inode = true, 0, 0
		s.Timer = port.Timer{Kind: port.TimerTimeWait, Expires: left}
		if s.State == port.TimeWait {
			s.Quiet = 60*time.Second - left
		}
	}
}

func sampleSockets() map[string]port.Socket {
	return map[string]port.Socket{
		"listener":     tcp(port.Listen, "10.0.0.1:80", ""),
		"dual stack":   tcp(port.Listen, "[::]:80", ""),
		"v6 only":      with(tcp(port.Listen, "[::]:80", ""), func(s *port.Socket) { s.V6Only = true }),
		"idle":         tcp(port.BoundInactive, "10.0.0.1:40000", ""),
		"idle v6 only": with(tcp(port.BoundInactive, "[::]:40000", ""), func(s *port.Socket) { s.V6Only = true }),
		"established":  tcp(port.Established, "10.0.0.1:40000", "10.0.0.2:443"),
		"ipv6":         with(tcp(port.Established, "[fd00::1]:40000", "[fd00::2]:443"), func(s *port.Socket) { s.V6Unknown = true }),
		"mapped":       with(tcp(port.Established, "10.0.0.1:40000", "10.0.0.2:443"), func(s *port.Socket) { s.Family6 = true }),
		"orphan":       with(tcp(port.FinWait1, "10.0.0.1:40000", "10.0.0.2:443"), func(s *port.Socket) { s.Inode = 0 }),
		"bound to a device": with(tcp(port.Established, "10.0.0.1:40000", "10.0.0.2:443"), func(s *port.Socket) {
			s.Device = 7
		}),
		"retransmitting": with(tcp(port.SynSent, "10.0.0.1:40000", "10.0.0.2:443"), func(s *port.Socket) {
			s.Timer = port.Timer{Kind: port.TimerRetransmit, Expires: 250 * time.Millisecond, Retries: 3}
		}),
		"probing": with(tcp(port.Established, "10.0.0.1:40000", "10.0.0.2:443"), func(s *port.Socket) {
			s.Timer = port.Timer{Kind: port.TimerProbe, Expires: time.Second, Retries: 1}
		}),
		"time wait":       with(tcp(port.TimeWait, "10.0.0.1:40000", "10.0.0.2:443"), asMini(57*time.Second)),
		"fin wait 2 mini": with(tcp(port.FinWait2, "10.0.0.1:40000", "10.0.0.2:443"), asMini(20*time.Second)),
		"fin wait 2 full": tcp(port.FinWait2, "10.0.0.1:40000", "10.0.0.2:443"),
		"request": with(tcp(port.SynRecv, "10.0.0.1:80", "10.0.0.2:50000"), func(s *port.Socket) {
			s.Hold, s.UID, s.Inode = port.NotHeld, 0, 0
			s.Timer = port.Timer{Kind: port.TimerRetransmit, Expires: time.Second}
		}),
		"fast open": tcp(port.SynRecv, "10.0.0.1:80", "10.0.0.2:50000"),
		"udp bound": {Proto: port.UDP, State: port.Close, Local: addr("[::]:53"), Family6: true, V6Only: true, Inode: 9},
		"udp connected": {Proto: port.UDP, State: port.Established, Local: addr("10.0.0.1:5353"),
			Remote: addr("10.0.0.2:53"), Inode: 9},
	}
}

func TestDecode(t *testing.T) {
	for name, want := range sampleSockets() {
		want.Blind = true
		t.Run(name, func(t *testing.T) {
			got, err := sockdiag.Decode(want.Proto, sockdiagtest.Encode(&want))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, compareAddrs); diff != "" {
				t.Errorf("decoded socket differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDecodeStaleRemoteAddress(t *testing.T) {
	failed := tcp(port.BoundInactive, "10.0.0.1:40000", "10.0.0.2:0")
	got, err := sockdiag.Decode(port.TCP, sockdiagtest.Encode(&failed))
	if err != nil {
		t.Fatal(err)
	}
	if got.Remote != (netip.AddrPort{}) || got.Connected() {
		t.Errorf("remote end of a socket whose connect() failed is %v, want none", got.Remote)
	}
}

func TestDecodeOverdueTimer(t *testing.T) {
	overdue := -5 * time.Millisecond
	for name, s := range map[string]port.Socket{
		"established": with(tcp(port.Established, "10.0.0.1:40000", "10.0.0.2:443"), func(s *port.Socket) {
			s.Timer = port.Timer{Kind: port.TimerRetransmit, Expires: overdue}
		}),
		"time wait": with(tcp(port.TimeWait, "10.0.0.1:40000", "10.0.0.2:443"), asMini(overdue)),
	} {
		got, err := sockdiag.Decode(port.TCP, sockdiagtest.Encode(&s))
		if err != nil {
			t.Fatal(err)
		}
		if got.Timer.Expires != 0 || got.Quiet > time.Minute {
			t.Errorf("%s: timer expires in %v, quiet for %v", name, got.Timer.Expires, got.Quiet)
		}
	}
}

func TestDecodeSkipsUnknownAttributes(t *testing.T) {
	want := tcp(port.Listen, "[::]:80", "")
	want.Blind = true
	b := sockdiagtest.Encode(&want)
	b = append(b, sockdiagtest.Attribute(900, 1, 2, 3)...)
	b = append(b, sockdiagtest.Attribute(11, 1)...)
	got, err := sockdiag.Decode(port.TCP, b)
	if err != nil {
		t.Fatal(err)
	}
	want.V6Only = true
	if diff := cmp.Diff(want, got, compareAddrs); diff != "" {
		t.Errorf("attribute behind an unknown one was not read (-want +got):\n%s", diff)
	}
}

func TestDecodeRefusesTruncation(t *testing.T) {
	s := tcp(port.Listen, "[::]:80", "")
	whole := sockdiagtest.Encode(&s)
	// A message may end behind an attribute, with its padding or without.
	ends := map[int]bool{72: true}
	for at := 72; at < len(whole); {
		length := int(whole[at])
		for end := at + length; end <= at+(length+3)&^3; end++ {
			ends[end] = true
		}
		at += (length + 3) &^ 3
	}
	for n := range len(whole) + 1 {
		if _, err := sockdiag.Decode(port.TCP, whole[:n]); (err == nil) != ends[n] {
			t.Errorf("%d of %d bytes: error %v", n, len(whole), err)
		}
	}
}

func TestDecodeRefusesNonsense(t *testing.T) {
	s := tcp(port.Listen, "10.0.0.1:80", "")
	alien := sockdiagtest.Encode(&s)
	alien[0] = 16
	for want, b := range map[string][]byte{
		"unknown address family": alien,
		"truncated attribute 8":  append(sockdiagtest.Encode(&s)[:72], 2, 0, 8, 0),
	} {
		if _, err := sockdiag.Decode(port.TCP, b); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range sampleSockets() {
		f.Add(uint8(s.Proto), sockdiagtest.Encode(&s))
	}
	f.Fuzz(func(t *testing.T, proto uint8, b []byte) {
		s, err := sockdiag.Decode(port.Proto(proto), b)
		if err != nil {
			return
		}
		if !s.Local.IsValid() || s.Local.Addr().Is4In6() || s.Remote.Addr().Is4In6() {
			t.Errorf("ends %v and %v are not normalised", s.Local, s.Remote)
		}
		if s.Quiet < 0 || s.Quiet > time.Minute || s.Timer.Expires < 0 {
			t.Errorf("quiet %v, timer %v", s.Quiet, s.Timer)
		}
		if s.Remote.IsValid() != s.Connected() {
			t.Errorf("remote end %v without a port", s.Remote)
		}
		if len(b) < 72 {
			t.Errorf("a socket from %d bytes", len(b))
		}
	})
}

func FuzzDatagram(f *testing.F) {
	s := tcp(port.Established, "10.0.0.1:40000", "10.0.0.2:443")
	q := sockdiagtest.Query{Sequence: 1}
	message := sockdiagtest.Message(18, 1, netlink.Multi, sockdiagtest.Encode(&s))
	f.Add(message)
	f.Add(append(bytes.Repeat(message, 3), q.Done(0)...))
	f.Add(q.Done(1))
	f.Add(q.Refusal(1))
	f.Fuzz(func(t *testing.T, b []byte) {
		batch, done, err := sockdiag.ParseDatagram(b, 1)
		if len(batch) > len(b)/len(message[:16+72]) {
			t.Errorf("%d sockets from %d bytes", len(batch), len(b))
		}
		if err == nil && !done && len(b) < 16 {
			t.Errorf("%d bytes passed for a datagram", len(b))
		}
	})
}

func TestParseDatagramRefusesTruncation(t *testing.T) {
	s := tcp(port.Established, "10.0.0.1:40000", "10.0.0.2:443")
	message := sockdiagtest.Message(18, 1, netlink.Multi, sockdiagtest.Encode(&s))
	whole := bytes.Repeat(message, 3)
	for n := range len(whole) {
		batch, done, err := sockdiag.ParseDatagram(whole[:n], 1)
		if wantErr := n == 0 || n%len(message) != 0; wantErr != (err != nil) || done {
			t.Errorf("%d of %d bytes: done %v, error %v", n, len(whole), done, err)
		}
		if len(batch) != n/len(message) {
			t.Errorf("%d of %d bytes: %d sockets, want the %d whole ones", n, len(whole), len(batch), n/len(message))
		}
	}
}

// BenchmarkParse reads a recorded dump of 50,000 sockets.
func BenchmarkParse(b *testing.B) {
	const sockets, perDatagram = 50_000, 250
	s := tcp(port.Established, "10.0.0.1:40000", "10.0.0.2:443")
	datagram := bytes.Repeat(sockdiagtest.Message(18, 1, netlink.Multi, sockdiagtest.Encode(&s)), perDatagram)
	parse := sockdiag.Parser(1)
	b.ReportAllocs()
	for b.Loop() {
		for range sockets / perDatagram {
			if n, err := parse(datagram); err != nil || n != perDatagram {
				b.Fatalf("%d sockets: %v", n, err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/sockets, "ns/socket")
}
