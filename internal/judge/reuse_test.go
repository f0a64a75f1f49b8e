package judge

import (
	"net/netip"
	"testing"
	"time"

	"portrange/internal/host"
	"portrange/internal/port"
)

func TestOnLoopback(t *testing.T) {
	far, near := netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("127.0.0.1")
	for name, tt := range map[string]struct {
		tuple port.Tuple
		want  bool
	}{
		"neither":        {port.Tuple{Local: far, Remote: netip.AddrPortFrom(far, 80)}, false},
		"local address":  {port.Tuple{Local: near, Remote: netip.AddrPortFrom(far, 80)}, true},
		"remote address": {port.Tuple{Local: far, Remote: netip.AddrPortFrom(near, 80)}, true},
		"bound to lo":    {port.Tuple{Local: far, Remote: netip.AddrPortFrom(far, 80), Device: 1}, true},
		"bound to eth0":  {port.Tuple{Local: far, Remote: netip.AddrPortFrom(far, 80), Device: 2}, false},
		"IPv6":           {port.Tuple{Local: netip.IPv6Loopback(), Remote: netip.AddrPortFrom(netip.IPv6Loopback(), 80)}, true},
	} {
		if got := OnLoopback(tt.tuple); got != tt.want {
			t.Errorf("%s: on loopback %v", name, got)
		}
	}
}

func TestReuse(t *testing.T) {
	for name, tt := range map[string]struct {
		reuse          Reuse
		loopback       bool
		applies, lasts bool
		kept           time.Duration
	}{
		"off":                           {Reuse{ReuseOff, time.Second, true}, true, false, false, time.Minute},
		"on":                            {Reuse{ReuseOn, time.Second, true}, false, true, true, time.Second},
		"on, without timestamps":        {Reuse{ReuseOn, time.Second, false}, false, true, false, time.Minute},
		"on loopback, far":              {Reuse{ReuseLoopback, time.Second, true}, false, false, false, time.Minute},
		"on loopback, near":             {Reuse{ReuseLoopback, time.Second, true}, true, true, true, time.Second},
		"no delay":                      {Reuse{ReuseOn, 0, true}, false, true, true, time.Millisecond},
		"a delay longer than TIME_WAIT": {Reuse{ReuseOn, time.Hour, true}, false, true, true, time.Minute},
	} {
		if got := tt.reuse.Applies(tt.loopback); got != tt.applies {
			t.Errorf("%s: applies %v", name, got)
		}
		if got := tt.reuse.Lasts(tt.loopback); got != tt.lasts {
			t.Errorf("%s: lasts %v", name, got)
		}
		if got := tt.reuse.Kept(tt.loopback); got != tt.kept {
			t.Errorf("%s: kept for %v, want %v", name, got, tt.kept)
		}
	}
}

func TestStamps(t *testing.T) {
	waits := func(s *port.Socket) { s.State, s.Mini = port.TimeWait, true }
	stamped := func(s *port.Socket) { s.Stamped = true }
	quiet := func(s *port.Socket) { s.Quiet = 2 * time.Second }
	blind := func(s *port.Socket) { s.Hold = port.HoldUnknown }
	tuple := socket("10.0.0.2:40000", "10.0.0.5:80").Tuple()
	for name, tt := range map[string]struct {
		sockets []*port.Socket
		want    host.Answer
	}{
		"no socket":             {nil, host.Unknown},
		"none in TIME_WAIT":     {crowd(3, "10.0.0.5:80"), host.Unknown},
		"none had them":         {crowd(3, "10.0.0.5:80", waits), host.No},
		"all had them":          {crowd(3, "10.0.0.5:80", waits, stamped), host.Yes},
		"quiet for long enough": {crowd(3, "10.0.0.5:80", waits, stamped, quiet), host.Yes},
		"one of two had them": {
			append(crowd(1, "10.0.0.5:80", waits), socket("10.0.0.2:40001", "10.0.0.5:80", waits, stamped)), host.Yes},
		"the source cannot tell":           {crowd(3, "10.0.0.5:80", waits, blind), host.Unknown},
		"one cannot be told from the rest": {append(crowd(2, "10.0.0.5:80", waits), socket("10.0.0.2:40002", "10.0.0.5:80", blind)), host.Unknown},
		"others had them":                  {crowd(3, "10.0.0.6:80", waits, stamped), host.Unknown},
	} {
		if got := Stamps(box(tt.sockets...), tuple); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
		ns, kept := box(tt.sockets...), time.Second
		ns.Settings.TWReuse, ns.Settings.Timestamps = ReuseOn, 1
		if tt.want == host.No {
			kept = time.Minute
		}
		if got := Kept(ns, tuple); got != kept {
			t.Errorf("%s: kept for %v under reuse, want %v", name, got, kept)
		}
	}
}
