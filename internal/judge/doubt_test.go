package judge

import (
	"slices"
	"testing"
)

// TestDoubtsAboutTheWay: what is doubtful of the asker or its way says by how much it
// may be, and where that is nothing the number stays exact.
func TestDoubtsAboutTheWay(t *testing.T) {
	for _, tt := range []struct {
		doubt              Doubt
		left, size, before int
		bound              int
		fewer              bool // only
		exact              bool
	}{
		{DoubtNoRoute, 70, 100, 0, 70, true, false},
		{DoubtNoRoute, 0, 100, 0, 0, false, true},
		{DoubtSources, 70, 100, 1, 70, true, false},
		{DoubtSources, 0, 100, 0, 0, false, true},
		{DoubtConnectHooks, 70, 100, 0, 70, false, false},
		{DoubtConnectHooks, 30, 100, 0, 70, false, false},
		{DoubtConnectHooks, 0, 100, 0, 100, false, false},
		{DoubtConnectHooks, 0, 0, 0, 0, false, true},
		{DoubtRules, 30, 100, 0, 70, false, false},
		{DoubtPartial, 0, 100, 3, 3, false, false}, // whose bound nobody knows
	} {
		pool := Pool{Left: tt.left, Size: tt.size, ErrorBound: tt.before, Exact: true}
		local := LocalPool{Left: tt.left, Size: tt.size, ErrorBound: tt.before, Exact: true}
		pool.Add(tt.doubt)
		local.Add(tt.doubt)
		if pool.ErrorBound != tt.bound || pool.OnlyFewer != tt.fewer || pool.Exact != tt.exact || slices.Contains(pool.Doubts, tt.doubt) == tt.exact {
			t.Errorf("%+v: %+v", tt, pool)
		}
		if local.ErrorBound != tt.bound || local.OnlyFewer != tt.fewer || local.Exact != tt.exact || slices.Contains(local.Doubts, tt.doubt) == tt.exact {
			t.Errorf("%+v: %+v", tt, local)
		}
	}
}
