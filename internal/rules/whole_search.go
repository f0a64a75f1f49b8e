package rules

import (
	"fmt"

	"portrange/internal/finding"
	"portrange/internal/host"
)

// wholeSearch: a program could get rid of the cliff at one half.
var wholeSearch = &Rule{
	Kind: finding.Kind{
		Code: "whole-search", Title: "This kernel can search the whole range",
		Evidence: func(f *finding.Finding) string {
			return "the kernel has IP_LOCAL_PORT_RANGE and then searches all ports alike (seen in its type information); " +
				fullestText(f)
		},
	},
	Needs: host.WantSockets | host.WantFeatures,
	Namespace: func(p *Place) {
		worst, features := p.slowest(), p.Now.Features
		if worst == nil || features.SocketRange != host.Yes || features.WholeSearch != host.Yes {
			return
		}
		r := p.NS.Settings.Range
		p.add(finding.Info, p.ofKernel(), fullestValues(worst), finding.Action{
			Step: finding.InProgram,
			Text: fmt.Sprintf("get rid of the cliff at one half: setsockopt(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE (51), 0x%04x%04x) "+
				"before connect(), the range of the namespace", r.High, r.Low),
		})
	},
}
