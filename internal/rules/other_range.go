package rules

import (
	"fmt"

	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/port"
	"portrange/internal/words"
)

// otherRange: a namespace has another range than the host. One in which nothing
// has a socket, as that of a service with PrivateNetwork=, has no use for another.
var otherRange = &Rule{
	Kind: finding.Kind{
		Code: "other-range", Title: "A container or namespace with another range than the host",
		Causes: []string{"close-wait-leak"},
		// It explains a full pool where nothing else does, also no process alone.
		Weight: func(f *finding.Finding) int {
			if f.Subject.Remote == "" {
				return 0
			}
			return 1
		},
		Evidence: func(f *finding.Finding) string {
			v := f.Values
			text := fmt.Sprintf("it has %s (%s), the host %s (%s)", v.Text("range"), words.Count(v.Int("size"), "port"),
				v.Text("host_range"), words.Count(v.Int("host_size"), "port"))
			if v.Get("default") == true {
				text += "; a new namespace begins with the kernel's default, not with the host's value"
			}
			return text
		},
	},
	Needs: host.WantHost | host.WantSockets,
	Namespace: func(p *Place) {
		r, hosts := p.NS.Settings.Range, p.Now.HostRange
		if hosts == nil || *hosts == r || r == port.DefaultRange && len(p.NS.Usage.Locals) == 0 {
			return
		}
		severity, subject := finding.Info, finding.OfSetting(port.KeyRange, r.String())
		if p.busy() >= judge.SlowRatio && r.Size() < hosts.Size() {
			severity, subject = finding.Warning, withPool(subject, p.fullest())
		}
		p.add(severity, subject, finding.Values{
			{Name: "range", V: r.String()}, {Name: "size", V: r.Size()}, {Name: "default", V: r == port.DefaultRange},
			{Name: "host_range", V: hosts.String()}, {Name: "host_size", V: hosts.Size()},
		}, asTheHost(p, *hosts)...)
	},
}

// asTheHost are the ways to give the namespace the host's range. A range larger
// than that is taken for meant.
func asTheHost(p *Place, hosts port.Range) []finding.Action {
	wanted, text := hosts, "for good, set it where the namespace is started, as settings of the host do not reach it: "
	var actions []finding.Action
	if r := p.NS.Settings.Range; r.Size() >= hosts.Size() {
		wanted, text = r, "nothing to do if it is meant; settings of the host do not reach it, so it has to be set where it is started: "
	} else {
		actions = append(actions, setRange(p.NS, hosts, "", fullestWith(p, hosts)))
	}
	return append(actions, finding.Action{
		Step: finding.Today,
		Text: text + fmt.Sprintf("docker run --sysctl %s=\"%s\", in Kubernetes securityContext.sysctls of the pod", port.KeyRange, wanted),
	})
}
