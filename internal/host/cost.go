package host

import "time"

// ConnectCost is how long connect() took at some shares of a pool in use.
type ConnectCost struct {
	Ports int // of the pool that was filled for the measurement
	Steps []CostStep
	// Failing is how long a connect() took that found no port.
	Failing time.Duration
}

// CostStep is one share of a pool in use and the median time of a connect() there.
type CostStep struct {
	Share float64
	Took  time.Duration
}
