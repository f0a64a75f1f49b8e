package boot

import (
	"fmt"
	"strings"
)

// row is one line of a file, comments and all.
type row struct {
	line int // counted in newlines from 1, as an editor does
	text string
}

// systemdLineMax is LONG_LINE_MAX of systemd: a longer line ends the file.
const systemdLineMax = 1 << 20

// systemdRows splits a file as read_line_full of src/basic/fileio.c: a line
// ends at a newline, a carriage return or a zero byte, or at a run of them: each
// at most once, a zero byte last. An overlong line is an error; the rows before it count.
func systemdRows(data string, yield func(row)) error {
	for line := 1; data != ""; {
		length := strings.IndexAny(data, "\n\r\x00")
		if length < 0 {
			length = len(data)
		}
		if length >= systemdLineMax {
			return fmt.Errorf("line %d is longer than %d bytes: "+
				"systemd-sysctl ignores it and the rest of the file", line, systemdLineMax-1)
		}
		end := length
		for end < len(data) && strings.IndexByte("\n\r\x00", data[end]) >= 0 {
			marker := data[length:end]
			if strings.IndexByte(marker, data[end]) >= 0 || strings.HasSuffix(marker, "\x00") {
				break
			}
			end++
		}
		yield(row{line: line, text: data[:length]})
		line += strings.Count(data[length:end], "\n")
		data = data[end:]
	}
	return nil
}

// procpsRows splits a file as getline(3). procps then works on C strings,
// which end at a zero byte.
func procpsRows(data string, yield func(row)) {
	for line := 1; data != ""; line++ {
		text, rest, _ := strings.Cut(data, "\n")
		text, _, _ = strings.Cut(text, "\x00")
		yield(row{line: line, text: text})
		data = rest
	}
}

// entry is what a line of a sysctl.d file says.
type entry struct {
	key     string // in the program's own normal form; may be a glob
	value   string
	exclude bool // a leading - and no value
	lenient bool // a leading - and a value: failure is not reported
}

// systemdSpace is WHITESPACE of systemd: neither \v nor \f.
const systemdSpace = " \t\n\r"

// systemdEntry is the inner loop of parse_file in src/sysctl/sysctl.c. It
// returns false for a line that says nothing.
func systemdEntry(text string) (entry, bool) {
	text = strings.Trim(text, systemdSpace)
	if text == "" || strings.ContainsAny(text[:1], "#;") {
		return entry{}, false
	}
	key, value, assigns := strings.Cut(text, "=")
	key, dash := strings.CutPrefix(key, "-")
	if !assigns && !dash {
		return entry{}, false
	}
	key = simplified(swapped(strings.Trim(key, systemdSpace))) // sysctl_normalize of src/basic/sysctl-util.c
	if len(key) > 1 {
		key = strings.TrimPrefix(key, "/")
	}
	return entry{
		key:     key,
		value:   strings.Trim(value, systemdSpace),
		exclude: !assigns,
		lenient: assigns && dash,
	}, true
}

// swapped turns a key written with dots into one with slashes: where the first
// separator is a dot, dots and slashes change places.
func swapped(key string) string {
	first := strings.IndexAny(key, "./")
	if first < 0 || key[first] == '/' {
		return key
	}
	b := []byte(key)
	for i, c := range b {
		switch c {
		case '.':
			b[i] = '/'
		case '/':
			b[i] = '.'
		}
	}
	return string(b)
}

// nameMax is NAME_MAX; path_simplify gives up at a longer component.
const nameMax = 255

// simplified is path_simplify of src/basic/path-util.c: repeated slashes, "."
// and a trailing slash go, ".." stays.
func simplified(path string) string {
	if path == "" {
		return ""
	}
	var kept []string
	for rest := path; rest != ""; {
		component, after, _ := strings.Cut(rest, "/")
		if len(component) > nameMax {
			kept = append(kept, rest)
			break
		}
		if component != "" && component != "." {
			kept = append(kept, component)
		}
		rest = after
	}
	simple := strings.Join(kept, "/")
	if strings.HasPrefix(path, "/") {
		return "/" + simple
	}
	if simple == "" {
		return "."
	}
	return simple
}

// cSpace is what isspace(3) accepts in the C locale.
const cSpace = " \t\n\v\f\r"

// procpsEntry is parse_setting_line and setting_new of src/sysctl.c. Unlike
// systemd it keeps white space between the dash and the key, which then names
// nothing, and it drops a second dash.
func procpsEntry(text string) (entry, bool) {
	text = strings.TrimLeft(text, cSpace)
	if len(text) < 2 || text[0] == '#' || text[0] == ';' {
		return entry{}, false
	}
	key, value, assigns := strings.Cut(text, "=")
	key, dash := strings.CutPrefix(key, "-")
	if !assigns && !dash {
		return entry{}, false
	}
	key = strings.TrimPrefix(strings.TrimRight(key, cSpace), "-")
	return entry{
		key:     swapped(key),
		value:   strings.Trim(value, cSpace),
		exclude: !assigns,
		lenient: assigns && dash,
	}, true
}

// isGlob is string_is_glob of both programs.
func isGlob(key string) bool { return strings.ContainsAny(key, "*?[") }
