package doctor

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"portrange/internal/judge"
	"portrange/internal/port"
)

// ratesShown is how many pools with new connections are worth a line.
const ratesShown = 10

// A pool that fills is worth a warning this long before the wall.
const (
	wallSoon = 10 * time.Minute
	wallNow  = time.Minute
)

// nearCeiling is the share of the highest rate from which it is close.
const nearCeiling = 0.85

// rates tells, of the pools with most new connections, how fast they come.
func (c *chart) rates() {
	if c.Earlier == nil {
		return
	}
	rates := judge.Rates(c.Earlier, &c.Now, c.Elapsed)
	slices.SortStableFunc(rates, func(a, b judge.Rate) int { return cmp.Compare(b.PerSecond, a.PerSecond) })
	for i := range rates {
		if i < ratesShown || rates[i].Closeness() >= nearCeiling {
			c.rate(&rates[i])
		}
		c.filling(&rates[i])
	}
}

func (c *chart) rate(r *judge.Rate) {
	evidence := fmt.Sprintf("at least %.1f new connections a second over %s", r.PerSecond, c.Elapsed.Round(time.Millisecond))
	severity, advice := judge.Info, "nothing to do; `portrange plan"+c.flag()+" --rate` tells what a higher rate needs"
	if r.Ceiling > 0 {
		evidence += fmt.Sprintf("; TIME_WAIT allows %.0f a second (%d ports, each kept %s), so the rate is at %.0f %% of its ceiling",
			r.Ceiling, r.Pool.Size, r.Kept, r.Closeness()*100)
		if r.Closeness() >= nearCeiling {
			severity = judge.Warning
			advice = "keep connections open and reuse them; or let the other side close first; or " + c.sysctl(port.KeyTWReuse, 1) +
				"; or give the pool more ports (`portrange plan" + c.flag() + "` compares)"
		}
	}
	if waiting(&r.Pool) > 0 && r.Settled > float64(waiting(&r.Pool)) && r.Closeness() < 1 {
		evidence += fmt.Sprintf("; TIME_WAIT grows to about %.0f ports and no further", r.Settled)
	}
	if r.ToWall > 0 {
		evidence += fmt.Sprintf("; %d ports left, at this pace for %s", r.Pool.Left, span(r.ToWall))
	}
	c.add(ConnectionRate, severity, r.Pool.Subject(), evidence, advice)
}

func (c *chart) filling(r *judge.Rate) {
	if r.ToWall == 0 || r.ToWall > wallSoon || r.Pool.Left == 0 {
		return
	}
	severity := judge.Warning
	if r.ToWall <= wallNow {
		severity = judge.Critical
	}
	c.add(PoolFilling, severity, r.Pool.Subject(),
		fmt.Sprintf("%.1f ports a second more in use than given back over %s; %d of %d left, which lasts %s",
			r.Growth, c.Elapsed.Round(time.Millisecond), r.Pool.Left, r.Pool.Size, span(r.ToWall)),
		"find out why connections are not closed or reused ("+c.show()+" names the processes)"+c.orWiden())
}

// show is the command that shows the pools of the namespace.
func (c *chart) show() string { return "`portrange show" + c.flag() + "`" }

// orWiden is the advice to widen the range, where that is possible.
func (c *chart) orWiden() string {
	if widen := judge.Widen(&c.Now); widen != "" {
		return ", and widen the range: " + widen
	}
	return ""
}

// span is a duration as people say it.
func span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%.0f min", d.Minutes())
	case d < 48*time.Hour:
		return fmt.Sprintf("%.1f h", d.Hours())
	}
	return fmt.Sprintf("%.0f days", d.Hours()/24)
}
