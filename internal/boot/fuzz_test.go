package boot

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"portrange/internal/port"
)

// reportOf plays the boot of a file system with these files.
func reportOf(t *testing.T, files map[string]string) (*Report, string) {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		write(t, root, name, text)
	}
	return played(t, root), root
}

func played(t *testing.T, root string) *Report {
	t.Helper()
	tree, err := Read(root, Keys())
	if err != nil {
		t.Fatal(err)
	}
	return tree.Report(nil)
}

// decisions are those of all programs by name.
func decisions(s *Setting) map[Program]*Decision {
	all := map[Program]*Decision{Systemd: s.Systemd, Procps: s.Procps, Tuned: s.Tuned}
	maps.DeleteFunc(all, func(_ Program, d *Decision) bool { return d == nil })
	return all
}

// FuzzReport: whatever lies in the directories, the report is the same each time, is
// about each key once, and names lines that are there; a last file has the last word.
func FuzzReport(f *testing.F) {
	f.Add("net.ipv4.tcp_fin_timeout = 30\n", "-net.ipv4.tcp_*\nnet/ipv4/ip_local_port_range=1024\t65535",
		"net.ipv4.*=1\n", "#", "")
	f.Add("net.ipv4.{a,tcp_fin}* = 7\r\n", "\x00\n\n = \n", "-*\n", "net.ipv4.ip_local_reserved_ports=1-5,9\n", "x")
	f.Add("[sysctl]\nnet.ipv4.tcp_tw_reuse=1", ";\n-net.ipv4.tcp_fin_timeout\n", strings.Repeat("n", 5000), "=\n",
		"net//ipv4/../ipv4/tcp_fin_timeout = 9")
	f.Fuzz(func(t *testing.T, first, second, weak, conf, other string) {
		files := map[string]string{
			"etc/sysctl.d/10-first.conf": first, "run/sysctl.d/20-second.conf": second,
			"usr/lib/sysctl.d/10-first.conf": weak, "usr/lib/sysctl.d/50-weak.conf": weak,
			"etc/sysctl.conf": conf, "etc/sysctl.d/other.txt": other, "usr/lib/systemd/systemd-sysctl": "",
		}
		report, root := reportOf(t, files)
		if diff := cmp.Diff(report, played(t, root)); diff != "" {
			t.Errorf("played again (-first +second):\n%s", diff)
		}
		for i, key := range Keys() {
			s := &report.Settings[i]
			if len(report.Settings) != len(Keys()) || s.Key != key {
				t.Fatalf("setting %d of %d is %s, want %s", i, len(report.Settings), s.Key, key)
			}
			for program, d := range decisions(s) {
				expectLine(t, root, d.Line)
				for _, loser := range s.Loses {
					if loser.Line == d.Line && len(loser.Programs) == 1 && loser.Programs[0] == program {
						t.Errorf("%s: %s both sets %s and loses", program, d.Line, key)
					}
				}
			}
			for _, loser := range s.Loses {
				expectLine(t, root, loser.Line)
			}
		}
		delete(files, "etc/sysctl.conf") // which procps reads after all others
		files["etc/sysctl.d/zz-last.conf"] = port.KeyFinTimeout + " = 77\n"
		last, _ := reportOf(t, files)
		for i := range last.Settings {
			key := last.Settings[i].Key
			for program, d := range decisions(&last.Settings[i]) {
				if is := d.File == "/etc/sysctl.d/zz-last.conf" && d.Value == "77"; is != (key == port.KeyFinTimeout) {
					t.Errorf("%s: %s sets %s to %s", program, d.Line, key, d.Value)
				}
			}
		}
	})
}

func expectLine(t *testing.T, root string, at Line) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, at.Target))
	lines := bytes.Split(text, []byte("\n"))
	if err != nil || at.Line < 1 || at.Line > len(lines) || !bytes.ContainsAny(lines[at.Line-1], "=-") {
		t.Errorf("%s: no such assignment of %d lines; %v", at, len(lines), err)
	}
}

// grow makes a pattern with nested braces out of random bytes, and what it stands for.
// It eats at least one byte a level, and stops at few alternatives.
func grow(seed *[]byte, depth int) (pattern string, expanded []string) {
	words := []string{"", "tcp_", "tw_", "fin_", "re*", "max", "ip_local", "?", "[a-t]", "b", "use", "_"}
	expanded = []string{""}
	for n := 0; n < 3 && len(*seed) > 0; n++ {
		b := (*seed)[0]
		*seed = (*seed)[1:]
		part, alternatives := words[int(b)%len(words)], []string{words[int(b)%len(words)]}
		if b >= 200 && depth < 3 {
			var options []string
			alternatives = nil
			for range 2 + b%2 {
				inner, all := grow(seed, depth+1)
				options, alternatives = append(options, inner), append(alternatives, all...)
			}
			part = "{" + strings.Join(options, ",") + "}"
		}
		if len(expanded)*len(alternatives) > 100 {
			break
		}
		pattern += part
		var product []string
		for _, head := range expanded {
			for _, tail := range alternatives {
				product = append(product, head+tail)
			}
		}
		expanded = product
	}
	return pattern, expanded
}

// FuzzBraces: with systemd a pattern with braces decides the same as the patterns that
// it stands for, each on a line of its own; procps takes it for a name (GLOB_BRACE).
func FuzzBraces(f *testing.F) {
	f.Add([]byte{200, 1, 2, 3, 4, 5})
	f.Add([]byte{201, 1, 202, 2, 3, 203, 6, 0, 1, 4})
	f.Add([]byte{255, 255, 255, 1, 3, 5})
	f.Fuzz(func(t *testing.T, seed []byte) {
		pattern, expanded := grow(&seed, 0)
		var each strings.Builder
		for _, one := range expanded {
			fmt.Fprintf(&each, "net/ipv4/%s* = 2\n", one)
		}
		joined, _ := reportOf(t, map[string]string{"etc/sysctl.d/a.conf": "net/ipv4/" + pattern + "* = 2\n"})
		apart, _ := reportOf(t, map[string]string{"etc/sysctl.d/a.conf": each.String()})
		for i := range joined.Settings {
			a, b := &joined.Settings[i], &apart.Settings[i]
			if strings.Contains(pattern, "{") && a.Procps != nil {
				t.Errorf("procps, which knows no braces, takes %q for %s", pattern, a.Key)
			}
			if !strings.HasPrefix(a.Key, "net.ipv4.tcp_") {
				continue // what ports take depends on what was set before
			}
			if (a.Systemd == nil) != (b.Systemd == nil) || a.Systemd != nil && a.Systemd.Value != b.Systemd.Value {
				t.Errorf("%q sets %s to %v, its %d alternatives to %v", pattern, a.Key, a.Systemd, len(expanded), b.Systemd)
			}
		}
	})
}

// FuzzProfile compares what tuned would set with its rules in a few lines: a profile
// that includes another lays its options over that one's.
func FuzzProfile(f *testing.F) {
	f.Add("parent", "5", "6", "net.ipv4.tcp_fin_timeout", false, true, uint8(7), uint8(3))
	f.Add("parent", "", "${v}", "", true, true, uint8(0), uint8(255))
	f.Add("", "9", "", "other", false, false, uint8(2), uint8(1))
	f.Fuzz(func(t *testing.T, include, below, above, drop string, replace, enabled bool, variable, page uint8) {
		known := func(text string, of ...string) bool {
			return strings.Contains("|"+strings.Join(of, "|")+"|", "|"+text+"|")
		}
		number := fmt.Sprint(1 + int(variable)%200)
		if !known(include, "", "parent", "child") || !known(drop, "", "other", port.KeyFinTimeout) ||
			!known(below, "", "5", "6", "${v}", "${none}") || !known(above, "", "5", "6", "${v}", `\${v}`) {
			include, drop = []string{"", "parent"}[page%2], []string{"", "other", port.KeyFinTimeout}[page%3]
			below, above = []string{"", "5", "${v}"}[variable%3], []string{"", "6", "${v}", `\${v}`}[page%4]
		}
		parent, child := "[variables]\nv=1\n[sysctl]\n", "[main]\ninclude="+include+"\n[variables]\nv="+number+"\n"
		if include == "" {
			child = "[variables]\nv=" + number + "\n"
		}
		child += fmt.Sprintf("[sysctl]\nreplace=%v\nenabled=%v\ndrop=%s\n", replace, enabled, drop)
		if below != "" {
			parent += port.KeyFinTimeout + "=" + below + "\n"
		}
		if above != "" {
			child += port.KeyFinTimeout + "=" + above + "\n"
		}
		want := ""
		if include == "parent" && !replace && drop != port.KeyFinTimeout {
			want = below
		}
		if above != "" {
			want = above
		}
		want = strings.ReplaceAll(want, "${v}", number)
		if !enabled || above == `\${v}` || want == "${none}" {
			want = "" // nothing that the kernel takes
		}
		report, _ := reportOf(t, map[string]string{
			"etc/systemd/system/multi-user.target.wants/tuned.service": "", "usr/lib/systemd/system/tuned.service": "",
			"etc/tuned/tuned-main.conf": "", "etc/tuned/active_profile": "child\n", "etc/tuned/profile_mode": "manual\n",
			"etc/tuned/child/tuned.conf": child, "usr/lib/tuned/parent/tuned.conf": parent,
		})
		for i := range report.Settings {
			s := &report.Settings[i]
			got := ""
			if s.Tuned != nil {
				got = s.Tuned.Value
			}
			if s.Key == port.KeyFinTimeout && got != want || s.Key != port.KeyFinTimeout && got != "" {
				t.Errorf("tuned sets %s to %q, want %q\n%s\n%s\n%v", s.Key, got, want, parent, child, report.Gaps)
			}
		}
	})
}
