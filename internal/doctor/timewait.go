package doctor

import (
	"fmt"
	"time"

	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/port"
)

// worthWaiting is the share of a pool in TIME_WAIT from which it matters.
const worthWaiting = 0.1

// defaultReuseDelay is TCP_PAWS_WINDOW, from which tcp_tw_reuse_delay begins.
const defaultReuseDelay = time.Second

// waiting is how many ports of a pool are in TIME_WAIT.
func waiting(p *judge.Pool) int { return p.States[port.TimeWait.String()] }

// closeWait finds pools full of connections that only this side keeps open.
func (c *chart) closeWait() {
	for i := range c.verdict.Pools {
		p := &c.verdict.Pools[i]
		n := p.States[port.CloseWait.String()]
		if p.Size == 0 || float64(n)/float64(p.Size) < worthWaiting {
			continue
		}
		who := "the process that holds them"
		if len(p.Owners) > 0 {
			who = p.Owners[0].Process.String()
		}
		c.add(CloseWaitLeak, judge.Warning, p.Subject(),
			fmt.Sprintf("%d of %d ports in use are in CLOSE_WAIT: the other side has closed, this one has not", n, p.Used),
			fmt.Sprintf("no timeout ends this state: %s has to close its sockets, which a restart does once; then look for what "+
				"forgets to (an unread response body, an error path without close())", who))
	}
}

// timeWait finds pools that consist of TIME_WAIT to a good part.
func (c *chart) timeWait() {
	for i := range c.verdict.Pools {
		p := &c.verdict.Pools[i]
		n := waiting(p)
		if p.Size == 0 || float64(n)/float64(p.Size) < worthWaiting || 2*n < p.Used {
			continue
		}
		c.add(TimeWaitShare, judge.Info, p.Subject(),
			fmt.Sprintf("%d of %d ports in use are in TIME_WAIT (%.0f %%): this side closes first, and each port stays taken for 60 s", n, p.Used, 100*float64(n)/float64(p.Used)),
			"keep connections open and reuse them (HTTP keep-alive, a connection pool), or have the other side close first; "+
				"the 60 s are compiled in, no setting shortens them")
	}
}

// waitingPool is the pool with most ports in TIME_WAIT that passes the test, nil
// where none has enough of them to matter.
func (c *chart) waitingPool(test func(*judge.Pool) bool) *judge.Pool {
	var worst *judge.Pool
	for i := range c.verdict.Pools {
		p := &c.verdict.Pools[i]
		if float64(waiting(p)) >= worthWaiting*float64(p.Size) && test(p) && (worst == nil || waiting(p) > waiting(worst)) {
			worst = p
		}
	}
	return worst
}

// reuse tells what keeps tcp_tw_reuse from helping.
func (c *chart) reuse() {
	reuses := func(p *judge.Pool) bool { return judge.Reuses(&c.Now, p.Tuple) }
	if worst := c.waitingPool(func(p *judge.Pool) bool { return !reuses(p) }); worst != nil {
		c.reuseOff(worst)
	}
	if worst := c.waitingPool(reuses); worst != nil {
		c.reuseHindered(worst)
	}
}

func (c *chart) reuseOff(worst *judge.Pool) {
	mode := c.Now.Settings.TWReuse
	c.add(ReuseOff, severityAt(worst.Taken()), fmt.Sprintf("net.ipv4.tcp_tw_reuse = %d", mode),
		fmt.Sprintf("it leaves %d ports of %s in TIME_WAIT untouched (%s); %d of %d left", waiting(worst), worst.Subject(),
			reuseText(mode), worst.Left, worst.Size),
		c.sysctl(port.KeyTWReuse, 1)+" lets connect() take a port over a second after its last packet, if both ends use TCP "+
			"timestamps. Not across a NAT that shares one address between hosts with clocks of their own")
}

// reuseHindered tells of settings that keep reuse from a pool it is on for.
func (c *chart) reuseHindered(worst *judge.Pool) {
	settings := &c.Now.Settings
	if settings.Timestamps == 0 {
		c.add(TimestampsOff, severityAt(worst.Taken()), "net.ipv4.tcp_timestamps = 0",
			fmt.Sprintf("tcp_tw_reuse is %d, but without timestamps it does nothing: %d of the %d ports of %s in TIME_WAIT can be taken over",
				settings.TWReuse, worst.Reusable, waiting(worst), worst.Subject()),
			c.sysctl(port.KeyTimestamps, 1)+"; it holds for new connections")
	}
	if settings.TWReuseDelay > defaultReuseDelay {
		c.add(ReuseDelay, judge.Info, fmt.Sprintf("net.ipv4.tcp_tw_reuse_delay = %d", settings.TWReuseDelay.Milliseconds()),
			fmt.Sprintf("a port in TIME_WAIT may be taken over after %s instead of 1 s; of the %d of %s that is %d now",
				settings.TWReuseDelay, waiting(worst), worst.Subject(), worst.Reusable),
			c.sysctl(port.KeyTWReuseDelay, defaultReuseDelay.Milliseconds())+", unless something on the way needs it longer")
	}
}

func reuseText(mode int) string {
	if mode == 2 {
		return "2 is for loopback alone"
	}
	return "0 is off"
}

func severityAt(taken float64) judge.Severity {
	if taken >= half {
		return judge.Warning
	}
	return judge.Info
}

// usesBuckets reports whether a low limit of timewait sockets is more than what
// the kernel gives a machine with little memory that makes few of them.
func (c *chart) usesBuckets() bool {
	return float64(c.TimeWait.Sockets) >= worthWaiting*float64(c.maxBuckets()) || c.configured(port.KeyMaxTWBuckets) != ""
}

// buckets looks at the room for timewait sockets.
func (c *chart) buckets() {
	if c.TimeWait != nil {
		c.bucketsLow(c.TimeWait)
		c.bucketsOverflow(c.TimeWait)
	}
}

func (c *chart) bucketsLow(w *host.TimeWait) {
	severity, usable := judge.Info, uint64(c.verdict.Usable)
	switch {
	case float64(w.Sockets) >= near*float64(c.maxBuckets()):
		severity = judge.Warning
	case c.maxBuckets() >= usable || !c.usesBuckets():
		return
	}
	c.add(BucketsLow, severity, c.bucketsSubject(),
		fmt.Sprintf("%d timewait sockets now; one destination alone could leave %d", w.Sockets, usable),
		"when it is full the kernel skips TIME_WAIT: that frees ports, but late packets can then hit a new connection. "+
			c.moreBuckets())
}

func (c *chart) maxBuckets() uint64 { return uint64(c.Now.Settings.MaxTWBuckets) }

func (c *chart) bucketsSubject() string {
	return fmt.Sprintf("%s = %d", port.KeyMaxTWBuckets, c.maxBuckets())
}

func (c *chart) bucketsOverflow(w *host.TimeWait) {
	if w.Overflows == 0 {
		return
	}
	evidence := fmt.Sprintf("TCPTimeWaitOverflow is %d: so many connections were closed without TIME_WAIT since the namespace began", w.Overflows)
	severity := judge.Info
	if e := c.TimeWaitEarlier; e != nil && w.Overflows > e.Overflows {
		severity = judge.Warning
		evidence += fmt.Sprintf(", %d of them in the last %s", w.Overflows-e.Overflows, c.Elapsed.Round(time.Millisecond))
	}
	c.add(BucketsOverflow, severity, c.bucketsSubject(), evidence,
		"it hides that ports run out, and corrupts connections when a late packet fits. "+c.moreBuckets())
}

// moreBuckets is the command that makes room for timewait sockets.
func (c *chart) moreBuckets() string {
	return c.sysctl(port.KeyMaxTWBuckets, max(262144, 2*c.maxBuckets()))
}

// defaultFinTimeout is TCP_FIN_TIMEOUT, in seconds.
const defaultFinTimeout = 60

func (c *chart) finTimeout() int { return int(c.Now.Settings.FinTimeout / time.Second) }

// cures finds settings that are thought to shorten TIME_WAIT, and do not.
func (c *chart) cures() {
	if line := c.configured(port.KeyTWRecycle); line != "" {
		c.add(CureRecycle, judge.Warning, port.KeyTWRecycle,
			"set in "+line+"; Linux has had no such setting since 4.12",
			"remove the line: it broke clients behind NAT while it existed. tcp_tw_reuse is what helps outgoing connections")
	}
	if c.TimeWait == nil || c.finTimeout() >= defaultFinTimeout {
		return
	}
	evidence := fmt.Sprintf("it is %d s instead of %d s, and has no part in TIME_WAIT, which lasts 60 s all the same: %d sockets are in it",
		c.finTimeout(), defaultFinTimeout, c.TimeWait.Sockets)
	if line := c.configured(port.KeyFinTimeout); line != "" {
		evidence += "; set in " + line
	}
	c.add(CureFinTimeout, judge.Info, fmt.Sprintf("%s = %d", port.KeyFinTimeout, c.finTimeout()), evidence,
		"it bounds FIN_WAIT_2 of connections that their process has closed; if it was meant against TIME_WAIT, drop it and see `portrange doctor --explain "+TimeWaitShare+"`")
}
