package host

import (
	"cmp"
	"slices"
	"sync"

	"portrange/internal/port"
)

// Part is a part of a look that can be missing. It is a stable name, fit for a
// metric's label.
type Part string

// The parts.
const (
	PartNamespaces  Part = "network namespaces"
	PartSettings    Part = "settings"
	PartSockets     Part = "sockets"
	PartBuckets     Part = "bind buckets"
	PartTableWalk   Part = "walk of the bind table"
	PartIdle        Part = "idle bound sockets"
	PartVRF         Part = "VRFs of devices"
	PartOwners      Part = "owners"
	PartDevices     Part = "interface names"
	PartUsers       Part = "user names"
	PartTotals      Part = "totals"
	PartFeatures    Part = "kernel features"
	PartFiles       Part = "limits of open files"
	PartProcess     Part = "file limit of a process"
	PartTCP         Part = "limits of orphans and TCP memory"
	PartTimeWait    Part = "limit of timewait sockets"
	PartConntrack   Part = "conntrack"
	PartNAT         Part = "netfilter rules"
	PartProcesses   Part = "processes"
	PartUnits       Part = "systemd units"
	PartDocker      Part = "published ports of Docker"
	PartBootFiles   Part = "settings after a reboot"
	PartJournal     Part = "journal"
	PartConnectCost Part = "what connect() takes"
	PartRoute       Part = "routes"
	PartAddresses   Part = "local addresses"
	PartHooks       Part = "BPF programs on connect()"
)

// Gap is something that could not be read, and why. Numbers beside a gap may be
// too small by what it hides.
type Gap struct {
	Part Part `json:"part" doc:"what is missing"`
	// Object is what of the part, in words: a file, a unit, a process.
	Object string `json:"object,omitempty" doc:"what of it, such as a file; absent for the whole part"`
	NetNS  uint64 `json:"netns,omitempty" doc:"inode number of the network namespace; absent for the whole host"`
	Why    string `json:"why" doc:"why"`
	// Missed is set where only some sockets may be missing, and the rest is whole.
	Missed Missed `json:"-"`
}

// Missed is how many sockets of a protocol may be missing at most.
type Missed struct {
	Proto   port.Proto
	Sockets int
}

// Gaps collects what a look misses. The zero value is ready to use, by several
// goroutines at once.
type Gaps struct {
	mu   sync.Mutex
	list []Gap
}

// Missing notes that a part of the namespace netns, 0 for the whole host, could
// not be read because of err. A nil err is nothing, and so is what is known.
func (g *Gaps) Missing(part Part, netns uint64, err error) {
	if err != nil {
		g.Add(Gap{Part: part, NetNS: netns, Why: err.Error()})
	}
}

// MissingObject notes the same of one object of the part, named in words.
func (g *Gaps) MissingObject(part Part, object string, netns uint64, err error) {
	if err != nil {
		g.Add(Gap{Part: part, Object: object, NetNS: netns, Why: err.Error()})
	}
}

// Add notes gaps, those that are known aside. A nil collector takes none.
func (g *Gaps) Add(gaps ...Gap) {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, gap := range gaps {
		if !slices.Contains(g.list, gap) {
			g.list = append(g.list, gap)
		}
	}
}

// AddOf notes gaps of somebody who does not know in which namespace he looked.
func (g *Gaps) AddOf(netns uint64, gaps ...Gap) {
	for _, gap := range gaps {
		gap.NetNS = netns
		g.Add(gap)
	}
}

// List is what is missing so far, in the order in which it was noted.
func (g *Gaps) List() []Gap {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.list)
}

// Lacks reports whether something of a part is missing of the namespace netns, be it
// of the whole host.
func (g *Gaps) Lacks(part Part, netns uint64) bool {
	return slices.ContainsFunc(g.List(), func(gap Gap) bool {
		return gap.Part == part && (gap.NetNS == 0 || gap.NetNS == netns)
	})
}

// What names the gap in a sentence: its object, else its part.
func (g *Gap) What() string { return cmp.Or(g.Object, string(g.Part)) }

// Distinct keeps the first of several gaps about one thing: two looks at it may
// fail for reasons that differ in a number.
func Distinct(gaps []Gap) []Gap {
	kept := []Gap{}
	for _, gap := range gaps {
		known := slices.ContainsFunc(kept, func(k Gap) bool { return k.What() == gap.What() && k.NetNS == gap.NetNS })
		if !known {
			kept = append(kept, gap)
		}
	}
	return kept
}
