package judge

import (
	"testing"

	"portrange/internal/host"
	"portrange/internal/port"
)

func TestCompare(t *testing.T) {
	usage := func(open, waiting string) *host.TupleUsage {
		u := &host.TupleUsage{}
		for state, list := range map[port.State]string{port.Established: open, port.TimeWait: waiting} {
			set, err := port.ParseSet(list)
			if err != nil {
				t.Fatal(err)
			}
			ports := host.StatePorts{State: state}
			for p := range set.All() {
				ports.Ports.Add(p)
			}
			u.States = append(u.States, ports)
		}
		return u
	}
	for name, tt := range map[string]struct {
		before, now *host.TupleUsage
		want        Turnover
	}{
		"nothing was, nothing is":     {nil, nil, Turnover{}},
		"all stay":                    {usage("1-3", "4"), usage("1-3", "4"), Turnover{}},
		"opened":                      {usage("1", ""), usage("1-3", ""), Turnover{Opened: 2}},
		"closed here":                 {usage("1-3", ""), usage("1", "2-3"), Turnover{ClosedHere: 2}},
		"closed by the other side":    {usage("1-3", ""), usage("1", ""), Turnover{ClosedAway: 2}},
		"opened and closed meanwhile": {nil, usage("", "1-2"), Turnover{Opened: 2, ClosedHere: 2}},
		"taken over from TIME_WAIT":   {usage("", "1-2"), usage("1-2", ""), Turnover{Opened: 2}},
		"TIME_WAIT ran out":           {usage("", "1-2"), nil, Turnover{}},
		"outside of the range":        {usage("1", ""), usage("1,50", "60"), Turnover{}},
	} {
		if got := Compare(tt.before, tt.now, port.Range{Low: 1, High: 9}.Set()); got != tt.want {
			t.Errorf("%s: %+v, want %+v", name, got, tt.want)
		}
	}
}
