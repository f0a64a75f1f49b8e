package cli

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"portrange/internal/port"
)

// rate is a flag that takes connections per unit of time; its value is per second.
type rate float64

var rateUnits = map[string]float64{
	"s": 1, "sec": 1, "second": 1, "m": 60, "min": 60, "minute": 60,
	"h": 3600, "hour": 3600, "d": 86400, "day": 86400,
}

var rateFactors = map[byte]float64{'k': 1e3, 'K': 1e3, 'M': 1e6}

// Set takes a rate such as 900/s, 1.5k/s, 54000/min, or a number per second.
func (r *rate) Set(text string) error {
	number, unit, found := strings.Cut(strings.TrimSpace(text), "/")
	seconds := 1.0
	if found {
		if seconds = rateUnits[strings.TrimSpace(unit)]; seconds == 0 {
			return fmt.Errorf("%q is no unit of time; want a rate such as 900/s, 1.5k/s or 54000/min", unit)
		}
	}
	digits, factor := strings.TrimSpace(number), 1.0
	if end := len(digits) - 1; end > 0 && rateFactors[digits[end]] > 0 {
		digits, factor = digits[:end], rateFactors[digits[end]]
	}
	value, err := strconv.ParseFloat(digits, 64)
	if err != nil {
		return fmt.Errorf("%q is no number; want a rate such as 900/s, 1.5k/s or 54000/min", number)
	}
	perSecond := value * factor / seconds
	if !(perSecond > 0) || math.IsInf(perSecond, 0) { // NaN too
		return errors.New("want more than 0 connections per second")
	}
	*r = rate(perSecond)
	return nil
}

// String is the rate per second.
func (r *rate) String() string {
	if *r == 0 {
		return ""
	}
	return strconv.FormatFloat(float64(*r), 'g', -1, 64) + "/s"
}

// Type names the value in the help.
func (*rate) Type() string { return "N/s" }

// span is a flag that takes a duration above 0, with its unit.
type span time.Duration

// Set takes a duration such as 5s, 250ms or 1m30s.
func (s *span) Set(text string) error {
	value, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf("%q is no duration; want a number with a unit, such as 5s, 250ms or 1m30s", text)
	}
	if value <= 0 {
		return errors.New("want a duration above 0")
	}
	*s = span(value)
	return nil
}

// String is the duration with its unit.
func (s *span) String() string {
	if *s == 0 {
		return ""
	}
	return time.Duration(*s).String()
}

// Type names the value in the help.
func (*span) Type() string { return "TIME" }

// percentage is a flag that takes a percentage, or a share of one as a number.
type percentage float64

// Set takes 99.9% or 0.999.
func (p *percentage) Set(text string) error {
	number, isPercent := strings.CutSuffix(strings.TrimSpace(text), "%")
	value, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return fmt.Errorf("%q is no percentage; want one such as 99.9%%", text)
	}
	if isPercent {
		value /= 100
	} else if value > 1 {
		return fmt.Errorf("%q: want a percentage with its sign, such as %s%%, or a share such as 0.999", text, text)
	}
	*p = percentage(value)
	return nil
}

// String is the percentage with its sign.
func (p *percentage) String() string {
	return strconv.FormatFloat(float64(*p)*100, 'g', 10, 64) + "%"
}

// Type names the value in the help.
func (*percentage) Type() string { return "PERCENT" }

// rangeFlag is a flag that takes a port range; nil until it is set.
type rangeFlag struct{ value *port.Range }

// Set takes LOW-HIGH, or the kernel's form with a space.
func (r *rangeFlag) Set(text string) error {
	parsed, err := port.ParseRange(strings.Replace(text, "-", " ", 1))
	if err != nil || parsed.Low == 0 {
		return fmt.Errorf("%q: want two ports, LOW-HIGH, from 1 to 65535, such as 15000-64001", text)
	}
	r.value = &parsed
	return nil
}

// String is the range in the form that Set takes.
func (r *rangeFlag) String() string {
	if r.value == nil {
		return ""
	}
	return strings.Replace(r.value.String(), " ", "-", 1)
}

// Type names the value in the help.
func (*rangeFlag) Type() string { return "LOW-HIGH" }

// portSet is a flag that takes a list of ports; nil until it is set.
type portSet struct{ value *port.Set }

// Set takes the kernel's form, such as 8080,9148-9150; an empty one is no port.
func (s *portSet) Set(text string) error {
	set, err := port.ParseSet(text)
	if err != nil {
		return fmt.Errorf("%w; want a list such as 8080,9148-9150", err)
	}
	s.value = set
	return nil
}

// String is the list in the kernel's form.
func (s *portSet) String() string {
	if s.value == nil {
		return ""
	}
	return s.value.String()
}

// Type names the value in the help.
func (*portSet) Type() string { return "PORTS" }
