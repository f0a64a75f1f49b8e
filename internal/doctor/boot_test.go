package doctor

import (
	"testing"

	"portrange/internal/boot"
	"portrange/internal/port"
)

// A line whose text begins another's is a line of its own.
func TestLinesOf(t *testing.T) {
	at := func(line int) boot.Line { return boot.Line{File: "/etc/sysctl.conf", Line: line} }
	s := &boot.Setting{Systemd: &boot.Decision{Line: at(12)}, Procps: &boot.Decision{Line: at(12)}, Loses: []boot.Loser{{Line: at(1)}}}
	c := &chart{Patient: &Patient{Boot: &boot.Report{Settings: []boot.Setting{{Key: port.KeyTWRecycle}, *s}}}}
	if got, want := c.configured(s.Key), "/etc/sysctl.conf:12, /etc/sysctl.conf:1"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := c.configured(port.KeyTWRecycle); got != "" {
		t.Errorf("%s for a key that no line sets", got)
	}
}
