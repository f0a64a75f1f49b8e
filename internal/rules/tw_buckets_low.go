package rules

import (
	"fmt"
	"strconv"

	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/port"
	"portrange/internal/words"
)

// bucketsNear is the share of the room for timewait sockets from which it is short.
const bucketsNear = 0.8

// twBucketsLow: there is too little room for timewait sockets.
var twBucketsLow = &Rule{
	Kind: finding.Kind{
		Code: "tw-buckets-low", Title: "Too little room for TIME_WAIT sockets",
		Evidence: func(f *finding.Finding) string {
			return fmt.Sprintf("%s now; one destination alone could leave %s",
				words.Count(f.Values.Int("sockets"), "timewait socket"), words.Thousands(f.Values.Int("usable")))
		},
	},
	Needs: host.WantSockets | host.WantTCP,
	Namespace: func(p *Place) {
		if p.NS.TimeWait == nil {
			return
		}
		room, sockets := p.NS.Settings.MaxTWBuckets, p.NS.TimeWait.Sockets
		severity := finding.Info
		// The kernel gives a machine with little memory a low limit, which is no
		// matter where few sockets come into TIME_WAIT.
		matters := float64(sockets) >= worthWaiting*float64(room) || len(configured(p, port.KeyMaxTWBuckets)) > 0
		switch {
		case float64(sockets) >= bucketsNear*float64(room):
			severity = finding.Warning
		case room >= p.Verdict.Usable || !matters:
			return
		}
		p.add(severity, settingOf(p, port.KeyMaxTWBuckets, nil), finding.Values{
			{Name: "sockets", V: sockets}, {Name: "max", V: room}, {Name: "usable", V: p.Verdict.Usable},
		}, moreBuckets(p, "when it is full the kernel skips TIME_WAIT: that frees ports, "+
			"but late packets can then hit a new connection"))
	},
}

// defaultTWBuckets is what the kernel gives a machine with enough memory.
const defaultTWBuckets = 262144

// moreBuckets is the action that makes room for timewait sockets.
func moreBuckets(p *Place, why string) finding.Action {
	room := strconv.Itoa(max(defaultTWBuckets, 2*p.NS.Settings.MaxTWBuckets))
	return finding.Action{Step: finding.Now, Command: sysctl(p.NS, port.KeyMaxTWBuckets+"="+room), Text: why}
}
