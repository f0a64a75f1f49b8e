package act

import (
	"strings"
	"testing"

	"portrange/internal/port"
)

func TestParseRange(t *testing.T) {
	for _, words := range [][]string{{"15000", "64001"}, {"15000-64001"}, {"15000 64001"}, {"15000:64001"}, {"15000", "-", "64001"}, {"15000\t64001"}} {
		got, err := ParseRange(words)
		if err != nil || got != (port.Range{Low: 15000, High: 64001}) {
			t.Errorf("ParseRange(%q) = %v, %v", words, got, err)
		}
	}
}

func TestParseRangeExplains(t *testing.T) {
	for text, want := range map[string]string{
		"":                         "two numbers",
		"15000":                    "nearest valid range is 15000 60999",
		"64000":                    "nearest valid range is 64000 64000",
		"64000 15000":              "nearest valid range is 15000 64000",
		"15000 70000":              "nearest valid range is 15000 65535",
		"70000 80000":              "nearest valid range is 55535 65535",
		"0 65536":                  "nearest valid range is 1024 65535",
		"abc 64000":                `"abc" is not a number`,
		"15000 64000.5":            `"64000.5" is not a number`,
		"1 2 3":                    "nearest valid range is 1024 1025",
		"15000 64001 7":            "nearest valid range is 15000 64001",
		"99999999999999999999 4":   "port range 99999999999999999999-4: ports end at 65535",
		"15000 99999999999999999":  "nearest valid range is 15000 65535",
		strings.Repeat("9 ", 9999): "range of 9999 numbers",
	} {
		got, err := ParseRange(strings.Fields(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseRange(%.40q) = %v, %v; want an error with %q", text, got, err, want)
		}
	}
}

func TestAllowed(t *testing.T) {
	for _, tt := range []struct {
		r     port.Range
		start int
		want  string // of the error, empty for none
	}{
		{port.Range{Low: 1024, High: 65535}, 1024, ""},
		{port.Range{Low: 1, High: 65535}, 0, ""},
		{port.Range{Low: 0, High: 65535}, 0, "nearest valid range is 1 65535"},
		{port.Range{Low: 0, High: 65535}, 1024, "nearest valid range is 1024 65535"},
		{port.Range{Low: 1, High: 1023}, 1024, "nearest valid range is 1024 2046"},
		{port.Range{Low: 512, High: 65535}, 1024, "sysctl -w net.ipv4.ip_unprivileged_port_start=512"},
		{port.Range{Low: 15000, High: 64001}, 20000, "nearest valid range is 20000 64001"},
	} {
		err := allowed(tt.r, tt.start, "host")
		if tt.want == "" && err != nil {
			t.Errorf("%v from %d: %v", tt.r, tt.start, err)
		}
		if tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%v from %d: %v, want %q", tt.r, tt.start, err, tt.want)
		}
	}
}

func FuzzParseRange(f *testing.F) {
	f.Add("15000 64001")
	f.Add("0-65535")
	f.Add("99999999999999999999 1")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseRange([]string{text})
		if err != nil {
			return
		}
		if again, err := ParseRange([]string{r.String()}); err != nil || again != r || r.High < r.Low {
			t.Errorf("ParseRange(%q) = %v, printed and parsed again %v, %v", text, r, again, err)
		}
	})
}

func TestParsePorts(t *testing.T) {
	for _, words := range [][]string{{"8080", "9148-9150,22"}, {"8080,", "22,", "9148-9150"}, {"8080, 9148-9150 22,"}} {
		got, err := ParsePorts(words)
		if err != nil || got.String() != "22,8080,9148-9150" {
			t.Errorf("ParsePorts(%q) = %v, %v", words, got, err)
		}
	}
	for _, words := range [][]string{nil, {""}, {"http"}, {"0"}, {"70000"}, {"9-1"}, {","}} {
		if got, err := ParsePorts(words); err == nil {
			t.Errorf("ParsePorts(%q) = %v, want an error", words, got)
		}
	}
}
