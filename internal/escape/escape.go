// Package escape writes text that others chose so that it can be read and does
// nothing else where it is shown.
//
// Names of processes, users, containers, units, files and network namespaces are
// chosen by whoever makes them, who need not be friends with the administrator that
// reads them: a name may hold the escape sequences of a terminal (ECMA-48), the
// eight-bit controls that some take for them (C1, U+0080 to U+009F), controls that turn
// text round or hide it (Unicode, UAX #9 and general category Cf), line breaks and
// bytes that are no UTF-8. Each output has one function here, which nothing gets past.
//
// The package knows outputs. It refuses to know what is written there.
package escape

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Printable is a name for a terminal: a question mark in place of what does not show,
// a line break too, and U+FFFD for what is no UTF-8.
func Printable(name string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, name)
}

// Text is text of several lines for a terminal: [Printable], but for the line breaks.
func Text(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, text)
}

// Line is [Printable] text on one line, with single spaces: for messages, for a
// comment in a file of settings, and for the line of a plugin.
func Line(text string) string { return Printable(strings.Join(strings.Fields(text), " ")) }

// XML is text between tags of an XML file, such as SVG, or within quotes there.
func XML(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(Printable(text))) // a Builder takes everything
	return b.String()
}

// JSON takes a JSON document as encoding/json writes it, and writes what does not
// show as \uXXXX (RFC 8259, section 7), so that a parser still reads the very same
// names. Line breaks and spaces between the values stay.
func JSON(document []byte) []byte {
	clean := document[:0:0]
	start := 0 // of what was not copied yet
	for i := 0; i < len(document); {
		r, size := utf8.DecodeRune(document[i:])
		if r != '\n' && !unicode.IsPrint(r) || r == utf8.RuneError && size == 1 {
			clean = appendEscaped(append(clean, document[start:i]...), r)
			start = i + size
		}
		i += size
	}
	if start == 0 {
		return document
	}
	return append(clean, document[start:]...)
}

func appendEscaped(text []byte, r rune) []byte {
	if high, low := utf16.EncodeRune(r); high != unicode.ReplacementChar {
		return fmt.Appendf(text, `\u%04x\u%04x`, high, low)
	}
	return fmt.Appendf(text, `\u%04x`, r)
}

// Writer passes [Text] on, to standard error or wherever words go. A character must
// not be split between two writes.
type Writer struct{ To io.Writer }

// Write writes text, and reports all of it as written where that succeeds.
func (w Writer) Write(text []byte) (int, error) {
	if _, err := io.WriteString(w.To, Text(string(text))); err != nil {
		return 0, err
	}
	return len(text), nil
}
