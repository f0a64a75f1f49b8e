//go:build amd64 || arm64

package faults

import (
	"fmt"
	"slices"
	"strings"
)

// scenario is a command and what comes before it.
type scenario struct {
	name     string
	reserved string // at the start
	before   [][]string
	command  []string
}

// Lists of reserved ports that take several writes, the second one with every
// other port of the first.
func longList(step int) string {
	var items []string
	for p := 20000; p < 24400; p += step {
		items = append(items, fmt.Sprint(p))
	}
	return strings.Join(items, ",")
}

func scenarios() []scenario {
	change := func(words ...string) []string { return append(words, "--yes", "--source", "netlink") }
	undo := []string{"undo", "--yes"}
	set := change("set", "15000", "64001")
	persist := append(slices.Clone(set), "--persist", "--fix-conflicts")
	wait := append(slices.Clone(persist), "--confirm", "1h")
	long, longer := longList(4), longList(2)
	start := settings[aList]
	return []scenario{
		{"set", start, nil, set},
		{"set --persist", start, nil, persist},
		{"set --json", start, nil, append(slices.Clone(persist), "--json")},
		{"reserve", start, nil, change("reserve", "add", "8081", "--persist")},
		{"reserve long", start, nil, change("reserve", "add", longer, "--persist")},
		{"reserve longer", long, nil, change("reserve", "add", longer)},
		{"reserve less", longer, nil, change("reserve", "remove", long)},
		{"undo", start, [][]string{persist}, undo},
		{"undo long", start, [][]string{change("reserve", "add", longer, "--persist")}, undo},
		{"undo less", longer, [][]string{change("reserve", "remove", long)}, undo},
		{"set --confirm", start, nil, wait},
		{"undo waiting", start, [][]string{wait}, undo},
		{"confirm", start, [][]string{wait}, []string{"confirm"}},
	}
}
