package doctor

import (
	"fmt"

	"portrange/internal/judge"
	"portrange/internal/port"
)

// Shares of the fullest pool from which a small range is worth a word, and from
// which it hurts: connect() slows down past one half.
const (
	useful = 0.25
	half   = judge.SlowRatio
)

// rangeSize compares the range with the kernel's default.
func (c *chart) rangeSize() {
	r, standard := c.Now.Settings.Range, port.DefaultRange
	subject := fmt.Sprintf("%s = %s", port.KeyRange, r)
	switch {
	case r.Size() < standard.Size():
		severity := judge.Info
		if c.busy() >= useful {
			severity = judge.Warning
		}
		c.add(RangeNarrow, severity, subject,
			fmt.Sprintf("%d ports, %d fewer than the kernel's default of %d; %s", r.Size(), standard.Size()-r.Size(), standard.Size(), c.useText()),
			fmt.Sprintf("unless a firewall wants it so: `portrange set %d %d%s --reserve`", standard.Low, standard.High, c.flag()))
	case r == standard && c.busy() >= useful:
		severity := judge.Info
		if c.busy() >= half {
			severity = judge.Warning
		}
		c.add(RangeDefaultBusy, severity, subject,
			fmt.Sprintf("the kernel's default of %d ports under heavy use: %s", r.Size(), c.useText()),
			fmt.Sprintf("%s; with --dry-run it shows what that would bring and break", judge.Widen(&c.Now)))
	}
}

// flag is the --netns of a command about this namespace.
func (c *chart) flag() string { return judge.Flag(c.Now.Ref) }

// sysctl is the command that changes a setting of this namespace for now.
func (c *chart) sysctl(key string, value any) string {
	return judge.Sysctl(&c.Now, key, fmt.Sprint(value))
}

// forGood is flag with --persist, where files decide about the namespace.
func (c *chart) forGood() string {
	if c.Boot == nil {
		return c.flag()
	}
	return c.flag() + " --persist"
}

func (c *chart) useText() string {
	worst := c.fullest()
	if worst == nil {
		return "no connection uses a port of it"
	}
	return fmt.Sprintf("the fullest pool, %s, has %d of %d left", worst.Subject(), worst.Left, worst.Size)
}

func (c *chart) parity() {
	r := c.Now.Settings.Range
	if !r.SameParity() {
		return
	}
	better := port.Range{Low: r.Low, High: r.High - 1}
	if r.High < 65535 {
		better.High = r.High + 1
	}
	c.add(SameParity, judge.Info, fmt.Sprintf("%s = %s", port.KeyRange, r),
		fmt.Sprintf("both ends are odd or both even, %d ports: the kernel searches an even number of ports at a time, "+
			"and a search can miss one", r.Size()),
		fmt.Sprintf("`portrange set %d %d%s`", better.Low, better.High, c.flag()))
}

// otherRange compares a namespace with the host's. One in which nothing has a
// socket, as that of a service with PrivateNetwork=, has no use for another.
func (c *chart) otherRange() {
	r := c.Now.Settings.Range
	if c.Host == nil || *c.Host == r || r == port.DefaultRange && c.empty() {
		return
	}
	severity := judge.Info
	if c.busy() >= half && r.Size() < c.Host.Size() {
		severity = judge.Warning
	}
	evidence := fmt.Sprintf("it has %s (%d ports), the host %s (%d ports)", r, r.Size(), *c.Host, c.Host.Size())
	if r == port.DefaultRange {
		evidence += "; a new namespace begins with the kernel's default, not with the host's value"
	}
	c.add(OtherRange, severity, "network namespace "+c.Now.Name, evidence, c.otherRangeAdvice())
}

// empty reports whether no socket has a port.
func (c *chart) empty() bool {
	tally := c.Now.Usage
	return len(tally.Tuples) == 0 && len(tally.Locals) == 0 && tally.Listening.Len() == 0
}

// otherRangeAdvice takes a range larger than the host's for meant.
func (c *chart) otherRangeAdvice() string {
	wanted, text := *c.Host, fmt.Sprintf("settings of the host do not reach it: `portrange set %d %d%s` for now, and for good where it is started: ",
		c.Host.Low, c.Host.High, c.flag())
	if r := c.Now.Settings.Range; r.Size() >= c.Host.Size() {
		wanted, text = r, "nothing to do if it is meant; settings of the host do not reach it, so it has to be set where it is started: "
	}
	return text + fmt.Sprintf("`docker run --sysctl net.ipv4.ip_local_port_range=\"%d %d\"`, in Kubernetes securityContext.sysctls of the pod",
		wanted.Low, wanted.High)
}
