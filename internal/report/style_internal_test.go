package report

import (
	"slices"
	"strings"
	"testing"

	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/port"
)

func TestWrapCountsCells(t *testing.T) {
	for _, tt := range []struct {
		style         Style
		text          string
		start, indent int
		want          string
	}{
		{Style{}, "any length of text at all", 0, 0, "any length of text at all"},
		{Style{Width: 10}, "12345 7890", 0, 2, "12345 7890"},
		{Style{Width: 10}, "12345 78901", 0, 2, "12345\n  78901"},
		{Style{Width: 10}, "数据库服务 a", 0, 2, "数据库服务\n  a"},                                    // ten cells in five characters
		{Style{Width: 10}, "ne\u0301ant e\u0301e\u0301", 0, 2, "ne\u0301ant e\u0301e\u0301"}, // eight in eleven
		{Style{Width: 10}, "abcdef →ab", 0, 2, "abcdef →ab"},
		{Style{Width: 10, ASCII: true}, "abcdef →ab", 0, 2, "abcdef\n  →ab"}, // "->" takes two
		{Style{Width: 10}, "a" + unbroken + "b longer than that", 8, 1, "a b\n longer\n than that"},
		{Style{Width: 3}, "longword x", 0, 0, "longword\nx"},
	} {
		if got := tt.style.wrap(tt.text, tt.start, tt.indent); got != tt.want {
			t.Errorf("%+v: %q wrapped to %q, want %q", tt.style, tt.text, got, tt.want)
		}
	}
}

func TestShownInASCII(t *testing.T) {
	for text, want := range map[string]string{
		"tcp a → b": "tcp a -> b", "8080,…": "8080,...", "time × 0.05, 38 µs": "time x 0.05, 38 us", "数据": "??", "plain": "plain", "": "",
	} {
		if got := (Style{ASCII: true}).shown(text); got != want {
			t.Errorf("%q is shown as %q, want %q", text, got, want)
		}
		if got := (Style{}).shown(text); got != text {
			t.Errorf("%q is shown as %q where UTF-8 is", text, got)
		}
	}
}

func TestBar(t *testing.T) {
	for share, want := range map[float64]string{0: "··········", 0.001: "▏·········", 0.5: "█████·····", 0.709: "███████▏··", 1: "██████████", 1.5: "██████████"} {
		if got := (Style{Bars: true}).bar(share, plain); got != (cell{want, green}) {
			t.Errorf("%v is drawn as %q, want %q", share, got, want)
		}
	}
}

// TestColumnsYield: where there is no room those that yield most go first, and
// those that do not yield stay.
func TestColumnsYield(t *testing.T) {
	type row struct{ a, b, c string }
	columns := func() table[row] {
		return table[row]{
			{title: "A", cell: textCell(func(r *row) string { return r.a })},
			{title: "B", yields: 1, cell: textCell(func(r *row) string { return r.b })},
			{title: "C", yields: 2, right: true, cell: textCell(func(r *row) string { return r.c })},
		}
	}
	widest := func(limit int, rows ...row) (cells int) {
		var b strings.Builder
		p := newPrinter(&b, Style{Width: limit})
		writeTable(p, columns(), rows)
		if err := p.flush(); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(b.String()) {
			cells = max(cells, len(strings.TrimSuffix(line, "\n")))
		}
		return cells
	}
	for limit, want := range map[int]int{0: 16, 16: 16, 15: 10, 10: 10, 9: 4, 1: 4} {
		if got := widest(limit, row{"aaaa", "bbbb", "cccc"}); got != want {
			t.Errorf("limit %d: %d cells, want %d", limit, got, want)
		}
	}
	if got := widest(0, row{a: "aaaa", c: "c"}, row{a: "a"}); got != 7 {
		t.Errorf("with an empty column %d cells, want 7", got)
	}
}

// TestSubjectsInWords has one subject of each form.
func TestSubjectsInWords(t *testing.T) {
	process := &host.Process{PID: 812, Command: "haproxy"}
	for want, subject := range map[string]finding.Subject{
		"tcp 10.0.0.2 → 10.0.0.5:80":     {Proto: "tcp", Local: "10.0.0.2", Remote: "10.0.0.5:80"},
		"tcp 10.0.0.2":                   {Proto: "tcp", Local: "10.0.0.2"},
		"tcp → 10.0.0.5:80":              {Proto: "tcp", Remote: "10.0.0.5:80"},
		"tcp":                            {Proto: "tcp"},
		"haproxy (pid 812)":              {Process: process},
		"udp 0.0.0.0, haproxy (pid 812)": {Proto: "udp", Local: "0.0.0.0", Process: process},
		"net.ipv4.tcp_tw_reuse = 1":      {Key: "net.ipv4.tcp_tw_reuse", Value: "1"},
		"net.ipv4.tcp_tw_reuse":          {Key: "net.ipv4.tcp_tw_reuse"},
		"reserved = 80, 8080":            {Key: "reserved", Value: "80,8080"},
		"postgresql.service":             {Object: "postgresql.service"},
		"fs.file-max = 9, cups.socket":   {Key: "fs.file-max", Value: "9", Object: "cups.socket"},
		"":                               {},
	} {
		if got := subjectText(&subject); got != want {
			t.Errorf("%+v: %q, want %q", subject, got, want)
		}
	}
}

func TestTheStepsOfABlock(t *testing.T) {
	cause := &Finding{Actions: []Action{
		{Step: finding.Now, Text: "a", Command: "widen"}, {Step: finding.InProgram, Text: "b"},
	}}
	effect := &Finding{Actions: []Action{
		{Step: finding.Now, Text: "c", Command: "widen"}, {Step: finding.Now, Text: "d", Command: "reuse"},
		{Step: finding.Today, Text: "e"}, {Step: finding.InProgram, Text: "f"},
	}}
	b := block{Finding: cause, effects: []*Finding{{}, effect}}
	texts := ""
	for _, step := range b.steps() {
		texts += step.Text
	}
	if texts != "adebf" || len(cause.Actions) != 2 {
		t.Errorf("steps %s, want adebf: by steps, the cause's first, each command once", texts)
	}
}

// TestStepsDoNotUndoEachOther keeps the first of two changes of one setting, also
// where a command of another finding makes the second.
func TestStepsDoNotUndoEachOther(t *testing.T) {
	sets := func(command, setting string) Action {
		return Action{Step: finding.Now, Command: command, Setting: setting}
	}
	b := block{Finding: &Finding{Actions: []Action{sets("portrange set 15000 64001", port.KeyRange)}}, effects: []*Finding{
		{Actions: []Action{sets("portrange set 32768 60999", port.KeyRange), sets("a", ""), sets("b", "")}},
	}}
	var commands []string
	for _, step := range b.steps() {
		commands = append(commands, step.Command)
	}
	if want := []string{"portrange set 15000 64001", "a", "b"}; !slices.Equal(commands, want) {
		t.Errorf("steps %q, want %q", commands, want)
	}
}
