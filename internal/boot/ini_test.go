package boot

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"portrange/internal/rootfs"
)

func TestParseINI(t *testing.T) {
	const text = `# comment
[sysctl]
a = 1 # after white space
b=2# not after white space
  c = 3
  ; comment
d = "x"
	goes on
e = 5 ; no comment
a = again
	and on

[other]
x = [y]
[sysctl]
f=
`
	sections, err := parseINI(rootfs.File{Path: "f", Data: []byte(strings.ReplaceAll(text, "\n", "\r\n"))}, false)
	if err != nil {
		t.Fatal(err)
	}
	at := func(line int) Line { return Line{File: "f", Line: line} }
	want := []*section{
		{name: "sysctl", pairs: []pair{
			{"a", "again\nand on", at(10)},
			{"b", "2# not after white space\nc = 3", at(4)},
			{"d", "\"x\"\ngoes on", at(7)},
			{"e", "5 ; no comment", at(9)},
			{"f", "", at(16)},
		}},
		{name: "other", pairs: []pair{{"x", "[y]", at(14)}}},
	}
	if diff := cmp.Diff(want, sections, allow); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestParseHeadlessINI(t *testing.T) {
	sections, err := parseINI(rootfs.File{Path: "f", Data: []byte("a = 1\nalone\nb = 2")}, true)
	if err != nil {
		t.Fatal(err)
	}
	want := []*section{{pairs: []pair{{"a", "1", Line{File: "f", Line: 1}}, {"b", "2", Line{File: "f", Line: 3}}}}}
	if diff := cmp.Diff(want, sections, allow); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestParseINIRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"a = 1\n":       "parse f:1:",
		"[s]\nalone\n":  "parse f:2:",
		"[]\na = 1\n":   "parse f:1:",
		"\n\nx\n[s]\n":  "parse f:3:",
		"[s]\n\n=\nx\n": "parse f:4:",
	} {
		if _, err := parseINI(rootfs.File{Path: "f", Data: []byte(text)}, false); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: error %v, want %s", text, err, want)
		}
	}
}

// Every option stands on a line of the file, and no two of a section share a
// name.
func FuzzINI(f *testing.F) {
	f.Add([]byte("[a]\nb = c # d\n  e\nb = 2\n[a]\n"), false)
	f.Add([]byte("x\ny = 1\n"), true)
	f.Fuzz(func(t *testing.T, data []byte, headless bool) {
		sections, err := parseINI(rootfs.File{Path: "f", Data: data}, headless)
		if err != nil {
			return
		}
		lines := strings.Count(string(data), "\n") + strings.Count(string(data), "\r") + 1
		for _, s := range sections {
			seen := map[string]bool{}
			for _, p := range s.pairs {
				if p.line.Line < 1 || p.line.Line > lines || seen[p.name] {
					t.Errorf("section %q: option %q twice or on line %d of %d", s.name, p.name, p.line.Line, lines)
				}
				seen[p.name] = true
			}
		}
	})
}
