package host

import (
	"net/netip"
	"testing"
	"time"

	"portrange/internal/port"
)

func bound(s *port.Socket)  { s.Hold = port.BindHeld }
func unseen(s *port.Socket) { s.Hold, s.Blind = port.HoldUnknown, true }
func on(device, l3mdev uint32) func(*port.Socket) {
	return func(s *port.Socket) { s.Device, s.L3Mdev = device, l3mdev }
}

// inVRF is a usage of a namespace where device 6 is in the VRF 5.
func inVRF(settings Settings) *Usage {
	usage := NewUsage(settings)
	usage.Masters = map[uint32]uint32{5: 5, 6: 5}
	return usage
}

func TestBucketsOfEachVRF(t *testing.T) {
	usage := inVRF(Settings{})
	usage.Add(client(1, bound))
	usage.Add(client(2, bound, on(5, 5)))
	usage.Add(client(2, on(6, 5))) // on a port that the VRF holds
	usage.Add(client(2))           // that is free outside
	usage.Add(client(3, on(6, 5)))
	if got := usage.BindHeld.String() + " " + usage.Of(5).BindHeld.String() + " " + usage.Of(9).BindHeld.String(); got != "1 2 " {
		t.Errorf("bind-held outside, in the VRF, in one without sockets: %q", got)
	}
	to := client(1).Tuple()
	if got := usage.Tuples[to]; got == nil || !got.Contains(2) {
		t.Error("a port that is bind-held in a VRF does not count outside")
	}
	to.Device = 6
	if got := usage.Tuples[to]; got.Contains(2) || !got.Contains(3) {
		t.Errorf("sockets of the device %+v, want port 3 alone", got)
	}
	if usage.VRFUnsure.Len() != 0 {
		t.Errorf("not certain: %s", &usage.VRFUnsure)
	}
}

func TestWhereASocketBelongs(t *testing.T) {
	for _, tt := range []struct {
		name   string
		accept bool
		edit   []func(*port.Socket)
		l3mdev uint32
		sure   bool
	}{
		{"outside", false, nil, 0, true},
		{"in the VRF", false, []func(*port.Socket){on(6, 5)}, 5, true},
		{"one table for all", true, []func(*port.Socket){on(6, 0)}, 0, true},
		{"from before its device came", false, []func(*port.Socket){on(6, 0)}, 0, false},
		{"from before its device went", false, []func(*port.Socket){on(7, 5)}, 5, false},
		{"not shown, without a device", false, []func(*port.Socket){unseen}, 0, true},
		{"not shown", false, []func(*port.Socket){unseen, on(6, 0)}, 5, false},
		{"not shown, one table for all", true, []func(*port.Socket){unseen, on(6, 0)}, 0, false},
	} {
		usage := inVRF(Settings{L3MdevAccept: tt.accept})
		usage.Add(client(1, append(tt.edit, bound)...))
		if !usage.Of(tt.l3mdev).BindHeld.Contains(1) || usage.VRFUnsure.Contains(1) == tt.sure {
			t.Errorf("%s: want it in %d, certain %v", tt.name, tt.l3mdev, tt.sure)
		}
	}
}

// TestUnseenBuckets: what one socket of a port tells holds for all of them.
func TestUnseenBuckets(t *testing.T) {
	usage := NewUsage(Settings{})
	usage.Add(client(1, unseen))
	if !usage.Blind() {
		t.Error("not blind although a bucket was not seen")
	}
	usage.Add(client(1, bound))
	if usage.Blind() {
		t.Error("blind although another socket told of the bucket")
	}
	usage = inVRF(Settings{})
	if usage.Add(client(1, unseen, on(6, 0))); !usage.Blind() {
		t.Error("not blind although a bucket of a VRF was not seen")
	}
}

func TestAged(t *testing.T) {
	hidden := func(s *port.Socket) { s.Blind = true }
	for _, tt := range []struct {
		quiet time.Duration
		file  bool // tcp_tw_reuse_delay
		want  int
	}{
		{time.Second, true, 1}, {981 * time.Millisecond, true, 1}, {980 * time.Millisecond, true, 0},
		{100 * time.Millisecond, false, 1}, // whole seconds were counted
	} {
		usage := NewUsage(Settings{TWReuseDelay: time.Second, HasTWReuseDelay: tt.file})
		usage.Add(client(1, waiting(false, tt.quiet), hidden))
		usage.Add(client(2, waiting(false, tt.quiet))) // seen to have no timestamps
		uses := usage.Tuples[client(1).Tuple()]
		if uses.Aged.Len() != tt.want || uses.Reusable.Len() != 0 {
			t.Errorf("quiet for %v: aged %s, reusable %s; want %d", tt.quiet, uses.Aged.Set(), uses.Reusable.Set(), tt.want)
		}
	}
}

// TestLocalKeysTellWhatMatters, and nothing else, so that there are few.
func TestLocalKeysTellWhatMatters(t *testing.T) {
	usage := NewUsage(Settings{})
	set := func(reuse, reusePort bool, uid uint32, state port.State) func(*port.Socket) {
		return func(s *port.Socket) { s.Reuse, s.ReusePort, s.UID, s.State = reuse, reusePort, uid, state }
	}
	for i, edit := range []func(*port.Socket){
		set(false, false, 1, port.Established), set(false, false, 2, port.Listen),
		set(true, false, 1, port.Established), set(true, false, 2, port.TimeWait),
		set(true, false, 1, port.Listen),
		set(true, true, 1, port.Established), set(true, true, 2, port.Established), set(true, true, 1, port.TimeWait),
		set(false, true, 1, port.Established), set(false, true, 1, port.TimeWait),
	} {
		usage.Add(client(uint16(i+1), edit))
	}
	var got []string
	for _, ports := range usage.Locals {
		got = append(got, ports.Set().String())
	}
	want := map[string]bool{"1-2": true, "3-4": true, "5": true, "6": true, "7": true, "8": true, "9-10": true}
	for _, ports := range got {
		if !want[ports] {
			t.Errorf("ports %s share a key", ports)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d keys, want %d", len(got), len(want))
	}
	usage = NewUsage(Settings{})
	usage.Add(client(1, func(s *port.Socket) { s.Local = netip.MustParseAddrPort("0.0.0.0:1"); s.Family6 = true }))
	usage.Add(client(1, func(s *port.Socket) { s.Local = netip.MustParseAddrPort("0.0.0.0:1") }))
	if len(usage.Locals) != 2 {
		t.Error("0.0.0.0 and its mapped form are one")
	}
}

func TestMiss(t *testing.T) {
	usage := NewUsage(Settings{})
	usage.Miss(Missed{Proto: port.TCP, Sockets: 3})
	usage.Miss(Missed{Proto: port.TCP, Sockets: 2})
	if usage.Missed[port.TCP] != 5 || usage.Missed[port.UDP] != 0 {
		t.Errorf("missed %v, want 5 of TCP", usage.Missed)
	}
}

func TestSettingsThatDecideWhoMeets(t *testing.T) {
	none, all := Settings{}, Settings{
		L3MdevAccept: true, HasL3MdevAccept: true, HasBindV6Only: true, AutobindReuse: true, HasAutobindReuse: true,
	}
	for key, want := range map[string]string{port.KeyL3MdevAccept: "1", port.KeyBindV6Only: "0", port.KeyAutobindReuse: "1"} {
		if value, known := none.Value(key); known {
			t.Errorf("%s = %q on a kernel without it", key, value)
		}
		if value, known := all.Value(key); !known || value != want {
			t.Errorf("%s = %q, %v; want %s", key, value, known, want)
		}
	}
}
