package cli

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestLongCommandsAreShortened(t *testing.T) {
	for _, tt := range []struct{ command, want string }{
		{"set 15000 64001", "set 15000 64001"},
		{strings.Repeat("9", 200), strings.Repeat("9", 200)},
		{strings.Repeat("9", 201), strings.Repeat("9", 200) + "…"},
		{strings.Repeat("9", 199) + "é", strings.Repeat("9", 199) + "…"},
	} {
		a := app{Streams: Streams{Getenv: func(string) string { return "" }}}
		words := strings.Fields(tt.command)
		if got := a.origin(&cobra.Command{Use: words[0]}, words[1:]).Command; got != tt.want {
			t.Errorf("%q is quoted as %q, want %q", tt.command, got, tt.want)
		}
	}
}
