package rules

import (
	"fmt"

	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/port"
	"portrange/internal/words"
)

// tcpMemory: TCP sockets use so much memory that the kernel takes some back.
var tcpMemory = &Rule{
	Kind: finding.Kind{
		Code: "tcp-memory", Title: "TCP sockets use too much memory",
		Evidence: func(f *finding.Finding) string {
			const mebi = 1 << 20
			v := f.Values
			state := "under pressure: the kernel shrinks buffers"
			if f.Severity == finding.Critical {
				state = "above its maximum: new connections and data are refused"
			}
			return fmt.Sprintf("TCP sockets use %s MiB (%s; pressure from %s, maximum %s), which is %s",
				words.Thousands(v.Int("bytes")/mebi), words.Count(v.Int("pages"), "page"),
				words.Thousands(v.Int("pressure_pages")), words.Thousands(v.Int("max_pages")), state)
		},
	},
	Needs: host.WantTCP,
	Machine: func(m *Machine) {
		t := m.Now.TCP
		if t == nil {
			return
		}
		severity, raise := finding.Warning, "raise the second and third number of "+port.KeyTCPMem
		switch {
		case t.MaxPages > 0 && t.Pages >= t.MaxPages:
			severity, raise = finding.Critical, "raise the third number of "+port.KeyTCPMem
		case t.PressurePages == 0 || t.Pages < t.PressurePages:
			return
		}
		values := finding.Values{
			{Name: "pages", V: t.Pages}, {Name: "bytes", V: t.Pages * t.PageSize},
			{Name: "pressure_pages", V: t.PressurePages}, {Name: "max_pages", V: t.MaxPages},
		}
		m.add(severity, finding.OfSetting(port.KeyTCPMem, ""), values, finding.Action{
			Step: finding.Today, Text: raise + ", or lower the buffers (net.ipv4.tcp_rmem, tcp_wmem)",
		})
	},
}
