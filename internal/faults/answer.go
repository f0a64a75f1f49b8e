package faults

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Answer is what the program answered to a question: its exit code, its JSON, nil where
// it printed none, and what it said on standard error.
type Answer struct {
	Exit     int
	Document map[string]any
	Said     string
}

// passing are the members of a document that may differ from one look to the next, or
// tell of the way there, the gaps, and what the kernel counts for the whole machine.
var passing = []string{"taken_at", "walk", "gaps", "source", "exact", "error_bound", "doubts", "timer", "tcp"}

// JudgeAnswer lists what is wrong with an answer that came of a look on which a call
// failed, where right is the one without: it must be the same, or name a gap that the
// right one has not and not say more, or be none, with a word why.
func JudgeAnswer(right, got Answer) []string {
	if crash := "goroutine "; strings.Contains(got.Said, crash) {
		return []string{"it crashed"}
	}
	if got.Document == nil {
		if got.Exit == exitOK || strings.TrimSpace(got.Said) == "" {
			return []string{fmt.Sprintf("no answer with exit code %d and %q", got.Exit, got.Said)}
		}
		return nil
	}
	var wrong []string
	known, _ := right.Document["gaps"].([]any)
	gaps, _ := got.Document["gaps"].([]any)
	if slices.ContainsFunc(gaps, func(gap any) bool {
		return !slices.ContainsFunc(known, func(k any) bool { return reflect.DeepEqual(k, gap) })
	}) {
		for name, most := range sums(right.Document) {
			if sum := sums(got.Document)[name]; sum > most {
				wrong = append(wrong, fmt.Sprintf("a gap, and %g %s of %g", sum, name, most))
			}
		}
		return wrong
	}
	if got.Exit != right.Exit {
		wrong = append(wrong, fmt.Sprintf("no gap, and exit code %d instead of %d", got.Exit, right.Exit))
	}
	return append(wrong, unlike("", right.Document, got.Document)...)
}

// unlike lists where two documents differ, in words.
func unlike(at string, right, got any) []string {
	switch right := right.(type) {
	case map[string]any:
		got, _ := got.(map[string]any)
		var wrong []string
		for name := range joined(right, got) {
			// As a number the sockets of a namespace include those of programs that end.
			_, number := right[name].(float64)
			if !slices.Contains(passing, name) && (name != "sockets" || !number) {
				wrong = append(wrong, unlike(at+"."+name, right[name], got[name])...)
			}
		}
		return wrong
	case []any:
		got, _ := got.([]any)
		if len(got) != len(right) {
			return []string{fmt.Sprintf("no gap, and %d of %s instead of %d", len(got), at, len(right))}
		}
		return unlikeList(at, right, slices.Clone(got))
	}
	if !reflect.DeepEqual(right, got) {
		return []string{fmt.Sprintf("no gap, and %s is %v instead of %v", at, got, right)}
	}
	return nil
}

// unlikeList compares lists of any order.
func unlikeList(at string, right, got []any) []string {
	for _, want := range right {
		i := slices.IndexFunc(got, func(one any) bool { return len(unlike(at, want, one)) == 0 })
		if i < 0 {
			return []string{fmt.Sprintf("no gap, and %s has no %v but %v", at, want, got[0])}
		}
		got = slices.Delete(got, i, i+1)
	}
	return nil
}

func joined(a, b map[string]any) map[string]bool {
	names := map[string]bool{}
	for name := range a {
		names[name] = true
	}
	for name := range b {
		names[name] = true
	}
	return names
}

// sums are what a gap must not make larger: the sockets of a list, with their processes,
// and the ports that pools have in use, with those of their owners.
func sums(document any) map[string]float64 {
	sum := map[string]float64{}
	var add func(name string, part any)
	add = func(name string, part any) {
		switch part := part.(type) {
		case map[string]any:
			for inner, value := range part {
				if number, is := value.(float64); is && inner == "used" {
					sum["used in "+name] += number
				} else if inner != "findings" { // which say it again
					add(inner, value)
				}
			}
		case []any:
			if name == "sockets" || name == "processes" {
				sum[name] += float64(len(part))
			}
			for _, one := range part {
				add(name, one)
			}
		}
	}
	add("", document)
	return sum
}
