package words

import (
	"strings"
	"testing"
	"time"
)

func TestNumbers(t *testing.T) {
	for _, tt := range []struct{ got, want string }{
		{Thousands(0), "0"}, {Thousands(999), "999"}, {Thousands(1000), "1,000"}, {Thousands(-28232), "-28,232"}, {Thousands(1234567), "1,234,567"},
		{Count(1, "port"), "1 port"}, {Count(0, "port"), "0 ports"}, {Count(28232, "port"), "28,232 ports"},
		{Percent(0), "0.0%"}, {Percent(0.8549), "85.5%"}, {Percent(1), "100.0%"},
		{Rate(0.5), "0.5/s"}, {PerSecond(966.4, "new connection"), "966 new connections a second"}, {PerSecond(1, "port"), "1 port a second"}, {Rate(99.94), "99.9/s"}, {Rate(470.4), "470/s"}, {Rate(13449), "13,449/s"},
		{Span(0), "0 s"}, {Span(time.Nanosecond), "1 ns"}, {Span(25 * time.Microsecond), "25 µs"}, {Span(38200), "38.2 µs"}, {Span(999_400), "999 µs"},
		{Span(999_600), "1 ms"}, {Span(1_234_567), "1.23 ms"}, {Span(250 * time.Millisecond), "250 ms"}, {Span(999 * time.Millisecond), "999 ms"},
		{Span(999_400_000), "999 ms"}, {Span(999_500_000), "1 s"}, {Span(-1500 * time.Millisecond), "-1.5 s"}, {Span(12 * time.Second), "12 s"}, {Span(1500 * time.Millisecond), "1.5 s"},
		{Span(time.Minute), "60 s"}, {Span(2 * time.Minute), "2 min"}, {Span(150 * time.Second), "2.5 min"}, {Span(3 * time.Hour), "3.0 h"}, {Span(80 * time.Hour), "3 days"},
		{Seconds(0.25), "250 ms"}, {Seconds(60.25), "60.2 s"}, {Seconds(25e-6), "25 µs"}, {Seconds(1e-9), "1 ns"}, {Seconds(0.9996), "1 s"},
		{Countdown(59_940 * time.Millisecond), "59.9s"}, {Countdown(7_199_600 * time.Millisecond), "2h0m0s"}, {Countdown(1500 * time.Millisecond), "1.5s"},
		{Moment(time.Date(2026, 11, 22, 21, 43, 44, 0, time.FixedZone("CET", 3600))), "2026-11-22 20:43:44 UTC"},
		{Rounded(16.5), "17"}, {Rounded(17000.4), "17,000"}, {Rounded(-0.2), "0"},
		{Probability(0.999), "99.9%"}, {Probability(0.9), "90%"}, {Probability(0.99999), "99.999%"},
		{Ports(1, "8080"), "port 8080"}, {Ports(5, "40020-40024"), "5 ports (40020-40024)"},
		{Join(nil, "and"), ""}, {Join([]string{"a"}, "and"), "a"}, {Join([]string{"a", "b", "c"}, "or"), "a, b or c"},
	} {
		if tt.got != tt.want {
			t.Errorf("%q, want %q", tt.got, tt.want)
		}
	}
}

func TestLongListsAreCutBehindAComma(t *testing.T) {
	short := strings.Repeat("8080,", 16)[:longestList-1]
	if got := List(short); got != short || IsLong(short) {
		t.Errorf("a list of %d characters became %q", len(short), got)
	}
	long := strings.Repeat("8080,", 16) + "9"
	if got := List(long); got != strings.Repeat("8080,", 16)+"…" || !IsLong(long) {
		t.Errorf("cut to %q", got)
	}
}
