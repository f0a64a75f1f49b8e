// Package words writes numbers, shares, times and lists as people read them, the
// same way in every sentence and column of the program.
//
// It knows no ports and no terminal: how wide a line may be and which characters
// it may hold is package report's.
package words

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Thousands is n with a comma between groups of three digits.
func Thousands(n int) string {
	if n < 0 {
		return "-" + Thousands(-n)
	}
	digits := strconv.Itoa(n)
	var b strings.Builder
	for i := range len(digits) {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteByte(digits[i])
	}
	return b.String()
}

// Count is a number with its noun: "1 port", "1,204 ports".
func Count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return Thousands(n) + " " + noun
}

// Percent is a share of 1 with one digit behind the point.
func Percent(share float64) string { return strconv.FormatFloat(share*100, 'f', 1, 64) + "%" }

// longestList is how many characters of a list are readable.
const longestList = 80

// List is a list with commas, cut behind one of them where it is too long to read.
func List(list string) string {
	if len(list) <= longestList {
		return list
	}
	return list[:strings.LastIndexByte(list[:longestList], ',')+1] + "…"
}

// IsLong reports whether [List] would cut a list.
func IsLong(list string) bool { return len(list) > longestList }

// Ports counts ports and lists them, n of them in the kernel's list form.
func Ports(n int, list string) string {
	if n == 1 {
		return "port " + list
	}
	return fmt.Sprintf("%s (%s)", Count(n, "port"), List(list))
}

// Span is a time as people say it, with one unit.
func Span(d time.Duration) string {
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < 2*time.Minute:
		return strings.TrimSuffix(strconv.FormatFloat(d.Seconds(), 'f', 1, 64), ".0") + " s"
	case d < time.Hour:
		return fmt.Sprintf("%.0f min", d.Minutes())
	case d < 48*time.Hour:
		return fmt.Sprintf("%.1f h", d.Hours())
	}
	return fmt.Sprintf("%.0f days", d.Hours()/24)
}

// Rate is a number of events a second, with three digits below 100.
func Rate(perSecond float64) string {
	if perSecond >= 100 && perSecond < 1e15 {
		return Thousands(int(perSecond+0.5)) + "/s"
	}
	return strconv.FormatFloat(perSecond, 'g', 3, 64) + "/s"
}

// Join lists texts as a sentence does: "a, b and c".
func Join(texts []string, last string) string {
	if len(texts) < 2 {
		return strings.Join(texts, "")
	}
	n := len(texts) - 1
	return strings.Join(texts[:n], ", ") + " " + last + " " + texts[n]
}
