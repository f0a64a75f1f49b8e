package report_test

import (
	"bufio"
	"bytes"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"portrange/internal/host"
	"portrange/internal/report"
)

// wideNames take more or fewer cells than they have characters.
func wideNames() []string {
	return []string{"nginx", "数据库服务", "ne\u0301ant", "👩‍👩‍👧", "ｆｕｌｌ", "한국어"}
}

// TestColumnsAlignByCells: a column begins at the same cell of every line.
func TestColumnsAlignByCells(t *testing.T) {
	var out bytes.Buffer
	w := bufio.NewWriter(&out)
	printer := report.NewSocketsText(w, true, report.Style{})
	for _, name := range wideNames() {
		s := report.Socket{Name: name, Proto: "tcp", Local: "10.0.0.2:40000", Remote: "10.0.0.5:80", State: "established", User: name, UID: new(uint32)}
		if err := printer.Write(&s); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	at := func(line, word string) int { return ansi.StringWidth(line[:strings.Index(line, word)]) }
	for _, line := range lines[1:] {
		if at(line, "tcp") != at(lines[0], "PROTO") || at(line, "ESTABLISHED") != at(lines[0], "STATE") {
			t.Errorf("columns of\n%s\n%s", lines[0], line)
		}
	}
}

// TestPoolsOfWideNamesFit: a line of wide names is as wide as the terminal at most.
func TestPoolsOfWideNamesFit(t *testing.T) {
	for _, name := range wideNames() {
		show := busyHost()
		show.Namespaces[0].Pools[0].Owners[0].Process = host.Process{PID: 812, Command: strings.Repeat(name, 4)}
		show.Namespaces[1].Name = strings.Repeat(name+" ", 9)
		for _, style := range []report.Style{{Width: 100}, {Width: 120, Bars: true}, {Width: 140, ASCII: true}} {
			var out bytes.Buffer
			if err := report.WriteShow(&out, show, 0, style); err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(out.String()) {
				if n := ansi.StringWidth(strings.TrimSuffix(line, "\n")); n > style.Width && !strings.HasPrefix(line, "Network namespace") {
					t.Errorf("%s at width %d: %d cells in %q", name, style.Width, n, line)
				}
			}
		}
	}
}

// TestNoBarsWithoutUTF8: a bar has no form in ASCII.
func TestNoBarsWithoutUTF8(t *testing.T) {
	var plain, barred bytes.Buffer
	for out, style := range map[*bytes.Buffer]report.Style{&plain: {Width: 160, ASCII: true}, &barred: {Width: 160, ASCII: true, Bars: true}} {
		if err := report.WriteShow(out, busyHost(), 0, style); err != nil {
			t.Fatal(err)
		}
	}
	if plain.String() != barred.String() {
		t.Errorf("with bars\n%s\nwithout\n%s", barred.String(), plain.String())
	}
}

// BenchmarkSocketsText prints a host with many connections.
func BenchmarkSocketsText(b *testing.B) {
	s := someSockets()[1]
	w := bufio.NewWriter(new(bytes.Buffer))
	for b.Loop() {
		var out bytes.Buffer
		w.Reset(&out)
		printer := report.NewSocketsText(w, true, report.Style{Width: 160})
		for range 50_000 {
			if err := printer.Write(&s); err != nil {
				b.Fatal(err)
			}
		}
	}
}
