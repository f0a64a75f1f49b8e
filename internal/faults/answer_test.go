package faults

import (
	"encoding/json"
	"strings"
	"testing"
)

func answer(t *testing.T, exit int, text, said string) Answer {
	t.Helper()
	a := Answer{Exit: exit, Said: said}
	if text != "" {
		if err := json.Unmarshal([]byte(text), &a.Document); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

// TestJudgeAnswer makes up answers, of which the judge must say what is wrong.
func TestJudgeAnswer(t *testing.T) {
	const old = `{"part": "tcp", "why": "elsewhere"}`
	document := func(taken, pools, gaps string) string {
		return `{"taken_at": "` + taken + `", "namespaces": [{"source": "bpf", "pools": [` + pools + `]}],
			"gaps": [` + gaps + `]}`
	}
	const a = `{"remote": "a", "used": 5, "owners": [{"pid": 1, "used": 5}]}`
	const b = `{"remote": "b", "used": 2, "owners": []}`
	twice := strings.ReplaceAll(a, `1, "used": 5`, `1, "used": 10`)
	right := answer(t, 0, document("1", a+","+b, old), "")
	for name, tt := range map[string]struct {
		exit             int
		text, said, want string
	}{
		"the same":           {0, document("2", b+","+a, old), "", ""},
		"a gap, and less":    {1, document("2", b, old+`, {"part": "sockets"}`), "", ""},
		"a gap, and the old": {0, document("2", a, `{"part": "owners"}`), "", ""},
		"no answer":          {2, "", "portrange: open: EIO", ""},
		"less":               {0, document("2", b, old), "", ".namespaces has no"},
		"less of one":        {0, document("2", strings.ReplaceAll(a, "5", "4")+","+b, old), "", "has no"},
		"another exit code":  {1, document("2", a+","+b, old), "", "exit code 1 instead of 0"},
		"a gap, and twice":   {0, document("2", twice, `{"part": "owners"}`), "", "10 used in owners of 5"},
		"no gap, no pools":   {0, `{"taken_at": "2", "gaps": [` + old + `]}`, "", "namespaces"},
		"nothing, in order":  {0, "", "words", "no answer with exit code 0"},
		"nothing at all":     {2, "", " ", "no answer with exit code 2"},
		"a crash":            {2, "", "panic: x\n\ngoroutine 1 [running]:", "crashed"},
	} {
		got := strings.Join(JudgeAnswer(right, answer(t, tt.exit, tt.text, tt.said)), "; ")
		if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

// TestSocketsAsANumber: the kernel counts those that end with, a list has the rest.
func TestSocketsAsANumber(t *testing.T) {
	for right, got := range map[string]struct {
		text string
		same bool
	}{
		`{"sockets": 49, "raw": 1}`: {`{"sockets": 47, "raw": 1}`, true},
		`{"sockets": 48, "raw": 1}`: {`{"sockets": 48, "raw": 2}`, false},
		`{"sockets": [1, 2]}`:       {`{"sockets": [1]}`, false},
	} {
		if wrong := JudgeAnswer(answer(t, 0, right, ""), answer(t, 0, got.text, "")); (len(wrong) == 0) != got.same {
			t.Errorf("%s and %s: %v", right, got.text, wrong)
		}
	}
}
