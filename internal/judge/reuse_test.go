package judge

import (
	"net/netip"
	"testing"
	"time"

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
