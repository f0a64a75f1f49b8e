package boot

import (
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMatches(t *testing.T) {
	for _, tt := range []struct {
		pattern, name string
		want          bool
	}{
		{"tcp_fin_*", "tcp_fin_timeout", true},
		{"tcp_fin_*", "tcp_fin", false},
		{"*", "", true},
		{"*", ".hidden", false},
		{".*", ".hidden", true},
		{"?hidden", ".hidden", false},
		{"a*b*c", "aXbYbZc", true},
		{"a*b*c", "aXbYbZ", false},
		{"a?c", "abc", true},
		{"a?c", "ac", false},
		{"[!a-c]x", "dx", true},
		{"[^a-c]x", "bx", false},
		{"[]a]", "]", true},
		{"[a-]", "-", true},
		{"[[:digit:]x]", "7", true},
		{"[[:digit:]x]", "x", true},
		{"[[:digit:]x]", "y", false},
		{"[![:alpha:]]", "_", true},
		{"[z-a]", "m", false},
		{"[abc", "[abc", true},
		{"[abc", "a", false},
		{`\*`, "*", true},
		{`\*`, "x", false},
		{`a\`, "a", false},
		{`[\]]`, "]", true},
	} {
		if got := matches(tt.pattern, tt.name); got != tt.want {
			t.Errorf("matches(%q, %q) = %v, want %v", tt.pattern, tt.name, got, tt.want)
		}
	}
}

func TestBraces(t *testing.T) {
	for pattern, want := range map[string][]string{
		"plain":           {"plain"},
		"a{b,c}d":         {"abd", "acd"},
		"{a,{b,c}}x":      {"ax", "bx", "cx"},
		"{a,b}{c,d}":      {"ac", "ad", "bc", "bd"},
		"{,x}":            {"", "x"},
		"{a}":             {"a"},
		"a{b":             {"a{b"},
		`a\{b,c}`:         {`a\{b,c}`},
		"tcp_{fin,tw_*":   {"tcp_{fin,tw_*"},
		"x}{a,b}":         {"x}a", "x}b"},
		`{a\,b,c}`:        {`a\,b`, "c"},
		"{a,b}/{unpaired": {"a/{unpaired", "b/{unpaired"},
	} {
		if diff := cmp.Diff(want, expanded(pattern)); diff != "" {
			t.Errorf("braces(%q) (-want +got):\n%s", pattern, diff)
		}
	}
}

// expanded are the alternatives of a pattern, at any cost.
func expanded(pattern string) (alternatives []string) {
	braces(pattern, func(int) bool { return true }, func(text string) { alternatives = append(alternatives, text) })
	return alternatives
}

func TestGlobKeysKeepsThePatternsSpelling(t *testing.T) {
	paths := []string{"net/ipv4/tcp_tw_reuse", "net/ipv4/tcp_fin_timeout", "net/core/somaxconn"}
	for pattern, want := range map[string][]string{
		"net/ipv4/tcp_*":            {"net/ipv4/tcp_fin_timeout", "net/ipv4/tcp_tw_reuse"},
		"net//ipv?/./tcp_fin*":      {"net//ipv4/./tcp_fin_timeout"},
		"/net/*/*maxconn":           {"/net/core/somaxconn"},
		"net/core/../ipv4/tcp_fin*": {"net/core/../ipv4/tcp_fin_timeout"},
		"net/ipv4/tcp_fin*/":        nil,
		"net/ipv4/tcp_fin*/.":       nil,
		"net/ipv4/tcp_fin*/..":      nil,
		"net/ipv4/*/x":              nil,
		"net/*":                     nil,
		"../net/*/tcp_fin_timeout":  nil,
	} {
		if diff := cmp.Diff(want, globKeys(pattern, paths)); diff != "" {
			t.Errorf("globKeys(%q) (-want +got):\n%s", pattern, diff)
		}
	}
}

// A pattern from an image must not cost more than it is worth.
func TestGlobsStayCheap(t *testing.T) {
	stars := strings.Repeat("*a", 5000) + "b"
	if matches(stars, strings.Repeat("a", 10000)) {
		t.Error("matches without a b to match")
	}
	if classes := "*" + strings.Repeat("[[:", 200000); matches(classes, "tcp_fin_timeout") {
		t.Error("brackets without an end match")
	}
	for name, pattern := range map[string]string{
		"doubled":  strings.Repeat("{a,b}", 200),
		"nested":   strings.Repeat("{a,", 1000) + strings.Repeat("}", 1000),
		"commas":   "{" + strings.Repeat(",", 1<<19) + "}",
		"unpaired": strings.Repeat("{a,b}", 200) + "{",
	} {
		l := newLookup(Keys())
		if targets, ok := l.systemdTargets(pattern + "*"); ok || len(targets) > 0 || l.globs > maxGlobs+2*len(pattern) {
			t.Errorf("%s: %d targets at a cost of %d, %v; want none, as it costs too much", name, len(targets), l.globs, ok)
		}
	}
}

// TestGlobsMayCostWhatTheyMay: the last byte that is afforded, and the first that is not.
func TestGlobsMayCostWhatTheyMay(t *testing.T) {
	const pattern = "net/ipv4/*_fin_timeout"
	for left, want := range map[int]bool{len(pattern): true, len(pattern) - 1: false} {
		for name, find := range map[string]func(*lookup, string) ([]target, bool){
			"systemd": (*lookup).systemdTargets, "procps": (*lookup).procpsTargets,
		} {
			l := newLookup(Keys())
			l.globs = maxGlobs - left
			targets, ok := find(l, pattern)
			if ok != want || (len(targets) == 1) != want {
				t.Errorf("%s, %d bytes left: %v, %v; want %v", name, left, targets, ok, want)
			}
			if targets, ok := find(l, "net/ipv4/tcp_fin_timeout"); !ok || len(targets) != 1 {
				t.Errorf("%s: a plain key costs nothing, got %v, %v", name, targets, ok)
			}
		}
	}
}

// Where Go's path.Match speaks the same language it must agree.
func FuzzMatches(f *testing.F) {
	f.Add("a*[b-d]?", "axxcd")
	f.Add("[^a]*", "bcd")
	f.Fuzz(func(t *testing.T, pattern, name string) {
		got := matches(pattern, name)
		if isCommon(pattern) && isCommon(name) {
			if want, err := path.Match(pattern, name); err == nil && got != want {
				t.Errorf("matches(%q, %q) = %v, path.Match says %v", pattern, name, got, want)
			}
		}
		if unescaped(pattern, '{') < 0 && !slices.Equal(expanded(pattern), []string{pattern}) {
			t.Errorf("braces(%q) = %q, want the pattern without braces as it is", pattern, expanded(pattern))
		}
	})
}

// isCommon holds for texts that mean the same to fnmatch and to path.Match.
func isCommon(text string) bool {
	return strings.Trim(text, "abcdxyz0123456789*?_") == "" && len(text) < 40 && strings.Count(text, "*") < 5
}
