package doctor

import (
	"fmt"
	"strings"
	"time"

	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/port"
)

// kernel gives advice that depends on what the running kernel can do, where a
// pool is past one half or ports are withheld.
func (c *chart) kernel() {
	if worst := c.fullest(); worst != nil && worst.Taken() >= half {
		c.search(worst)
	}
	c.sticky()
}

func (c *chart) search(worst *judge.Pool) {
	features := c.facts.Features
	if features.SocketRange == host.Yes && features.WholeSearch == host.Yes {
		c.add(WholeSearch, judge.Info, "Linux "+c.facts.Kernel,
			fmt.Sprintf("the kernel has IP_LOCAL_PORT_RANGE and then searches all ports alike (seen in its type information); %s", c.useText()),
			fmt.Sprintf("a program may get rid of the cliff at one half: setsockopt(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE (51), 0x%04x%04x) "+
				"before connect(), the range of the namespace", c.Now.Settings.Range.High, c.Now.Settings.Range.Low))
	}
	if features.RCULookup == host.No {
		c.add(LockedSearch, judge.Info, "Linux "+c.facts.Kernel,
			fmt.Sprintf("its connect() takes a lock for every port it passes over (struct inet_bind_bucket has no RCU head), "+
				"with %d of %d ports to %s taken", worst.Size-worst.Left, worst.Size, worst.Remote),
			"Linux 6.15 and later pass over taken ports without a lock; until then more room in the pool helps most")
	}
	if width := c.Now.Settings.StepWidth; c.HasStepWidth && width == 0 {
		c.add(StepWidth, judge.Info, "net.ipv4.ip_local_port_step_width = 0",
			"the kernel can search in steps of random width, but goes from port to port; "+c.useText(),
			c.sysctl(port.KeyStepWidth, 128)+" keeps a search from walking through a long run of taken ports")
	}
}

// sticky finds bind-held ports that stay so until their last connection goes,
// on a kernel that does not look again when the socket that had bound it goes.
func (c *chart) sticky() {
	if c.facts.Features.BucketRecalculation != host.No {
		return
	}
	held := c.Now.Usage.BindHeld.Clone()
	held.Intersect(c.open)
	held.Subtract(&c.Now.Usage.Listening)
	if held.Len() == 0 {
		return
	}
	c.add(StickyBuckets, judge.Info, "Linux "+c.facts.Kernel,
		fmt.Sprintf("%s of the range are bind-held without a listener, and no connect() may use them until every socket on them is gone", portsText(held)),
		"Linux 6.18 and later free such a port for connect() when the socket that had bound it goes; here only closing the rest helps, "+
			"and not binding before connect() (`portrange doctor --explain "+judge.BindBeforeConnect+"`)")
}

// cliff is how much slower connect() has to be past one half to say so.
const cliff = 2

// cost reports what connect() takes on this kernel.
func (c *chart) cost() {
	if c.Cost == nil || len(c.Cost.Steps) == 0 {
		return
	}
	var steps []string
	for _, step := range c.Cost.Steps {
		steps = append(steps, fmt.Sprintf("%s at %.0f %%", step.Took.Round(100*time.Nanosecond), 100*step.Share))
	}
	severity := judge.Info
	if c.busy() >= half && c.Cost.slower() >= cliff {
		severity = judge.Warning
	}
	c.add(ConnectCost, severity, "connect() on Linux "+c.facts.Kernel,
		fmt.Sprintf("measured in a pool of %d ports, median: %s in use, %s for one that finds no port; %.1f times as long past one half as below; %s",
			c.Cost.Ports, strings.Join(steps, ", "), c.Cost.Failing.Round(100*time.Nanosecond), c.Cost.slower(), c.useText()),
		"keep every pool below one half: a wider range, more source addresses or destinations, or fewer and longer connections")
}

// slower is how many times longer connect() takes just past one half than below.
func (c *Cost) slower() float64 {
	var below, past time.Duration
	for _, step := range c.Steps {
		if step.Share < half {
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
