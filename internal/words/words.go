// Package words writes numbers, shares, times and lists as people read them, the
// same way in every sentence and column of the program.
//
// It knows no ports and no terminal: how wide a line may be and which characters
// it may hold is package report's.
package words

import (
	"fmt"
	"math"
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

// Rounded is x as a whole number.
func Rounded(x float64) string { return Thousands(int(math.Round(x))) }

// Count is a number with its noun: "1 port", "1,204 ports".
func Count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return Thousands(n) + " " + noun
}

// Percent is a share of 1 with one digit behind the point.
func Percent(share float64) string { return strconv.FormatFloat(share*100, 'f', 1, 64) + "%" }

// Probability is a share of 1 in percent, with all its digits: 99.9% and 99.99%
// are far from each other.
func Probability(p float64) string { return strconv.FormatFloat(p*100, 'g', 10, 64) + "%" }

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

// Span is a time as people say it, with one unit: three digits of it below a
// second, one behind the point from there on.
func Span(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + Span(-d)
	case d == 0:
		return "0 s"
	case d < rounds(time.Second):
		return fraction(d)
	case d < 2*time.Minute:
		return oneDigit(d.Seconds()) + " s"
	case d < time.Hour:
		return oneDigit(d.Minutes()) + " min"
	case d < 48*time.Hour:
		return fmt.Sprintf("%.1f h", d.Hours())
	}
	return fmt.Sprintf("%.0f days", d.Hours()/24)
}

// fraction is less than a second, in the largest unit of which it is one or more.
func fraction(d time.Duration) string {
	switch {
	case d >= rounds(time.Millisecond):
		return threeDigits(float64(d)/float64(time.Millisecond)) + " ms"
	case d >= rounds(time.Microsecond):
		return threeDigits(float64(d)/float64(time.Microsecond)) + " µs"
	}
	return strconv.FormatInt(int64(d), 10) + " ns"
}

// rounds is from where on a time with three digits is one of the unit.
func rounds(unit time.Duration) time.Duration { return unit - unit/2000 }

func oneDigit(x float64) string { return strings.TrimSuffix(strconv.FormatFloat(x, 'f', 1, 64), ".0") }

func threeDigits(x float64) string { return strconv.FormatFloat(x, 'g', 3, 64) }

// Seconds is a [Span] of so many seconds.
func Seconds(s float64) string { return Span(time.Duration(math.Round(s * float64(time.Second)))) }

// Countdown is a time of a socket's timer, as short as netstat has it.
func Countdown(d time.Duration) string {
	if d >= time.Minute {
		return d.Round(time.Second).String()
	}
	return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + "s"
}

// Moment is a point in time, in UTC.
func Moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 MST") }

// Rate is a number of events a second, as "470/s".
func Rate(perSecond float64) string { return frequency(perSecond) + "/s" }

// PerSecond is the same in a sentence, with the noun of one: "470 ports a second".
func PerSecond(rate float64, noun string) string {
	number := frequency(rate)
	if number != "1" {
		noun += "s"
	}
	return number + " " + noun + " a second"
}

func frequency(n float64) string {
	if n >= 100 && n < 1e15 {
		return Rounded(n)
	}
	return threeDigits(n)
}

// Join lists texts as a sentence does: "a, b and c".
func Join(texts []string, last string) string {
	if len(texts) < 2 {
		return strings.Join(texts, "")
	}
	n := len(texts) - 1
	return strings.Join(texts[:n], ", ") + " " + last + " " + texts[n]
}
