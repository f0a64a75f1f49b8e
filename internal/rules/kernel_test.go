package rules

import (
	"testing"
	"time"

	"portrange/internal/finding"
	"portrange/internal/host"
)

func (p *patient) on(f host.Features) *patient {
	p.Now.Features = f
	return p
}

func (p *patient) probed(steps ...host.CostStep) *patient {
	p.Now.Cost = &host.ConnectCost{Ports: 4000, Failing: 500 * time.Microsecond, Steps: steps}
	return p
}

func kernelSymptoms() map[string]symptom {
	modern := host.Features{SocketRange: host.Yes, WholeSearch: host.Yes, RCULookup: host.Yes, BucketRecalculation: host.Yes}
	old := host.Features{SocketRange: host.No, WholeSearch: host.No, RCULookup: host.No, BucketRecalculation: host.No}
	stepping := func(width, sockets int) *patient {
		return healthy().set(func(s *host.Settings) { s.StepWidth, s.HasStepWidth = width, true }).with(clients(sockets)...)
	}
	steps := []host.CostStep{{Share: 0.1, Took: 15 * time.Microsecond}, {Share: 0.45, Took: 15 * time.Microsecond}, {Share: 0.55, Took: 233 * time.Microsecond}}
	return map[string]symptom{
		"whole-search": {
			healthy().with(clients(50)...).on(modern), healthy().with(clients(49)...).on(modern), finding.Info, []string{"IP_LOCAL_PORT_RANGE", "50 of 100 left"}},
		"locked-search": {
			healthy().with(clients(50)...).on(old), healthy().with(clients(49)...).on(old), finding.Info, []string{"50 of 100 ports to 10.0.0.5:80 taken"}},
		"sticky-buckets": {
			healthy().with(clients(5, binds)...).on(old), healthy().with(listening(40000, 5)...).on(old), finding.Info, []string{"5 ports (40000-40004)"}},
		"step-width": {stepping(0, 50), stepping(0, 49), finding.Info, []string{"50 of 100 left"}},
		"connect-cost": {
			healthy().with(clients(50)...).probed(steps...), healthy().with(clients(50)...), finding.Warning,
			[]string{"4,000 ports", "15µs at 10.0%", "233µs at 55.0%", "500µs for one", "15.5 times", "50 of 100 left"}},
	}
}

func TestModernKernelsNeedNoAdvice(t *testing.T) {
	p := healthy().set(func(s *host.Settings) { s.StepWidth, s.HasStepWidth = 128, true }).
		with(append(clients(60), crowd(40070, 5, "10.0.0.2", "10.0.0.5:80", binds)...)...).
		on(host.Features{SocketRange: host.Yes, WholeSearch: host.No, RCULookup: host.Yes, BucketRecalculation: host.Yes})
	checkNone(t, p, "whole-search", "locked-search", "sticky-buckets", "step-width")
	checkNone(t, p.on(host.Features{WholeSearch: host.Yes}), "whole-search") // without the option there is no use in it
}

func TestUnknownFeaturesMakeNoFinding(t *testing.T) {
	p := healthy().with(append(clients(60), crowd(40070, 5, "10.0.0.2", "10.0.0.5:80", binds)...)...)
	checkNone(t, p, "whole-search", "locked-search", "sticky-buckets", "step-width")
}

func checkNone(t *testing.T, p *patient, codes ...string) {
	t.Helper()
	for _, code := range codes {
		if found := find(examine(p), code); len(found) > 0 {
			t.Errorf("%s: %q", code, found[0].Evidence())
		}
	}
}

// TestConnectCostOnItsEdges: it is a warning where connect() is twice as slow
// past one half and a pool is there.
func TestConnectCostOnItsEdges(t *testing.T) {
	below, twice := host.CostStep{Share: 0.49, Took: 10 * time.Microsecond}, host.CostStep{Share: 0.5, Took: 20 * time.Microsecond}
	less := host.CostStep{Share: 0.5, Took: 19 * time.Microsecond}
	for name, tt := range map[string]struct {
		sockets int
		steps   []host.CostStep
		want    finding.Severity
	}{
		"twice as slow":      {50, []host.CostStep{below, twice}, finding.Warning},
		"not twice as slow":  {50, []host.CostStep{below, less}, finding.Info},
		"no pool is there":   {49, []host.CostStep{below, twice}, finding.Info},
		"nothing in use":     {0, []host.CostStep{below, twice}, finding.Info},
		"slower than most":   {50, []host.CostStep{{Share: 0.1, Took: 20 * time.Microsecond}, below, twice}, finding.Info},
		"twice right behind": {50, []host.CostStep{below, twice, {Share: 0.9, Took: 10 * time.Microsecond}}, finding.Warning},
		"nothing below half": {50, []host.CostStep{twice}, finding.Info},
	} {
		found := find(examine(healthy().with(clients(tt.sockets)...).probed(tt.steps...)), "connect-cost")
		if len(found) != 1 || found[0].Severity != tt.want {
			t.Errorf("%s: %+v, want %s", name, found, tt.want)
		}
	}
	if found := find(examine(healthy().probed()), "connect-cost"); len(found) > 0 {
		t.Errorf("without a step: %+v", found)
	}
}
