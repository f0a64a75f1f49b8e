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
		exact              bool
	}{
		{DoubtNoRoute, 70, 100, 0, 70, false},
		{DoubtNoRoute, 0, 100, 0, 0, true},
		{DoubtSources, 70, 100, 1, 70, false},
		{DoubtSources, 0, 100, 0, 0, true},
		{DoubtConnectHooks, 70, 100, 0, 70, false},
		{DoubtConnectHooks, 30, 100, 0, 70, false},
		{DoubtConnectHooks, 0, 100, 0, 100, false},
		{DoubtConnectHooks, 0, 0, 0, 0, true},
		{DoubtPartial, 0, 100, 3, 3, false}, // whose bound nobody knows
	} {
		pool := Pool{Left: tt.left, Size: tt.size, ErrorBound: tt.before, Exact: true}
		local := LocalPool{Left: tt.left, Size: tt.size, ErrorBound: tt.before, Exact: true}
		pool.Add(tt.doubt)
		local.Add(tt.doubt)
		if pool.ErrorBound != tt.bound || pool.Exact != tt.exact || slices.Contains(pool.Doubts, tt.doubt) == tt.exact {
			t.Errorf("%+v: %+v", tt, pool)
		}
		if local.ErrorBound != tt.bound || local.Exact != tt.exact || slices.Contains(local.Doubts, tt.doubt) == tt.exact {
			t.Errorf("%+v: %+v", tt, local)
		}
	}
}
