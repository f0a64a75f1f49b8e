package services

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// TestDockersAnswerIsBounded has answers at their bounds and beyond.
func TestDockersAnswerIsBounded(t *testing.T) {
	const one = `{"Ports":[{"PublicPort":1}]}`
	list := func(element string, n int) string {
		return "[" + strings.TrimSuffix(strings.Repeat(element+",", n), ",") + "]"
	}
	filled := list(`{}`, 1)
	for name, test := range map[string]struct {
		answer string
		want   string // the error, empty for none
		found  int
	}{
		"all that may publish":   {list(one, maxPublishing), "", maxPublishing},
		"one more":               {list(one, maxPublishing+1), "over 4096 containers", 0},
		"all the bytes":          {filled + strings.Repeat(" ", maxAnswer-len(filled)), "", 0},
		"one byte more":          {filled + strings.Repeat(" ", maxAnswer+1-len(filled)), "longer than 16777216 bytes", 0},
		"many that publish none": {list(`{}`, 5_000_000), "", 0},
		"more than that":         {list(one, 1_000_000), "over 4096 containers", 0},
		"no list":                {`{"message":"no"}`, "not with a list", 0},
		"cut off":                {`[` + one + `,`, "EOF", 0},
		"something behind":       {`[]1`, "something follows", 0},
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			answer := strings.NewReader(test.answer)
			runtime.GC()
			runtime.ReadMemStats(&before)
			containers, err := parseContainers(answer)
			runtime.GC()
			runtime.ReadMemStats(&after)
			right := err == nil
			if test.want != "" {
				right = strings.Contains(fmt.Sprint(err), test.want)
			}
			if len(containers) != test.found || !right {
				t.Errorf("%d containers, error %v; want %d, %q", len(containers), err, test.found, test.want)
			}
			if kept := int64(after.HeapAlloc) - int64(before.HeapAlloc); kept > 8<<20 {
				t.Errorf("%d bytes are kept", kept)
			}
			runtime.KeepAlive(containers)
		})
	}
}
