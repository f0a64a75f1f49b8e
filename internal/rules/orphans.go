package rules

import (
	"strconv"

	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/port"
	"portrange/internal/words"
)

// orphans: the kernel may soon reset connections that no process holds.
var orphans = &Rule{
	Kind: finding.Kind{
		Code: "orphans", Title: "Many connections without a process",
		Evidence: func(f *finding.Finding) string {
			return words.Count(f.Values.Int("used"), "connection") + " without a process; from a half of the limit, " +
				words.Thousands(f.Values.Int("limit")) + ", on the kernel may reset them instead of closing them properly"
		},
	},
	Needs: host.WantTCP,
	Machine: func(m *Machine) {
		// tcp_too_many_orphans counts those of a busy peer two- or fourfold.
		t := m.Now.TCP
		if t == nil || t.MaxOrphans == 0 || 2*t.Orphans < t.MaxOrphans {
			return
		}
		subject := finding.OfSetting(port.KeyMaxOrphans, strconv.FormatUint(t.MaxOrphans, 10))
		m.add(finding.Warning, subject, limitValues(t.Orphans, t.MaxOrphans),
			finding.Action{
				Step:    finding.Now,
				Command: finding.Portrange("", "sockets", "--netns", "all", "--state", "fin-wait1,last-ack"),
				Text:    "find out who closes sockets with unsent data, or towards peers that do not answer",
			},
			finding.Action{
				Step: finding.Today,
				Text: "lower net.ipv4.tcp_orphan_retries; raise " + port.KeyMaxOrphans + " if the memory is there (up to 64 KiB each)",
			})
	},
}
