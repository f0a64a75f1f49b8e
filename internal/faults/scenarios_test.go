//go:build amd64 || arm64

package faults

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// unconfirmed is when the clock strikes, faulty how long at most its calls fail
// after that, and patience how long it may take then.
const (
	unconfirmed = time.Second
	faulty      = 2 * time.Second
	patience    = 15 * time.Second
)

// scenario is a command and what comes before it.
type scenario struct {
	name     string
	reserved string // at the start
	before   [][]string
	command  []string
	// clock says that faults are those of the process that is to take the change back.
	clock bool
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
	soon := append(slices.Clone(set), "--reserve", "--persist", "--confirm", unconfirmed.String())
	long, longer := longList(4), longList(2)
	start := settings[aList]
	return []scenario{
		{"set", start, nil, set, false},
		{"set --persist", start, nil, persist, false},
		{"set --json", start, nil, append(slices.Clone(persist), "--json"), false},
		{"reserve", start, nil, change("reserve", "add", "8081", "--persist"), false},
		{"reserve long", start, nil, change("reserve", "add", longer, "--persist"), false},
		{"reserve longer", long, nil, change("reserve", "add", longer), false},
		{"reserve less", longer, nil, change("reserve", "remove", long), false},
		{"undo", start, [][]string{persist}, undo, false},
		{"undo long", start, [][]string{change("reserve", "add", longer, "--persist")}, undo, false},
		{"undo less", longer, [][]string{change("reserve", "remove", long)}, undo, false},
		{"set --confirm", start, nil, wait, false},
		{"undo waiting", start, [][]string{wait}, undo, false},
		{"confirm", start, [][]string{wait}, []string{"confirm"}, false},
		{"clock", start, nil, soon, true},
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
		{"undo long", fault{key: "newfstatat /proc", nth: 1, errno: unix.EDQUOT, later: true}, "not found, but"},
		{"set --persist", fails("openat "+other, 1, unix.EIO), "--fix-conflicts"},
		{"set --persist", fails("renameat "+other, 1, unix.EPERM), "everything is as it was before"},
		{"set --persist", fault{key: "renameat " + stateDir + "/backup/00000001" + other, nth: 1, kill: true}, ""},
		{"set --persist", fault{key: "renameat " + other, nth: 1, kill: true}, ""},
	}
}
