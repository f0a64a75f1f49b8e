package finding

import (
	"testing"
	"time"
)

func TestTrackerKnowsSinceWhen(t *testing.T) {
	const a, b = "10.0.0.5:80", "10.0.0.6:80"
	at := func(second int64) time.Time { return time.Unix(second, 0) }
	var tracker Tracker
	for i, look := range []struct {
		found []Finding
		since []int64
	}{
		{[]Finding{made("full", Critical, a, 0)}, []int64{0}},
		{[]Finding{made("full", Warning, b, 0), made("full", Warning, a, 9)}, []int64{1, 0}}, // severity and numbers may change
		{[]Finding{made("full", Critical, b, 0), made("leak", Critical, a, 0)}, []int64{1, 2}},
		{nil, nil},
		{[]Finding{made("full", Critical, b, 0)}, []int64{4}}, // an interruption begins a new row
	} {
		for j, f := range tracker.Update(at(int64(i)), look.found) {
			if !f.Since.Equal(at(look.since[j])) {
				t.Errorf("look %d: %s of %s since %v, want %d", i, f.Code(), f.Subject.Remote, f.Since.Unix(), look.since[j])
			}
		}
		for j := range look.found {
			if !look.found[j].Since.IsZero() {
				t.Errorf("look %d: the argument has changed", i)
			}
		}
	}
}

func TestTrackerStands(t *testing.T) {
	f := made("full", Critical, "10.0.0.5:80", 0)
	f.Subject.Key, f.Subject.Value = "some.setting", "1"
	tracker := &Tracker{}
	if tracker.Stands("full", 7, f.Subject) {
		t.Error("a finding stands before any look")
	}
	tracker.Update(time.Unix(0, 0), []Finding{f})
	changed, other := f.Subject, f.Subject
	changed.Value, other.Remote = "2", "10.0.0.6:80"
	for name, tt := range map[string]struct {
		code    string
		netns   uint64
		subject Subject
		want    bool
	}{
		"the same":          {"full", 7, f.Subject, true},
		"another value":     {"full", 7, changed, true},
		"another code":      {"leak", 7, f.Subject, false},
		"another namespace": {"full", 8, f.Subject, false},
		"another subject":   {"full", 7, other, false},
	} {
		if got := tracker.Stands(tt.code, tt.netns, tt.subject); got != tt.want {
			t.Errorf("%s: stands %v", name, got)
		}
	}
	if (*Tracker)(nil).Stands("full", 7, f.Subject) {
		t.Error("without a tracker something stands")
	}
	found := tracker.Update(time.Unix(1, 0), []Finding{f})
	found[0].Subject.Remote = "changed"
	if !tracker.Stands("full", 7, f.Subject) {
		t.Error("the tracker shares its memory with the caller")
	}
}
