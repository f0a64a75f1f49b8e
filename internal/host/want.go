package host

// Want says which parts of a [State] a reader needs. Settings are always read.
type Want uint32

// The parts that can be wanted.
const (
	WantSockets  Want = 1 << iota // Usage
	WantOwners                    // Holdings
	WantHolds                     // Holds and Busiest
	WantClaims                    // Claims
	WantLimits                    // Files, TCP, TimeWait, Conntrack and the files of Busiest
	WantNAT                       // NAT
	WantFeatures                  // Features
	WantOpened                    // Opened
	WantTotals                    // Totals
)

// Has reports whether all parts of other are wanted.
func (w Want) Has(other Want) bool { return w&other == other }
