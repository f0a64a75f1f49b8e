package rules

import (
	"fmt"
	"strings"
	"time"

	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/words"
)

// cliff is how much slower connect() has to be past one half to say so.
const cliff = 2

// connectCost: what connect() was measured to take on this kernel.
var connectCost = &Rule{
	Kind: finding.Kind{
		Code: "connect-cost", Title: "What connect() takes on this machine",
		Evidence: func(f *finding.Finding) string {
			v := f.Values
			steps, _ := v.Get("steps").([]costStep)
			var texts []string
			for _, step := range steps {
				took := time.Duration(step.Seconds * float64(time.Second))
				texts = append(texts, fmt.Sprintf("%s at %s", brief(took), words.Percent(step.Share)))
			}
			text := fmt.Sprintf("measured in a pool of %s, median: %s in use, %s for one that finds no port; "+
				"%.1f times as long past one half as below", words.Count(v.Int("ports"), "port"),
				strings.Join(texts, ", "), brief(v.Duration("failing")), v.Float("times_past_half"))
			if v.Get("remote") != nil {
				text += "; " + fullestText(f)
			}
			return text
		},
	},
	Machine: func(m *Machine) {
		cost := m.Now.Cost
		if cost == nil || len(cost.Steps) == 0 {
			return
		}
		var steps []costStep
		for _, step := range cost.Steps {
			steps = append(steps, costStep{step.Share, step.Took.Seconds()})
		}
		values := finding.Values{
			{Name: "ports", V: cost.Ports}, {Name: "steps", V: steps},
			{Name: "failing", V: cost.Failing}, {Name: "times_past_half", V: slower(cost)},
		}
		severity, subject := finding.Info, finding.Of("connect() on Linux "+m.Now.Kernel)
		if worst := m.fullest(); worst != nil {
			values = append(values, fullestValues(worst)...)
			if worst.Taken() >= judge.SlowRatio && slower(cost) >= cliff {
				severity = finding.Warning
			}
		}
		m.add(severity, subject, values, finding.Action{
			Step: finding.Today,
			Text: "keep every pool below one half: a wider range, more source addresses or destinations, " +
				"or fewer and longer connections",
		})
	},
}

// fullest is the pool with the largest share taken in all namespaces, nil where there is none.
func (m *Machine) fullest() *judge.Pool {
	var worst *judge.Pool
	for _, place := range m.places {
		if pool := place.fullest(); pool != nil && (worst == nil || pool.Taken() > worst.Taken()) {
			worst = pool
		}
	}
	return worst
}

// costStep is one step of the measurement as a value.
type costStep struct {
	Share   float64 `json:"share"`
	Seconds float64 `json:"seconds"`
}

// brief is the time of a system call.
func brief(d time.Duration) string { return d.Round(100 * time.Nanosecond).String() }

// slower is how many times longer connect() takes just past one half than below.
func slower(cost *host.ConnectCost) float64 {
	var below, past time.Duration
	for _, step := range cost.Steps {
		if step.Share < judge.SlowRatio {
			below = max(below, step.Took)
		} else if past == 0 {
			past = step.Took
		}
	}
	if below == 0 {
		return 0
	}
	return float64(past) / float64(below)
}
