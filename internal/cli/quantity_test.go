package cli

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// flagCase is a text and the value that prints for it, or a part of the error.
type flagCase struct{ text, want, wrong string }

func checkFlag(t *testing.T, name string, fresh func() pflag.Value, cases []flagCase) {
	t.Helper()
	for _, tt := range cases {
		value := fresh()
		err := value.Set(tt.text)
		switch {
		case tt.wrong != "" && (err == nil || !strings.Contains(err.Error(), tt.wrong)):
			t.Errorf("%s %q: error %v, want one with %q", name, tt.text, err, tt.wrong)
		case tt.wrong == "" && (err != nil || value.String() != tt.want):
			t.Errorf("%s %q: %s, %v; want %s", name, tt.text, value, err, tt.want)
		case tt.wrong == "":
			again := fresh()
			if err := again.Set(value.String()); err != nil || again.String() != value.String() {
				t.Errorf("%s %q prints as %q, which reads as %s, %v", name, tt.text, value, again, err)
			}
		}
	}
}

func TestRateFlag(t *testing.T) {
	checkFlag(t, "rate", func() pflag.Value { return new(rate) }, []flagCase{
		{text: "900/s", want: "900/s"},
		{text: "900", want: "900/s"},
		{text: " 1.5k / s ", want: "1500/s"},
		{text: "1K/s", want: "1000/s"},
		{text: "0.5M/h", want: "138.88888888888889/s"},
		{text: "900/m", want: "15/s"},
		{text: "54000/min", want: "900/s"},
		{text: "86400/day", want: "1/s"},
		{text: "1e3/s", want: "1000/s"},
		{text: "", wrong: "is no number"},
		{text: "/s", wrong: "is no number"},
		{text: "k/s", wrong: "is no number"},
		{text: "9kk/s", wrong: "is no number"},
		{text: "900/", wrong: "is no unit of time"},
		{text: "900/s/s", wrong: "is no unit of time"},
		{text: "900/ms", wrong: "is no unit of time"},
		{text: "900 per second", wrong: "is no number"},
		{text: "-1/s", wrong: "more than 0"},
		{text: "0", wrong: "more than 0"},
		{text: "nan", wrong: "more than 0"},
		{text: "-Inf/s", wrong: "more than 0"},
		{text: "1e400", wrong: "is no number"},
	})
}

func TestSpanFlag(t *testing.T) {
	checkFlag(t, "span", func() pflag.Value { return new(span) }, []flagCase{
		{text: "5s", want: "5s"},
		{text: "250ms", want: "250ms"},
		{text: "1m30s", want: "1m30s"},
		{text: "5", wrong: "a number with a unit"},
		{text: "five seconds", wrong: "a number with a unit"},
		{text: "NaNs", wrong: "a number with a unit"},
		{text: "9999999h", wrong: "a number with a unit"},
		{text: "0s", wrong: "above 0"},
		{text: "-5s", wrong: "above 0"},
	})
}

func TestPlaceFlag(t *testing.T) {
	checkFlag(t, "place", func() pflag.Value { return filled{new(string), "a name, a path, a process id or all"} }, []flagCase{
		{text: "lb1", want: "lb1"},
		{text: "all", want: "all"},
		{text: "", wrong: "want a name, a path, a process id or all"},
	})
}

func TestListFlag(t *testing.T) {
	checkFlag(t, "list", func() pflag.Value { return new(list) }, []flagCase{
		{text: "nginx", want: "nginx"},
		{text: "nginx,812", want: "nginx,812"},
		{text: "", wrong: "want a value"},
		{text: ",", wrong: "want a value"},
		{text: "nginx,", wrong: "want a value"},
		{text: `"nginx`, wrong: "want a value"},
	})
	var l list
	if err := errors.Join(l.Set("a"), l.Set("b,c")); err != nil || l.String() != "a,b,c" {
		t.Errorf("given twice: %s, %v", &l, err)
	}
}

func TestPercentageFlag(t *testing.T) {
	checkFlag(t, "percentage", func() pflag.Value { return new(percentage) }, []flagCase{
		{text: "99.9%", want: "99.9%"},
		{text: "0.999", want: "99.9%"},
		{text: "50%", want: "50%"},
		{text: "0.9%", want: "0.9%"},
		{text: "1", want: "100%"},
		{text: "99", wrong: "with its sign, such as 99%"},
		{text: "most", wrong: "is no percentage"},
		{text: "%", wrong: "is no percentage"},
	})
	var p percentage
	if err := p.Set("nan%"); err != nil || !math.IsNaN(float64(p)) {
		t.Errorf("nan%%: %v, %v; what is no confidence package capacity says", p, err)
	}
}

func TestRangeFlag(t *testing.T) {
	checkFlag(t, "range", func() pflag.Value { return new(rangeFlag) }, []flagCase{
		{text: "15000-64001", want: "15000-64001"},
		{text: "15000 64001", want: "15000-64001"},
		{text: "1-65535", want: "1-65535"},
		{text: "0-100", wrong: "want two ports"},
		{text: "64001-15000", wrong: "want two ports"},
		{text: "15000", wrong: "want two ports"},
		{text: "15000-64001-1", wrong: "want two ports"},
		{text: "1-65536", wrong: "want two ports"},
		{text: "", wrong: "want two ports"},
	})
	if got := (&rangeFlag{}).String(); got != "" {
		t.Errorf("a range not set prints as %q", got)
	}
}

func TestPortSetFlag(t *testing.T) {
	checkFlag(t, "ports", func() pflag.Value { return new(portSet) }, []flagCase{
		{text: "9150,8080,9148-9149", want: "8080,9148-9150"},
		{text: "", want: ""},
		{text: "80,http", wrong: "want a list such as"},
		{text: "9150-9148", wrong: "want a list such as"},
	})
}

func FuzzRateFlag(f *testing.F) {
	for _, text := range []string{"900/s", "1.5k/min", "-1", "0x1p-2/h", "Inf"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var r rate
		if err := r.Set(text); err == nil && !(r > 0 && !math.IsInf(float64(r), 0)) {
			t.Errorf("%q is a rate of %v", text, float64(r))
		}
	})
}
