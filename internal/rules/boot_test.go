package rules

import (
	"strings"
	"testing"

	"portrange/internal/boot"
	"portrange/internal/finding"
	"portrange/internal/port"
)

func atLine(file string, n int, value string) *boot.Decision {
	return &boot.Decision{Value: value, Line: boot.Line{File: file, Line: n}}
}

// drifting is a setting that a reboot changes, by the line of a file if one is given.
func drifting(key, running, after string, by ...*boot.Decision) boot.Setting {
	s := boot.Setting{Key: key, Running: &running, Boot: &after, Drift: running != after}
	if len(by) > 0 {
		s.Systemd = by[0]
	}
	return s
}

func bootSymptoms() map[string]symptom {
	same := drifting(port.KeyRange, "32768 60999", "32768 60999")
	lost := drifting(port.KeyRange, "15000 64001", "32768 60999")
	other := drifting(port.KeyRange, "15000 64001", "32768 60999", atLine("/etc/sysctl.d/10-old.conf", 3, "32768 60999"))
	refused := func(is bool) boot.Setting {
		return boot.Setting{Key: port.KeyRange, Loses: []boot.Loser{{
			Line: boot.Line{File: "/etc/sysctl.d/90-hard.conf", Line: 1}, Value: `"1024 65535"`, Refused: is, Why: "the kernel refuses a quote"}}}
	}
	return map[string]symptom{
		"refused-at-boot": {healthy().booted(refused(true)), healthy().booted(refused(false)), finding.Warning,
			[]string{"/etc/sysctl.d/90-hard.conf:1", `"1024 65535"`, "comes to nothing: the kernel refuses a quote"}},
		"no-such-setting": {
			healthy().booted(boot.Setting{Key: "net.ipv6.ip_local_port_range", Systemd: line("/etc/sysctl.d/90-hard.conf", 2, "1024 65535")}),
			healthy().booted(boot.Setting{Key: "net.ipv6.ip_local_port_range"}),
			finding.Warning, []string{"/etc/sysctl.d/90-hard.conf:2", "no kernel has it: net.ipv4.ip_local_port_range"}},
		"not-persisted": {healthy().booted(lost), healthy().booted(same), finding.Warning, []string{`"15000 64001"`, `"32768 60999"`, "no file says so"}},
		"boot-drift": {
			healthy().booted(other), healthy().booted(lost), finding.Warning,
			[]string{`"15000 64001"`, `"32768 60999"`, "/etc/sysctl.d/10-old.conf:3"}},
	}
}

func TestFilesApplyToOneNamespace(t *testing.T) {
	p := healthy().booted(drifting(port.KeyRange, "15000 64001", "32768 60999"))
	p.Booted++
	checkNone(t, p, "not-persisted", "boot-drift")
}

// TestKeepingASetting types what makes a setting hold after a reboot.
func TestKeepingASetting(t *testing.T) {
	long := strings.Repeat("8080,", 20) + "9000"
	for _, tt := range []struct{ key, value, booted, want string }{
		{port.KeyRange, "15000 64001", "32768 60999", "portrange set 15000 64001 --persist"},
		{port.KeyReserved, "8080,9148-9150", "", "portrange reserve add 8080,9148-9150 --persist"},
		{port.KeyReserved, "", "8080", "portrange reserve remove 8080 --persist"},
		{port.KeyReserved, long, "", "add the line net.ipv4.ip_local_reserved_ports = 8080,"},
		{port.KeyReserved, "", long, "add the line net.ipv4.ip_local_reserved_ports = "},
		{port.KeyTWReuse, "1", "2", "add the line net.ipv4.tcp_tw_reuse = 1 to a file in /etc/sysctl.d"},
	} {
		action := keep("", tt.key, tt.value, tt.booted)
		if got := action.Command.String() + action.Text; !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s = %.20q: %q, want %q", tt.key, tt.value, got, tt.want)
		}
	}
}

// TestASettingForBothFamilies has files set the range, and the same for IPv6 beside it.
func TestASettingForBothFamilies(t *testing.T) {
	p := healthy().booted(boot.Setting{Key: "net.ipv6.ip_local_port_range", Systemd: line("/etc/sysctl.d/90-hard.conf", 2, "1024 65535")})
	p.Boot.Settings = append(p.Boot.Settings, boot.Setting{Key: port.KeyRange, Systemd: line("/etc/sysctl.d/90-hard.conf", 1, "1024 65535")})
	if found := find(examine(p), "no-such-setting"); len(found) != 1 || found[0].Severity != finding.Info {
		t.Errorf("findings %v, want one that is worth knowing alone", found)
	}
}
