package boot

import (
	"slices"
	"strings"
)

// matches is fnmatch(3) of the GNU C library with FNM_PERIOD, on one component
// of a path and in the C locale. path.Match is another language: it knows
// neither [!...] nor character classes, and refuses patterns that fnmatch takes
// literally.
func matches(pattern, name string) bool {
	if strings.HasPrefix(name, ".") && pattern != "" && strings.IndexByte("*?[", pattern[0]) >= 0 {
		return false
	}
	var afterStar, unmatched string // where to go on when the last star takes one byte more
	starred := false
	for pattern != "" || name != "" {
		if strings.HasPrefix(pattern, "*") {
			pattern = strings.TrimLeft(pattern, "*")
			afterStar, unmatched, starred = pattern, name, true
			continue
		}
		if pattern != "" && name != "" {
			if rest, ok := matchOne(pattern, name[0]); ok {
				pattern, name = rest, name[1:]
				continue
			}
		}
		if !starred || unmatched == "" {
			return false
		}
		unmatched = unmatched[1:]
		pattern, name = afterStar, unmatched
	}
	return true
}

// matchOne matches what a pattern begins with against one byte, and returns
// the rest of the pattern.
func matchOne(pattern string, c byte) (rest string, ok bool) {
	switch pattern[0] {
	case '?':
		return pattern[1:], true
	case '\\':
		if len(pattern) == 1 {
			return "", false
		}
		return pattern[2:], pattern[1] == c
	case '[':
		if rest, ok, closed := matchBracket(pattern[1:], c); closed {
			return rest, ok
		}
	}
	return pattern[1:], pattern[0] == c
}

// matchBracket matches a bracket expression, given without its opening
// bracket. One that is never closed is no expression.
func matchBracket(set string, c byte) (rest string, ok, closed bool) {
	negated := set != "" && (set[0] == '!' || set[0] == '^')
	if negated {
		set = set[1:]
	}
	found, classless := false, false // no class ends in the rest of the set
	for first := true; set != ""; first = false {
		if set[0] == ']' && !first {
			return set[1:], found != negated, true
		}
		if body, begins := strings.CutPrefix(set, "[:"); begins && !classless {
			class, after, ends := strings.Cut(body, ":]")
			if classless = !ends; ends {
				found = found || inClass(class, c)
				set = after
				continue
			}
		}
		low, after, whole := cutMember(set)
		high := low
		if whole && len(after) > 1 && after[0] == '-' && after[1] != ']' {
			high, after, whole = cutMember(after[1:])
		}
		if !whole {
			return "", false, false
		}
		found = found || low <= c && c <= high
		set = after
	}
	return "", false, false
}

// cutMember takes one character off a bracket expression.
func cutMember(set string) (c byte, rest string, ok bool) {
	if set[0] != '\\' {
		return set[0], set[1:], true
	}
	if len(set) < 2 {
		return 0, "", false
	}
	return set[1], set[2:], true
}

// inClass reports whether c is in a class such as digit, which is written [:digit:].
func inClass(class string, c byte) bool {
	lower, upper, digit := 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9'
	switch class {
	case "lower":
		return lower
	case "upper":
		return upper
	case "alpha":
		return lower || upper
	case "digit":
		return digit
	case "alnum":
		return lower || upper || digit
	case "xdigit":
		return digit || 'a' <= c|0x20 && c|0x20 <= 'f'
	case "punct":
		return c > ' ' && c < 0x7f && !lower && !upper && !digit
	case "graph":
		return c > ' ' && c < 0x7f
	case "print":
		return c >= ' ' && c < 0x7f
	case "space":
		return strings.IndexByte(cSpace, c) >= 0
	case "blank":
		return c == ' ' || c == '\t'
	}
	return false
}

// braces expands {a,b} as glob(3) with GLOB_BRACE, and yields what comes of it. A
// pattern with braces that do not pair is taken as it is, and so is one without.
// Each step must be afforded by its length; false tells that one was not, and that
// alternatives are missing.
func braces(pattern string, afford func(bytes int) bool, yield func(alternative string)) bool {
	if !afford(len(pattern)) {
		return false
	}
	open := unescaped(pattern, '{')
	if open < 0 {
		yield(pattern)
		return true
	}
	alternatives, rest, paired := cutBraces(pattern[open+1:])
	if !paired {
		yield(pattern)
		return true
	}
	for _, alternative := range alternatives {
		if !braces(pattern[:open]+alternative+rest, afford, yield) {
			return false
		}
	}
	return true
}

func unescaped(pattern string, c byte) int {
	for i := 0; i < len(pattern); i++ {
		switch pattern[i] {
		case c:
			return i
		case '\\':
			i++
		}
	}
	return -1
}

// cutBraces splits what follows an opening brace at its commas.
func cutBraces(text string) (alternatives []string, rest string, paired bool) {
	depth, start := 0, 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '{':
			depth++
		case ',':
			if depth == 0 {
				alternatives = append(alternatives, text[start:i])
				start = i + 1
			}
		case '}':
			if depth == 0 {
				return append(alternatives, text[start:i]), text[i+1:], true
			}
			depth--
		}
	}
	return nil, "", false
}

// globKeys is what glob(3) finds for a pattern among paths. A path it finds is
// written like the pattern, with doubled slashes and dots where that has them:
// both programs go on to compare that text with keys.
func globKeys(pattern string, paths []string) []string {
	var found []string
	for _, path := range paths {
		if text, ok := walk(pattern, path, matches); ok {
			found = append(found, text)
		}
	}
	slices.Sort(found)
	return found
}

// walk goes along a path that may hold empty components, "." and "..", and
// tells whether it ends at file. It returns the path with each component
// replaced by the one of file it matched.
func walk(path, file string, match func(component, name string) bool) (string, bool) {
	components, names := strings.Split(path, "/"), strings.Split(file, "/")
	depth, last := 0, len(components)-1
	for i, component := range components {
		switch {
		case depth == len(names):
			return "", false // a file is no directory
		case i < last && (component == "" || component == "."):
		case i < last && component == ".." && depth > 0:
			depth--
		case match(component, names[depth]):
			components[i] = names[depth]
			depth++
		case i < last && components[i+1] == "..": // into another directory and back
			depth++
		default:
			return "", false
		}
	}
	return strings.Join(components, "/"), depth == len(names)
}
