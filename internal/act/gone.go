package act

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"portrange/internal/act/journal"
	"portrange/internal/words"
)

// leaveOutGone takes the settings of namespaces that are no more out of an entry, and
// notes which: on a host where containers come and go some always have gone since the
// plan was made. The error is for an entry of which nothing remains.
func (a *Actor) leaveOutGone(e *journal.Entry) error {
	var names []string
	var last error
	isGone := func(s journal.Setting) bool {
		_, err := a.Host.Get(s.Namespace, s.Key)
		if !errors.Is(err, ErrGone) {
			return false
		}
		if last = err; !slices.Contains(names, s.Namespace.Name) {
			names = append(names, s.Namespace.Name)
		}
		return true
	}
	e.Settings = slices.DeleteFunc(slices.Clone(e.Settings), isGone)
	if last == nil {
		return nil
	}
	if len(e.Settings)+len(e.Files) == 0 {
		return last
	}
	e.Note = "left out, as it is gone: " + goneNames(names)
	return nil
}

// goneNames lists a few of many names.
func goneNames(names []string) string {
	const few = 3
	if more := len(names) - few; more > 0 {
		return fmt.Sprintf("%s and %s", strings.Join(names[:few], ", "), words.Count(more, "more namespace"))
	}
	return words.Join(names, "and")
}
