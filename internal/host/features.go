package host

// Answer is the answer of a probe.
type Answer int8

// The answers. The zero value is an open question.
const (
	Unknown Answer = iota
	No
	Yes
)

// String is the answer in one word.
func (a Answer) String() string { return [...]string{"unknown", "no", "yes"}[a] }

// Features are what the running kernel can do about local ports.
type Features struct {
	// SocketRange: a socket may have a port range of its own, with
	// IP_LOCAL_PORT_RANGE (Linux 6.3).
	SocketRange Answer
	// WholeSearch: connect() on such a socket searches odd and even ports alike,
	// without the cliff at one half (207184853dbd, Linux 6.8).
	WholeSearch Answer
	// RCULookup: connect() passes over taken ports without a lock (86c2bc293b81,
	// Linux 6.15).
	RCULookup Answer
	// BucketRecalculation: a port whose last bound socket went becomes free for
	// connect() again, although other connections still use it (d57f4b874946,
	// Linux 6.18).
	BucketRecalculation Answer
}
