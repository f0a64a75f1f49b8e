package boot

import (
	"strconv"
	"strings"

	"portrange/internal/port"
)

// skipSpaces goes by the kernel's isspace (lib/ctype.c), which counts the
// no-break space of Latin-1 in.
func skipSpaces(text string) string {
	n := 0
	for n < len(text) && (strings.IndexByte(cSpace, text[n]) >= 0 || text[n] == 0xa0) {
		n++
	}
	return text[n:]
}

// scanner walks through the text of a write.
type scanner struct{ rest string }

// maxDigits is the longest number the kernel looks at, TMPBUFLEN - 1 less one.
const maxDigits = 20

// number is proc_get_long: a decimal, octal (0...) or hexadecimal (0x...)
// number up to a separator or the end, and that separator.
func (s *scanner) number(separators string) (int, byte, error) {
	digits := strings.TrimPrefix(s.rest, "-")
	if len(s.rest) == 1 {
		digits = s.rest
	}
	length := numberLength(digits)
	if length == 0 {
		return 0, 0, refuse("%q: not a number", shown(s.rest))
	}
	sign, rest := len(s.rest)-len(digits), digits[length:]
	digits = digits[:length]
	if length > 1 && digits[0] == '0' && digits[1]|0x20 != 'x' {
		// C's octal number as Go reads one, free of leading zeros that would mean something else.
		digits = "0o" + digits[1:]
	}
	number, err := strconv.ParseInt(s.rest[:sign]+digits, 0, 64)
	if err != nil || sign+length > maxDigits {
		return 0, 0, refuse("%q: too large", shown(s.rest))
	}
	if rest == "" {
		s.rest = ""
		return int(number), 0, nil
	}
	if !strings.Contains(separators, rest[:1]) {
		return 0, 0, refuse("%q: not a number", shown(s.rest))
	}
	s.rest = rest
	return int(number), rest[0], nil
}

// numberLength is how many bytes strtoul takes with base 0.
func numberLength(text string) int {
	const hexadecimal = "0123456789abcdefABCDEF"
	accepted, n := "0123456789", 0
	if len(text) > 2 && text[0] == '0' && text[1]|0x20 == 'x' && strings.IndexByte(hexadecimal, text[2]) >= 0 {
		accepted, n = hexadecimal, 2
	} else if strings.HasPrefix(text, "0") {
		accepted = "01234567"
	}
	for n < len(text) && strings.IndexByte(accepted, text[n]) >= 0 {
		n++
	}
	return n
}

// ports parses a list of ports and ranges into set. Where the text was cut at the end
// of a page, an item that may go on after the cut is left unread.
func (s *scanner) ports(set *port.Set, cut bool) (unread int, err error) {
	for s.rest = strings.TrimLeft(s.rest, "\n"); s.rest != ""; s.rest = strings.TrimLeft(s.rest, "\n") {
		item := len(s.rest)
		low, separator, err := s.port("-,\n")
		if cut && len(s.rest) <= 1 {
			return item, err
		}
		if err != nil {
			return 0, err
		}
		s.skip()
		high := low
		if separator == '-' {
			high, _, err = s.port(",\n\x00")
			if cut && s.rest == "" {
				return item, err
			}
			if err != nil {
				return 0, err
			}
			s.skip()
		}
		if high < low {
			return 0, refuse("%d-%d: the end is below the start", low, high)
		}
		set.AddRange(low, high)
	}
	return 0, nil
}

func (s *scanner) port(separators string) (uint16, byte, error) {
	negative := strings.HasPrefix(s.rest, "-")
	number, separator, err := s.number(separators)
	if err == nil && (negative || number > maxPort) {
		err = refuse("%d: not a port", number)
	}
	return uint16(number), separator, err
}

func (s *scanner) skip() {
	if s.rest != "" {
		s.rest = s.rest[1:]
	}
}

// shown is the start of a text, short enough for a message.
func shown(text string) string {
	text = strings.TrimSuffix(text, "\n")
	if len(text) > 40 {
		return text[:40] + "..."
	}
	return text
}
