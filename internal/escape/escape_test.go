package escape_test

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"portrange/internal/escape"
)

// hostile has one of each: a terminal's escape, C0, C1, DEL, bidirectional and
// zero-width controls, line breaks, a tag character beyond 16 bits and a lone byte.
const hostile = "a\x1b[2Jb\u009b2Jc\x7fd\u202ee\u2066f\u200eg\u061ch\u200bi\nj\u2028k\U000E0041l\xffm<&>\"'"

func TestEachOutput(t *testing.T) {
	const line = `a?[2Jb?2Jc?d?e?f?g?h?i j k?l` + "\ufffd" + `m<&>"'`
	if got := escape.Line(hostile); got != line {
		t.Errorf("line %q, want %q", got, line)
	}
	if got := escape.Printable("a\n\tb"); got != "a??b" {
		t.Errorf("name %q", got)
	}
	var text struct {
		Text string `xml:",chardata"`
	}
	if err := xml.Unmarshal([]byte("<t>"+escape.XML(hostile)+"</t>"), &text); err != nil || text.Text != escape.Printable(hostile) {
		t.Errorf("XML %q, %v", text.Text, err)
	}
	var b strings.Builder
	n, err := escape.Writer{To: &b}.Write([]byte("a\tb\x1b\n\u202e\n"))
	if b.String() != "a?b?\n?\n" || n != 9 || err != nil {
		t.Errorf("words %q, %d, %v", b.String(), n, err)
	}
}

func TestPrintable(t *testing.T) {
	for name, want := range map[string]string{
		"nginx": "nginx", "a\x1b[31mb": "a?[31mb", "a\nb\tc\r": "a?b?c?", "\u009b2J": "?2J", "x\u202egnp.exe": "x?gnp.exe", "\u2066x\u2069": "?x?",
		"a\u00a0b": "a?b", "a\u2028b": "a?b", "\xff": "\ufffd", "数据库": "数据库", "ne\u0301ant": "ne\u0301ant", "a\u200bb": "a?b",
	} {
		if got := escape.Printable(name); got != want {
			t.Errorf("%q is printed as %q, want %q", name, got, want)
		}
	}
}

var errFull = errors.New("full")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestWriterPassesErrorsOn(t *testing.T) {
	if n, err := (escape.Writer{To: full{}}).Write([]byte("a")); n != 0 || !errors.Is(err, errFull) {
		t.Errorf("%d, %v", n, err)
	}
}

func TestJSONStaysAsItIs(t *testing.T) {
	const plain = "{\n  \"name\": \"Grüße, 日本 \\u001b\"\n}\n"
	if got := escape.JSON([]byte(plain)); string(got) != plain {
		t.Errorf("%q became %q", plain, got)
	}
}

// FuzzJSON has a parser read the same from the escaped document.
func FuzzJSON(f *testing.F) {
	f.Add(hostile)
	f.Add("\U0010FFFF\ufeff\u00a0")
	f.Fuzz(func(t *testing.T, name string) {
		document, err := json.MarshalIndent(map[string]string{name: name}, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		got := escape.JSON(document)
		if shown := (escape.Printable(strings.ReplaceAll(string(got), "\n", ""))); shown != strings.ReplaceAll(string(got), "\n", "") {
			t.Errorf("%q shows %q", name, got)
		}
		var back map[string]string
		if err := json.Unmarshal(got, &back); err != nil {
			t.Fatalf("%q: %v", got, err)
		}
		if want := strings.ToValidUTF8(name, "\ufffd"); utf8.ValidString(name) && back[want] != want {
			t.Errorf("%q came back as %q", want, back)
		}
	})
}
