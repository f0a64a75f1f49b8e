//go:build amd64 || arm64

package faults

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
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

// named are faults that were found to do harm, each with words that must be said;
// none where it is a kill.
func named() []struct {
	scenario string
	fault    fault
	said     string
} {
	const (
		list    = "pwrite64 " + "/proc/sys/net/ipv4/ip_local_reserved_ports"
		journal = "write " + entriesDir + "/.portrange-tmp-00000001.json"
	)
	fails := func(key string, nth int, errno unix.Errno) fault { return fault{key: key, nth: nth, errno: errno} }
	return []struct {
		scenario string
		fault    fault
		said     string
	}{
		{"reserve long", fails(list, 1, unix.EIO), "everything is as it was before"},
		{"reserve long", fails(list, 2, unix.EIO), "everything is as it was before"},
		{"reserve longer", fails(list, 3, unix.ENOMEM), "everything is as it was before"},
		{"reserve less", fails(list, 2, unix.EIO), "everything is as it was before"},
		{"reserve less", fault{key: list, nth: 2, errno: unix.EIO, later: true}, aList + " in netns host is not as before"},
		{"reserve long", fault{key: list, nth: 2, kill: true}, ""},
		{"reserve less", fault{key: list, nth: 2, kill: true}, ""},
		{"undo long", fault{key: list, nth: 1, kill: true}, ""},
		{"undo less", fault{key: list, nth: 2, kill: true}, ""},
		{"undo less", fails(list, 2, unix.EIO), "everything is as it was before"},
		{"undo waiting", fault{key: journal, nth: 1, errno: unix.ENOSPC, later: true}, "is taken back"},
		{"set --json", fails("write "+outFile, 1, unix.ENOSPC), "change 1 ("},
		{"set --persist", fails("openat "+other, 1, unix.EIO), "--fix-conflicts"},
		{"set --persist", fails("renameat "+other, 1, unix.EPERM), "everything is as it was before"},
		{"set --persist", fault{key: "renameat " + other, nth: 1, kill: true}, ""},
	}
}
