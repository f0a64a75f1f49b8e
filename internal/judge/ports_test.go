package judge

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"portrange/internal/host"
	"portrange/internal/port"
)

func TestPoolCountsParities(t *testing.T) {
	ports := PlainPorts(port.Range{Low: 1001, High: 1010})
	for _, p := range []uint16{1001, 1003, 1006} {
		ports.Reserved.Add(p)
	}
	ports.BindHeld.AddRange(1005, 1006) // 1006 is both
	want := Count{Low: 1001, High: 1010, Size: 10, ReservedInRange: 3, BindHeld: 1, Usable: 6, Half: 2}
	if diff := cmp.Diff(want, ports.Count()); diff != "" {
		t.Errorf("pool (-want +got):\n%s", diff)
	}
	if got := ports.Withheld().String(); got != "1001,1003,1005-1006" {
		t.Errorf("withheld %s", got)
	}
}

// TestWidenCountsAsPool holds the counting while widening against counting anew.
func TestWidenCountsAsPool(t *testing.T) {
	ports := PlainPorts(port.Range{Low: 50001, High: 65000})
	ports.Reserved.AddRange(65100, 65133)
	ports.Reserved.AddRange(30000, 32767)
	ports.Listening.Add(20001)
	for _, usable := range []int{1, 15000, 15400, 20000, 40000, 61711, 61712} {
		var seen Count
		wider, found := ports.Widen(func(count Count) bool { seen = count; return count.Usable >= usable })
		if diff := cmp.Diff(wider.Count(), seen); diff != "" {
			t.Errorf("%d usable ports (-counted anew +counted along):\n%s", usable, diff)
		}
		if most := 64512 - 34 - 2768 - 1; found != (usable <= most) {
			t.Errorf("%d usable ports: found is %v, %d can be had", usable, found, most)
		}
		if wider.Range.SameParity() {
			t.Errorf("range %v has ends of the same parity", wider.Range)
		}
	}
}

func TestWiderIsOnlyWhatIsWider(t *testing.T) {
	for now, want := range map[port.Range]port.Range{
		port.DefaultRange:         {Low: 15000, High: 64001},
		{Low: 10000, High: 60000}: {Low: 10000, High: 64001},
		{Low: 10001, High: 60000}: {Low: 10001, High: 64002},
		{Low: 20000, High: 65535}: {Low: 15000, High: 65535},
		{Low: 20000, High: 65534}: {Low: 15000, High: 65535},
		{Low: 15001, High: 65535}: {Low: 15000, High: 65535},
	} {
		if got, wider := Wider(now); !wider || got != want {
			t.Errorf("%v: %v, wider %v; want %v", now, got, wider, want)
		}
	}
	for _, wide := range []port.Range{{Low: 1024, High: 65535}, {Low: 15000, High: 64001}, {Low: 1, High: 64001}} {
		if got, wider := Wider(wide); wider {
			t.Errorf("%v is wide, yet %v", wide, got)
		}
	}
}

func TestEvenOut(t *testing.T) {
	for r, want := range map[port.Range]port.Range{
		{Low: 15000, High: 64001}: {Low: 15000, High: 64001}, // of different parity already
		{Low: 15000, High: 64000}: {Low: 15000, High: 64001},
		{Low: 15001, High: 65535}: {Low: 15002, High: 65535},
		{Low: 1, High: 65535}:     {Low: 2, High: 65535},
		{Low: 40000, High: 40000}: {Low: 40000, High: 40000}, // one port has one parity
	} {
		if got := EvenOut(r); got != want {
			t.Errorf("%v: %v, want %v", r, got, want)
		}
	}
}

func TestPortsByWhoMayDraw(t *testing.T) {
	ns := box(socket("0.0.0.0:40010", "", listen), socket("10.0.0.2:40020", "10.0.0.5:80", bound), socket("0.0.0.0:80", "", listen))
	ports := PortsOf(ns)
	for name, tt := range map[string]struct{ got, want string }{
		"open":       {ports.Open().String(), "40000-40089"},
		"usable":     {ports.Usable().String(), "40000-40009,40011-40019,40021-40089"},
		"withheld":   {ports.Withheld().String(), "40010,40020,40090-40099"},
		"unreserved": {ports.Unreserved().String(), "40010"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %s, want %s", name, tt.got, tt.want)
		}
	}
	if under := PortsUnder(&host.Settings{Range: port.Range{Low: 1, High: 4}, Reserved: port.Range{Low: 2, High: 2}.Set()}); under.Usable().String() != "1,3-4" {
		t.Errorf("without sockets: %s", under.Usable())
	}
}
