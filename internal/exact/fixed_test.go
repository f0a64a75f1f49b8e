package exact

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"portrange/internal/nettest"
	"portrange/internal/port"
)

// fixedRange is the range of a scenario that is not random.
var fixedRange = port.Range{Low: 40000, High: 40099}

// expectGrants holds what each witness says of the connections from one address to
// another against what the kernel grants, from least to most.
func expectGrants(t *testing.T, h *nettest.Host, from netip.Addr, to netip.AddrPort, least, most int, dial nettest.Dial) {
	t.Helper()
	expectAnswer(t, h, least, most, question{
		name: "connect " + to.String(), dial: dial, refusal: unix.EADDRNOTAVAIL,
		args: []string{"--local", from.String(), to.String()},
	})
}

// expectAnswer is expectGrants for any question. Who sees the bind buckets has to be
// certain.
func expectAnswer(t *testing.T, h *nettest.Host, least, most int, q question) {
	t.Helper()
	p, err := newProof(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := p.close(); err != nil {
			t.Error(err)
		}
	}()
	sc := &scenario{Namespace: h.Namespace, low: fixedRange.Low, high: fixedRange.High}
	said, err := sc.answers(t.Context(), p.witnesses, q)
	if err != nil {
		t.Fatal(err)
	}
	granted, err := q.exhaust(sc.enough())
	if err != nil {
		t.Fatal(err)
	}
	if granted < least || granted > most {
		t.Errorf("the kernel granted %d, the scenario was made for %d to %d", granted, least, most)
	}
	if err := sc.compare(p.witnesses, q, said, granted); err != nil {
		t.Error(err)
	}
	for i, a := range said {
		t.Logf("%s: %+v, granted %d", p.witnesses[i].name, a, granted)
		if p.witnesses[i].name != "netlink" && !a.exact {
			t.Errorf("through %s: said %+v, and the kernel shows all that it takes", p.witnesses[i].name, a)
		}
	}
}
