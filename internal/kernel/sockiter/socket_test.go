package sockiter

import (
	"maps"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"portrange/internal/port"
)

const testTick = 4 * time.Millisecond

func addressBytes(text string) (b [16]uint8) {
	copy(b[:], netip.MustParseAddr(text).AsSlice())
	return b
}

var sameAddresses = cmpopts.EquateComparable(netip.AddrPort{}, netip.Addr{})

// recordTest is a record of the program and the socket that it stands for.
type recordTest struct {
	record bpfRecord
	want   port.Socket
}

func plainRecords() map[string]recordTest {
	return map[string]recordTest{
		"established": {
			bpfRecord{
				Proto: 6, State: 1, Local: addressBytes("10.0.0.1"), LocalPort: 40000,
				Remote: addressBytes("10.0.0.2"), RemotePort: 443, Hold: 1, Uid: 33, Inode: 1 << 40,
				Device: 2, L3mdev: 9, Timer: 2, Expires: 250, Retries: 3,
			},
			port.Socket{
				Proto: port.TCP, State: port.Established, Hold: port.ConnectHeld,
				Local: netip.MustParseAddrPort("10.0.0.1:40000"), Remote: netip.MustParseAddrPort("10.0.0.2:443"),
				UID: 33, Inode: 1 << 40, Device: 2, L3Mdev: 9,
				Timer: port.Timer{Kind: port.TimerKeepalive, Expires: time.Second, Retries: 3},
			},
		},
		"listener of both families": {
			bpfRecord{Proto: 6, State: 10, Flags: flagFamily6, LocalPort: 80, Hold: 2},
			port.Socket{
				Proto: port.TCP, State: port.Listen, Hold: port.BindHeld, Family6: true,
				Local: netip.MustParseAddrPort("[::]:80"),
			},
		},
		"IPv6 only": {
			bpfRecord{Proto: 17, State: 7, Flags: flagFamily6 | flagV6Only, Local: addressBytes("fd00::1"), LocalPort: 53},
			port.Socket{
				Proto: port.UDP, State: port.Close, Family6: true, V6Only: true,
				Local: netip.MustParseAddrPort("[fd00::1]:53"),
			},
		},
	}
}

func oddRecords() map[string]recordTest {
	return map[string]recordTest{
		"mapped": {
			bpfRecord{
				Proto: 6, State: 1, Flags: flagFamily6, Hold: 1,
				Local: addressBytes("::ffff:10.0.0.1"), LocalPort: 40000,
				Remote: addressBytes("::ffff:10.0.0.2"), RemotePort: 443,
			},
			port.Socket{
				Proto: port.TCP, State: port.Established, Hold: port.ConnectHeld, Family6: true,
				Local: netip.MustParseAddrPort("10.0.0.1:40000"), Remote: netip.MustParseAddrPort("10.0.0.2:443"),
			},
		},
		"timewait": {
			bpfRecord{
				Proto: 6, State: 6, Flags: flagMini | flagStamped, LocalPort: 40000, RemotePort: 443,
				Quiet: 1500, Timer: 3, Expires: 14625, Hold: 1,
			},
			port.Socket{
				Proto: port.TCP, State: port.TimeWait, Hold: port.ConnectHeld, Mini: true, Stamped: true,
				Local: netip.MustParseAddrPort("0.0.0.0:40000"), Remote: netip.MustParseAddrPort("0.0.0.0:443"),
				Quiet: 1500 * time.Millisecond,
				Timer: port.Timer{Kind: port.TimerTimeWait, Expires: 58500 * time.Millisecond},
			},
		},
		"overdue timer": {
			bpfRecord{Proto: 6, State: 2, LocalPort: 1, Timer: 1, Expires: -3},
			port.Socket{
				Proto: port.TCP, State: port.SynSent, Local: netip.MustParseAddrPort("0.0.0.0:1"),
				Timer: port.Timer{Kind: port.TimerRetransmit},
			},
		},
	}
}

func TestSocketFromRecord(t *testing.T) {
	tests := plainRecords()
	maps.Copy(tests, oddRecords())
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := test.record.socket(testTick)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got, sameAddresses); diff != "" {
				t.Errorf("socket differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBrokenRecord(t *testing.T) {
	good := bpfRecord{Proto: 6, State: 1, Hold: 3, Timer: 4}
	if _, err := good.socket(testTick); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*bpfRecord){
		"protocol": func(r *bpfRecord) { r.Proto = 132 },
		"none":     func(r *bpfRecord) { r.Proto = 0 },
		"no state": func(r *bpfRecord) { r.State = 0 },
		"state":    func(r *bpfRecord) { r.State = uint8(port.States) },
		"hold":     func(r *bpfRecord) { r.Hold = uint8(port.NotHeld) + 1 },
		"timer":    func(r *bpfRecord) { r.Timer = uint8(port.TimerProbe) + 1 },
	} {
		bad := good
		spoil(&bad)
		if s, err := bad.socket(testTick); err == nil {
			t.Errorf("%s: became %v", name, s)
		}
	}
}

// TestQuietCoarse: kernels before 6.14 hand out the port as soon as the second
// of their clock is another one, and settings give those one second of delay.
func TestQuietCoarse(t *testing.T) {
	const delay = time.Second
	for seconds, reusable := range map[int32]bool{-1: false, 0: false, 1: true, 2: true, 60: true} {
		r := bpfRecord{Flags: flagMini | flagCoarse, Quiet: seconds}
		if got := r.quietFor() > delay; got != reusable {
			t.Errorf("%d s: quiet for %v, reusable %v", seconds, r.quietFor(), got)
		}
	}
	late := bpfRecord{Flags: flagMini, Quiet: -5}
	if got := late.quietFor(); got != 0 {
		t.Errorf("a packet that came while we read: quiet for %v", got)
	}
}

func TestTick(t *testing.T) {
	got, err := tick()
	if err != nil {
		t.Fatal(err)
	}
	if got < time.Millisecond || got > 10*time.Millisecond {
		t.Errorf("a jiffy of %v, but CONFIG_HZ is from 100 to 1000", got)
	}
}

func BenchmarkSocketFromRecord(b *testing.B) {
	r := bpfRecord{
		Proto: 6, State: 1, Local: addressBytes("10.0.0.1"), LocalPort: 40000,
		Remote: addressBytes("10.0.0.2"), RemotePort: 443, Hold: 1,
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.socket(testTick); err != nil {
			b.Fatal(err)
		}
	}
}
