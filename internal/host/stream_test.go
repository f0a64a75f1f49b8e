package host

import (
	"errors"
	"slices"
	"testing"
)

var errCut = errors.New("cut")

// numbers yields 1 to n, then ends with err.
func numbers(n int, err error) *Stream[int] {
	return NewStream(func(yield func(int) bool) error {
		for i := range n {
			if !yield(i + 1) {
				return nil
			}
		}
		return err
	})
}

func TestStreamTellsHowItEnded(t *testing.T) {
	whole, cut, failed := numbers(3, nil), numbers(2, errCut), Failed[int](errCut)
	if got := slices.Collect(whole.All()); !slices.Equal(got, []int{1, 2, 3}) || whole.Err() != nil {
		t.Errorf("whole: %v, %v", got, whole.Err())
	}
	if got := slices.Collect(cut.All()); !slices.Equal(got, []int{1, 2}) || !errors.Is(cut.Err(), errCut) {
		t.Errorf("cut: %v, %v", got, cut.Err())
	}
	if got := slices.Collect(failed.All()); len(got) > 0 || !errors.Is(failed.Err(), errCut) {
		t.Errorf("failed: %v, %v", got, failed.Err())
	}
}

func TestStreamOfAConsumerThatStops(t *testing.T) {
	s := numbers(5, errCut)
	for range s.All() {
		break
	}
	if s.Err() != nil {
		t.Errorf("stopped: %v", s.Err())
	}
}
