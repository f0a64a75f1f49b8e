package host

// Want says which parts of a [State] a reader needs. Settings are always read.
type Want uint32

// The parts that can be wanted.
const (
	WantSockets   Want = 1 << iota // Usage
	WantOwners                     // Holdings and Busiest
	WantHolds                      // Holds, and the Takers of Claims; Holdings too
	WantClaims                     // Claims
	WantLimits                     // Files, Conntrack and the files of Busiest
	WantTCP                        // TCP and TimeWait
	WantNAT                        // NAT
	WantFeatures                   // Features
	WantOpened                     // Opened
	WantTotals                     // Totals
	WantHost                       // HostRange
	WantAddresses                  // Foreign

	// WantRows is no part of a State: sockets one by one, with what only a
	// listing shows, such as timers and users.
	WantRows
)

// Has reports whether all parts of other are wanted.
func (w Want) Has(other Want) bool { return w&other == other }

// Any reports whether one of the parts of other is wanted.
func (w Want) Any(other Want) bool { return w&other != 0 }
