package cli

import (
	"net/netip"
	"testing"

	"portrange/internal/collect"
	"portrange/internal/host"
	"portrange/internal/port"
)

// FuzzFilter: a filter given several times passes what any of its values passes, two
// kinds of filters what both pass, and none everything. An address passes itself.
func FuzzFilter(f *testing.F) {
	f.Add("estab", "LISTEN", "127.0.0.0/8", ":443", "nginx", "7", uint8(1), []byte{127, 0, 0, 1}, uint16(40000),
		uint16(443))
	f.Add("time-wait", "bucket", "[::1]:80", "*:1", "", "sh", uint8(6), []byte("0123456789abcdef"), uint16(1), uint16(0))
	f.Add("all", "x", "10.0.0.5", "::ffff:10.0.0.0/104", "-1", "0", uint8(13), []byte{10, 0, 0, 5}, uint16(65535),
		uint16(9))
	f.Fuzz(func(t *testing.T, s1, s2, e1, e2, p1, p2 string, state uint8, addr []byte, local, remote uint16) {
		row := &collect.Row{
			Range: port.Range{Low: 32768, High: 60999}, Processes: []host.Process{{PID: 7, Command: "nginx"}},
		}
		ip, ok := netip.AddrFromSlice(addr)
		if !ok {
			return
		}
		ip = ip.Unmap() // as every source does
		row.Socket.State = 1 + port.State(state)%port.State(port.States-1)
		row.Socket.Local = netip.AddrPortFrom(ip, local)
		if remote != 0 {
			row.Socket.Remote = netip.AddrPortFrom(ip, remote)
		}
		passes := func(states, locals, processes []string, inRange bool) (pass, valid bool) {
			flags := filterFlags{states: states, locals: locals, processes: processes, inRange: inRange}
			wanted, err := flags.compile(nil)
			return err == nil && wanted.pass(row), err == nil
		}
		expectUnion(t, "--state", s1, s2, func(v ...string) (bool, bool) { return passes(v, nil, nil, false) })
		expectUnion(t, "--local", e1, e2, func(v ...string) (bool, bool) { return passes(nil, v, nil, false) })
		expectUnion(t, "--process", p1, p2, func(v ...string) (bool, bool) { return passes(nil, nil, v, false) })
		byState, validState := passes([]string{s1}, nil, nil, false)
		byLocal, validLocal := passes(nil, []string{e1}, nil, false)
		if both, valid := passes([]string{s1}, []string{e1}, nil, false); valid != (validState && validLocal) ||
			valid && both != (byState && byLocal) {
			t.Errorf("--state %q passes %v, --local %q %v, both %v", s1, byState, e1, byLocal, both)
		}
		for _, own := range []string{ip.String(), row.Socket.Local.String()} {
			pass, valid := passes([]string{row.Socket.State.String()}, []string{own}, []string{"nginx"}, false)
			if !(pass && valid) && (local != 0 || own == ip.String()) {
				t.Errorf("--local %q does not pass %s: %v", own, row.Socket.Local, valid)
			}
		}
		if pass, _ := passes(nil, nil, nil, true); pass != row.Range.Contains(local) {
			t.Errorf("--in-range passes %d: %v", local, pass)
		}
	})
}

// expectUnion gives one flag two values. A value that stands for everything may be the
// other one, too.
func expectUnion(t *testing.T, flag, a, b string, passes func(...string) (bool, bool)) {
	t.Helper()
	passA, validA := passes(a)
	passB, validB := passes(b)
	pass, valid := passes(a, b)
	all := flag == "--state" && (squeeze(a) == "all" || squeeze(b) == "all")
	if !all && valid != (validA && validB) || valid && validA && validB && pass != (passA || passB) {
		t.Errorf("%s %q passes %v (%v), %q %v (%v), both %v (%v)", flag, a, passA, validA, b, passB, validB, pass, valid)
	}
}
