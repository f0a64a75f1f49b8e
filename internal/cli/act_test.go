package cli

import (
	"strings"
	"testing"
)

func TestLongCommandsAreShortened(t *testing.T) {
	for _, tt := range []struct{ command, want string }{
		{"set 15000 64001", "set 15000 64001"},
		{strings.Repeat("9", 200), strings.Repeat("9", 200)},
		{strings.Repeat("9", 201), strings.Repeat("9", 200) + "…"},
		{strings.Repeat("9", 199) + "é", strings.Repeat("9", 199) + "…"},
	} {
		if got := shortened(tt.command); got != tt.want {
			t.Errorf("shortened(%q) = %q, want %q", tt.command, got, tt.want)
		}
	}
}
