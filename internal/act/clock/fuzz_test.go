package clock

import (
	"fmt"
	"testing"
	"time"
)

// FuzzTimestamp: what is taken for a time is written the same way again, and is none
// before the machine started.
func FuzzTimestamp(f *testing.F) {
	for _, text := range []string{"@t 0", "@t 4711", "@t 9223372036854775", "@t 9223372036854776",
		"@t 18446744073709551615", "@t -1", "@t +1", "@t 1x", "@t 1 ", "@t  1", "@t 0x1", "@t 1_0", "4711", "@u 1", ""} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		started, err := parseTimestamp(text)
		if err != nil {
			return
		}
		var want uint64
		_, err = fmt.Sscanf(text, "@t %d", &want)
		if err != nil || started < 0 || uint64(started/time.Microsecond) != want {
			t.Errorf("%q is %s, want %d µs; %v", text, started, want, err)
		}
		if again, err := parseTimestamp(fmt.Sprintf("@t %d", started.Microseconds())); err != nil || again != started {
			t.Errorf("%s reads back as %s, %v", started, again, err)
		}
	})
}
