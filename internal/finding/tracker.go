package finding

import (
	"slices"
	"time"
)

// Tracker remembers since when findings stand. The zero value is ready to use.
type Tracker struct {
	standing []Finding
}

// Update takes in what a look at the time at found, and returns it with Since:
// the time of the first look of an unbroken row in which it was found.
func (t *Tracker) Update(at time.Time, found []Finding) []Finding {
	found = slices.Clone(found)
	for i := range found {
		found[i].Since = at
		if before := t.find(&found[i]); before != nil {
			found[i].Since = before.Since
		}
	}
	t.standing = found
	return slices.Clone(found)
}

// Stands reports whether the last look found a kind of finding on a subject. A
// rule may ask for less to keep it than to begin it. Without a tracker nothing
// stands.
func (t *Tracker) Stands(code string, netns uint64, subject Subject) bool {
	return t != nil && t.find(&Finding{Kind: &Kind{Code: code}, NetNS: netns, Subject: subject}) != nil
}

func (t *Tracker) find(like *Finding) *Finding {
	for i := range t.standing {
		f := &t.standing[i]
		if f.Code() == like.Code() && f.NetNS == like.NetNS && f.Subject.equal(like.Subject) {
			return f
		}
	}
	return nil
}
