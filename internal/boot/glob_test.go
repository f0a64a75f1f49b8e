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
		if diff := cmp.Diff(want, braces(pattern)); diff != "" {
			t.Errorf("braces(%q) (-want +got):\n%s", pattern, diff)
		}
	}
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
	bomb := strings.Repeat("{a,b}", 200)
	if diff := cmp.Diff([]string{bomb}, braces(bomb)); diff != "" {
		t.Errorf("braces beyond all bounds are not taken as they are (-want +got):\n%.200s", diff)
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
		if unescaped(pattern, '{') < 0 && !slices.Equal(braces(pattern), []string{pattern}) {
			t.Errorf("braces(%q) = %q, want the pattern without braces as it is", pattern, braces(pattern))
		}
	})
}

// isCommon holds for texts that mean the same to fnmatch and to path.Match.
func isCommon(text string) bool {
	return strings.Trim(text, "abcdxyz0123456789*?_") == "" && len(text) < 40 && strings.Count(text, "*") < 5
}
