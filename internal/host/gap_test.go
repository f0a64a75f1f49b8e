package host

import (
	"errors"
	"slices"
	"sync"
	"testing"
)

func TestGapsKeepEachOnce(t *testing.T) {
	var g Gaps
	why := errors.New("permission denied")
	g.Missing(PartOwners, 0, nil)
	g.Missing(PartOwners, 0, why)
	g.Missing(PartOwners, 0, why)
	g.MissingObject(PartUnits, "units in /etc", 7, why)
	g.MissingObject(PartUnits, "units in /etc", 7, nil)
	g.AddOf(8, Gap{Part: PartNAT, Why: "no"})
	want := []Gap{
		{Part: PartOwners, Why: "permission denied"},
		{Part: PartUnits, Object: "units in /etc", NetNS: 7, Why: "permission denied"},
		{Part: PartNAT, NetNS: 8, Why: "no"},
	}
	if got := g.List(); !slices.Equal(got, want) {
		t.Errorf("gaps %+v", got)
	}
	if got := want[0].What() + ", " + want[1].What(); got != "owners, units in /etc" {
		t.Errorf("they are called %s", got)
	}
}

func TestGapsOfSeveralAtOnce(t *testing.T) {
	var g Gaps
	var all sync.WaitGroup
	for i := range uint64(8) {
		all.Go(func() { g.Missing(PartSockets, i, errors.New("broken")) })
	}
	all.Wait()
	if n := len(g.List()); n != 8 {
		t.Errorf("%d gaps of 8", n)
	}
	(*Gaps)(nil).Missing(PartSockets, 1, errors.New("nobody asks"))
}

func TestDistinctGaps(t *testing.T) {
	a, b := Gap{Part: PartOwners, Why: "1 of 3"}, Gap{Part: PartOwners, Why: "no", NetNS: 7}
	again := Gap{Part: PartOwners, Why: "2 of 4"}
	if got := Distinct([]Gap{a, b, again}); !slices.Equal(got, []Gap{a, b}) {
		t.Errorf("gaps %+v", got)
	}
}
