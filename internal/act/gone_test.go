package act

import (
	"errors"
	"strings"
	"testing"

	"portrange/internal/act/journal"
	"portrange/internal/port"
)

// TestNamespacesThatGo has a namespace go after the plan was made: before anything is
// written, or when it is its turn.
func TestNamespacesThatGo(t *testing.T) {
	for name, arrange := range map[string]func(*bench){
		"before": func(b *bench) { b.host.gone[2] = true },
		"meanwhile": func(b *bench) {
			b.host.put(2, port.KeyRange, narrow)
			b.host.fail = func(op string) error {
				b.host.gone[2] = b.host.gone[2] || op == "set "+port.KeyRange
				return nil
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			arrange(b)
			e, err := b.Apply(plan(t, Wish{Range: wide()}, seen(withPod)), 0)
			if err != nil {
				t.Fatal(err)
			}
			if e.State != journal.Done || b.host.value(1, port.KeyRange) != wider {
				t.Errorf("the host's range is %q, the entry %s", b.host.value(1, port.KeyRange), e.State)
			}
			if noted := strings.Contains(e.Note, "gone: pod"); noted != (name == "before") {
				t.Errorf("note %q", e.Note)
			}
			b.host.fail = nil
			b.undo()
			if got := b.host.value(1, port.KeyRange); got != narrow {
				t.Errorf("after undo the host's range is %q", got)
			}
		})
	}
}

func TestTheOnlyNamespaceGoes(t *testing.T) {
	b := newBench(t)
	b.host.gone[1] = true
	if _, err := b.Apply(plan(t, Wish{Range: wide()}, seen()), 0); !errors.Is(err, ErrGone) {
		t.Errorf("nothing remains of the plan: %v", err)
	}
	if states := b.states(); len(states) != 0 {
		t.Errorf("entries %v", states)
	}
}

func TestGoneNames(t *testing.T) {
	for want, names := range map[string][]string{
		"a": {"a"}, "a, b and c": {"a", "b", "c"}, "a, b, c and 2 more namespaces": {"a", "b", "c", "d", "e"},
	} {
		if got := goneNames(names); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
