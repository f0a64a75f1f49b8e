package services

import (
	"slices"
	"strings"
	"testing"

	"portrange/internal/port"
)

func TestEntries(t *testing.T) {
	byName := func(a, b Daemon) int { return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)) }
	if !slices.IsSortedFunc(catalogue, byName) {
		t.Error("the catalogue is not in order of names")
	}
	for _, d := range catalogue {
		ports, err := port.ParseSet(d.Ports)
		if err != nil || ports.Len() == 0 {
			t.Errorf("%s: ports %q: %v", d.Name, d.Ports, err)
			continue
		}
		if ports.String() != d.Ports {
			t.Errorf("%s: ports %q, in the kernel's form %s", d.Name, d.Ports, ports)
		}
		for p := range ports.All() {
			if p < 1024 {
				t.Errorf("%s: port %d can never come into a range by default", d.Name, p)
			}
		}
		if !strings.Contains(d.Source, "https://") {
			t.Errorf("%s: source %q", d.Name, d.Source)
		}
		if len(d.Units) == 0 {
			t.Errorf("%s: no unit tells that it is installed", d.Name)
		}
	}
}

func TestServicesOfADaemon(t *testing.T) {
	for unit, want := range map[string]bool{
		"postgresql.service":         true,
		"postgresql@.service":        true,
		"postgresql@15-main.service": true,
		"postgresql.socket":          false,
		"postgresqld.service":        false,
		"mysql@15.service":           false,
	} {
		claims := units{root: opened(t, t.TempDir()), path: map[string]string{unit: unit}}.daemons()
		if got := len(claims) == 1 && claims[0].Who == "PostgreSQL"; got != want || !want && len(claims) > 0 {
			t.Errorf("%s: claims %+v", unit, claims)
		}
	}
}
