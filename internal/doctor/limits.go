package doctor

import (
	"fmt"
	"math"
	"os"

	"portrange/internal/host"
	"portrange/internal/judge"
)

// Shares of a limit from which it is near, and from which it is as good as
// reached.
const (
	near   = 0.8
	atOnce = 0.95
)

// fill is the severity of a limit that is used so far; worth is false below near.
func fill(used, limit uint64) (severity judge.Severity, worth bool) {
	switch share := float64(used) / float64(limit); {
	case limit == 0 || limit == host.Unlimited:
		return judge.Info, false
	case share >= atOnce:
		return judge.Critical, true
	case share >= near:
		return judge.Warning, true
	}
	return judge.Info, false
}

func share(used, limit uint64) string {
	return fmt.Sprintf("%.0f %%", 100*float64(used)/float64(limit))
}

// processFiles looks at the file limit of the process with most ports.
func (c *chart) processFiles() {
	if c.Process == nil {
		return
	}
	f := c.Process.Files
	subject := c.Process.String()
	advice := "raise its limit: LimitNOFILE= in its systemd unit, --ulimit nofile= with docker, or nofile in limits.conf; then restart it"
	if severity, worth := fill(f.Open, f.Soft); worth {
		c.add(ProcessFiles, severity, subject,
			fmt.Sprintf("%d of %d files open (%s), and %d ports of the range in use: it runs out of files (EMFILE) before ports", f.Open, f.Soft, share(f.Open, f.Soft), c.Process.Ports),
			advice)
		return
	}
	if usable := uint64(c.verdict.Usable); f.Soft < usable && float64(f.Open) >= half*float64(f.Soft) {
		c.add(ProcessFiles, judge.Info, subject,
			fmt.Sprintf("%d of %d files open, while one destination alone has %d ports: files run out first", f.Open, f.Soft, usable), advice)
	}
}

// conntrack looks at the table of tracked connections.
func (c *chart) conntrack() {
	t := c.Conntrack
	if t == nil {
		return
	}
	subject := fmt.Sprintf("net.netfilter.nf_conntrack_max = %d", t.Max)
	if severity, worth := fill(t.Count, t.Max); worth {
		c.add(ConntrackNearFull, severity, subject,
			fmt.Sprintf("%d of %d entries (%s); when it is full, packets of new connections are dropped", t.Count, t.Max, share(t.Count, t.Max)),
			fmt.Sprintf("`sysctl -w net.netfilter.nf_conntrack_max=%d` on the host, and a shorter "+
				"net.netfilter.nf_conntrack_tcp_timeout_established than 5 days; or track less (notrack)", 2*t.Max))
	}
	if t.Dropped > 0 || t.InsertFailed > 0 {
		c.conntrackDrops(t)
	}
}

func (c *chart) conntrackDrops(t *host.Conntrack) {
	// The kernel counts a packet whose entry clashed as dropped too (__nf_conntrack_confirm).
	unentered := t.Dropped - min(t.Dropped, t.InsertFailed)
	severity := judge.Info // entries that clash are mostly two packets at once, of UDP
	if unentered > 0 {
		severity = judge.Warning
	}
	c.add(ConntrackDrops, severity, "/proc/net/stat/nf_conntrack",
		fmt.Sprintf("%d packets dropped for want of room in the table, %d because another entry had their ports; %d of %d entries in use now",
			unentered, t.InsertFailed, t.Count, t.Max),
		"for want of room: raise nf_conntrack_max. Another had their ports: source NAT has no port left towards that destination, or "+
			"two packets began a connection at once; more addresses in the rule, or `masquerade fully-random`, make that rare")
}

// examineMachine looks at what all namespaces share.
func examineMachine(f *Facts) []judge.Finding {
	var found []judge.Finding
	add := func(code string, severity judge.Severity, subject, evidence, advice string) {
		found = append(found, judge.Finding{Code: code, Severity: severity, Subject: subject, Evidence: evidence, Advice: advice})
	}
	if files := f.Machine.Files; files != nil {
		if severity, worth := fill(files.Allocated, files.Max); worth {
			add(MachineFiles, severity, fmt.Sprintf("fs.file-max = %d", files.Max),
				fmt.Sprintf("%d of %d open files of the whole machine (%s); then every open fails with ENFILE", files.Allocated, files.Max, share(files.Allocated, files.Max)),
				fmt.Sprintf("`sysctl -w fs.file-max=%d`; no single process may have more than fs.nr_open = %d", doubled(files.Max), files.PerProcess))
		}
	}
	if f.Machine.TCP != nil {
		examineTCP(f.Machine.TCP, add)
	}
	return found
}

func examineTCP(m *host.TCP, add func(code string, severity judge.Severity, subject, evidence, advice string)) {
	// tcp_too_many_orphans counts those of a busy peer two- or fourfold.
	if orphans := 2 * m.Orphans; m.MaxOrphans > 0 && orphans >= m.MaxOrphans {
		add(Orphans, judge.Warning, fmt.Sprintf("net.ipv4.tcp_max_orphans = %d", m.MaxOrphans),
			fmt.Sprintf("%d connections without a process; from a half of the limit on the kernel may reset them instead of closing them properly", m.Orphans),
			"find out who closes sockets with unsent data, or towards peers that do not answer (`portrange sockets --netns all --state fin-wait1,last-ack`); "+
				"lower net.ipv4.tcp_orphan_retries; raise tcp_max_orphans if the memory is there (up to 64 KiB each)")
	}
	switch page := uint64(os.Getpagesize()); {
	case m.MaxPages > 0 && m.Pages >= m.MaxPages:
		add(TCPMemory, judge.Critical, "net.ipv4.tcp_mem", memoryText(m, page, "above its maximum: new connections and data are refused"),
			"raise the third number of net.ipv4.tcp_mem, or lower the buffers (net.ipv4.tcp_rmem, tcp_wmem)")
	case m.PressurePages > 0 && m.Pages >= m.PressurePages:
		add(TCPMemory, judge.Warning, "net.ipv4.tcp_mem", memoryText(m, page, "under pressure: the kernel shrinks buffers"),
			"raise the second and third number of net.ipv4.tcp_mem, or lower the buffers (net.ipv4.tcp_rmem, tcp_wmem)")
	}
}

func memoryText(m *host.TCP, page uint64, state string) string {
	const mebi = 1 << 20
	return fmt.Sprintf("TCP sockets use %d MiB (%d pages; pressure from %d, maximum %d), which is %s", m.Pages*page/mebi, m.Pages, m.PressurePages, m.MaxPages, state)
}

func doubled(n uint64) uint64 {
	if n > math.MaxInt64/2 {
		return math.MaxInt64
	}
	return 2 * n
}
