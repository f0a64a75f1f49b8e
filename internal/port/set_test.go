package port

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func TestParseSet(t *testing.T) {
	for text, want := range map[string]string{
		"":                      "",
		"\n":                    "",
		"8080,9148-9150\n":      "8080,9148-9150",
		"9150,8080,9148-9149":   "8080,9148-9150",
		"1-3,2-5":               "1-5",
		"0,65535":               "0,65535",
		"0-65535":               "0-65535",
		"64,63,65,127-128":      "63-65,127-128",
		" 8080 , 9148 - 9150 ":  "error",
		"8080,":                 "error",
		"9150-9148":             "error",
		"65536":                 "error",
		"http":                  "error",
		"1-":                    "error",
		strings.Repeat("7,", 9): "error",
	} {
		got, err := ParseSet(text)
		if err != nil {
			if want != "error" {
				t.Errorf("ParseSet(%q): %v", text, err)
			}
			continue
		}
		if got.String() != want {
			t.Errorf("ParseSet(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestSetAlgebra(t *testing.T) {
	a, b := mustSet(t, "1-10,100"), mustSet(t, "5-20,65535")
	union, rest, both := a.Clone(), a.Clone(), a.Clone()
	union.Union(b)
	rest.Subtract(b)
	both.Intersect(b)
	for _, tt := range []struct {
		name string
		got  *Set
		want string
	}{{"union", union, "1-20,100,65535"}, {"rest", rest, "1-4,100"}, {"both", both, "5-10"}, {"a, untouched", a, "1-10,100"}} {
		if tt.got.String() != tt.want {
			t.Errorf("%s = %s, want %s", tt.name, tt.got, tt.want)
		}
	}
	if got, want := a.CountIn(b), both.Len(); got != want {
		t.Errorf("CountIn = %d, want %d", got, want)
	}
}

func TestSetAddAndRemove(t *testing.T) {
	var s Set
	if !s.Add(64) || s.Add(64) {
		t.Error("Add(64) reports fresh once, and once only")
	}
	s.Remove(64)
	if s.Contains(64) || s.Len() != 0 {
		t.Errorf("after Remove the set is %s", &s)
	}
}

func TestIterationStops(t *testing.T) {
	s := mustSet(t, "1,3,5-6")
	for p := range s.All() {
		if p == 3 {
			break
		}
	}
	spans := slices.Collect(s.Spans())
	if want := []Range{{1, 1}, {3, 3}, {5, 6}}; !slices.Equal(spans, want) {
		t.Errorf("spans %v, want %v", spans, want)
	}
}

// TestPortsIsASet holds the growing representation against a map, across the
// change from sparse to dense.
func TestPortsIsASet(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var ports Ports
	reference := map[uint16]bool{}
	for range 4 * sparseMax {
		p := uint16(random.Uint32())
		if fresh := ports.Add(p); fresh == reference[p] {
			t.Fatalf("Add(%d) = %v at size %d", p, fresh, len(reference))
		}
		reference[p] = true
		if ports.Len() != len(reference) {
			t.Fatalf("length %d, want %d", ports.Len(), len(reference))
		}
	}
	even := &Set{}
	want := 0
	for p := range 65536 {
		if ports.Contains(uint16(p)) != reference[uint16(p)] {
			t.Fatalf("Contains(%d) = %v", p, !reference[uint16(p)])
		}
		if p%2 == 0 {
			even.Add(uint16(p))
			if reference[uint16(p)] {
				want++
			}
		}
	}
	if got := ports.CountIn(even); got != want {
		t.Errorf("CountIn = %d, want %d", got, want)
	}
	if got := slices.Collect(ports.All()); len(got) != len(reference) || !slices.IsSorted(got) {
		t.Errorf("All yields %d ports, want %d in order", len(got), len(reference))
	}
}

func TestSparsePorts(t *testing.T) {
	var ports Ports
	for _, p := range []uint16{9, 3, 9, 65535, 0} {
		ports.Add(p)
	}
	if got := ports.Set().String(); got != "0,3,9,65535" {
		t.Errorf("ports %s", got)
	}
	if got := ports.CountIn(mustSet(t, "3-9")); got != 2 {
		t.Errorf("CountIn = %d, want 2", got)
	}
}

func FuzzParseSet(f *testing.F) {
	f.Add("8080,9148-9150")
	f.Add("1-2,65535")
	f.Add(",,")
	f.Fuzz(func(t *testing.T, text string) {
		set, err := ParseSet(text)
		if err != nil {
			return
		}
		again, err := ParseSet(set.String())
		if err != nil || *again != *set {
			t.Errorf("ParseSet(%q) prints as %q, which parses as %v, %v", text, set, again, err)
		}
	})
}

func mustSet(t *testing.T, text string) *Set {
	t.Helper()
	set, err := ParseSet(text)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// TestAddRange adds ports as one by one, at the edges of words and of all ports.
func TestAddRange(t *testing.T) {
	edges := []uint16{0, 1, 62, 63, 64, 65, 127, 128, 65471, 65472, 65534, 65535}
	for _, low := range edges {
		for _, high := range edges {
			got, want := &Set{}, &Set{}
			got.AddRange(low, high)
			for p := int(low); p <= int(high); p++ {
				want.Add(uint16(p))
			}
			if *got != *want {
				t.Errorf("%d-%d: got %s", low, high, got)
			}
		}
	}
}
