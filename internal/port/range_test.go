package port

import "testing"

func TestParseRange(t *testing.T) {
	for text, want := range map[string]Range{
		"32768\t60999\n": {32768, 60999},
		"15000 64000":    {15000, 64000},
		"1024 1024":      {1024, 1024},
		"0 65535":        {0, 65535},
	} {
		got, err := ParseRange(text)
		if err != nil || got != want {
			t.Errorf("ParseRange(%q) = %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "32768", "a b", "1 2 3", "60999 32768", "0 65536", "-1 5", "1024 1e4"} {
		if got, err := ParseRange(text); err == nil {
			t.Errorf("ParseRange(%q) = %v, want an error", text, got)
		}
	}
}

func TestRangeSize(t *testing.T) {
	for _, tt := range []struct {
		r      Range
		size   int
		parity bool
	}{
		{DefaultRange, 28232, false},
		{Range{15000, 64000}, 49001, true},
		{Range{15000, 64001}, 49002, false},
		{Range{40000, 40000}, 1, false},
		{Range{0, 65535}, 65536, false},
	} {
		if got := tt.r.Size(); got != tt.size {
			t.Errorf("%v: size %d, want %d", tt.r, got, tt.size)
		}
		if got := tt.r.Set().Len(); got != tt.size {
			t.Errorf("%v: set of %d ports, want %d", tt.r, got, tt.size)
		}
		if got := tt.r.SameParity(); got != tt.parity {
			t.Errorf("%v: same parity %v, want %v", tt.r, got, tt.parity)
		}
	}
}

func TestRangeContains(t *testing.T) {
	for p, want := range map[uint16]bool{32767: false, 32768: true, 50000: true, 60999: true, 61000: false} {
		if got := DefaultRange.Contains(p); got != want {
			t.Errorf("Contains(%d) = %v", p, got)
		}
	}
}

func TestRangeWithout(t *testing.T) {
	reserved, err := ParseSet("39999,40002,40004-50000")
	if err != nil {
		t.Fatal(err)
	}
	rest := Range{40000, 40005}.Without(reserved)
	if got, want := rest.String(), "40000-40001,40003"; got != want || reserved.Len() != 9999 {
		t.Errorf("%q is left, want %q; %d ports reserved, want 9999", got, want, reserved.Len())
	}
}

func FuzzParseRange(f *testing.F) {
	f.Add("32768\t60999\n")
	f.Add("1 65535")
	f.Add("9 1")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseRange(text)
		if err != nil {
			return
		}
		if again, err := ParseRange(r.String()); err != nil || again != r {
			t.Errorf("ParseRange(%q) = %v, printed and parsed again %v, %v", text, r, again, err)
		}
	})
}
