package cli

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"portrange/internal/escape"
	"portrange/internal/host"
	"portrange/internal/report"
)

// app is what the commands of one run share: its streams and global flags.
type app struct {
	Streams
	seen    *Seen // nil where the run looks for itself
	json    bool
	netns   string
	noColor bool
}

// style dresses text for where standard output goes.
func (a *app) style() report.Style {
	width, onTerminal := terminal(a.Out)
	if !onTerminal {
		return report.Style{ASCII: !a.utf8()}
	}
	plain := a.noColor || a.Getenv("NO_COLOR") != "" || a.Getenv("TERM") == "dumb"
	return report.Style{Width: width, Colour: !plain, Bars: a.utf8(), ASCII: !a.utf8()}
}

// terminal reports whether stream is a terminal, and how wide it is; 0 where it
// does not say.
func terminal(stream any) (width int, is bool) {
	if cleaned, is := stream.(escape.Writer); is {
		stream = cleaned.To
	}
	file, isFile := stream.(*os.File)
	if !isFile || !term.IsTerminal(int(file.Fd())) {
		return 0, false
	}
	width, _, err := term.GetSize(int(file.Fd()))
	if err != nil {
		return 0, true
	}
	return width, true
}

// utf8 reports whether the locale's characters are UTF-8 (setlocale(3)).
func (a *app) utf8() bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if value := strings.ToLower(a.Getenv(name)); value != "" {
			return strings.Contains(value, "utf-8") || strings.Contains(value, "utf8")
		}
	}
	return false
}

// printGaps tells on standard error what could not be read. In JSON the
// document carries the gaps.
func (a *app) printGaps(gaps []host.Gap) {
	if a.json {
		return
	}
	for _, gap := range gaps {
		where := ""
		if gap.NetNS != 0 {
			where = fmt.Sprintf(" in network namespace %d", gap.NetNS)
		}
		fmt.Fprintf(a.Err, "portrange: could not read %s%s: %s\n", escape.Printable(gap.What()), where, escape.Line(gap.Why))
	}
}

// orEmpty makes JSON print [] where there is nothing.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// print writes a document as JSON or by the function for text.
func (a *app) print(document any, text func(io.Writer, report.Style) error) error {
	if a.json {
		return report.WriteJSON(a.Out, document)
	}
	return text(a.Out, a.style())
}

// say prints a closing line of text.
func (a *app) say(format string, args ...any) {
	if !a.json {
		fmt.Fprintf(a.Err, format+"\n", args...)
	}
}
