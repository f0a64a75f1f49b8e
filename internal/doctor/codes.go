package doctor

import "portrange/internal/judge"

// The codes of findings, besides those of package judge.
const (
	ConnectionRate = "connection-rate"
	PoolFilling    = "pool-filling"

	RangeNarrow      = "range-narrow"
	RangeDefaultBusy = "range-default-busy"
	SameParity       = "same-parity"
	OtherRange       = "other-range"
	NotPersisted     = "not-persisted"
	BootDrift        = "boot-drift"

	ListenerInRange = "listener-in-range"
	ReservedOutside = "reserved-outside-range"
	ReservedUnused  = "reserved-unused"
	PortTaken       = "port-taken"

	CloseWaitLeak   = "close-wait-leak"
	TimeWaitShare   = "time-wait-share"
	ReuseOff        = "tw-reuse-off"
	TimestampsOff   = "timestamps-off"
	ReuseDelay      = "tw-reuse-delay"
	BucketsLow      = "tw-buckets-low"
	BucketsOverflow = "tw-buckets-overflow"
	CureRecycle     = "cure-tw-recycle"
	CureFinTimeout  = "cure-fin-timeout"

	ProcessFiles      = "process-files"
	MachineFiles      = "machine-files"
	ConntrackNearFull = "conntrack-near-full"
	ConntrackDrops    = "conntrack-drops"
	Orphans           = "orphans"
	TCPMemory         = "tcp-memory"
	SourceNAT         = "source-nat"
	CloudNAT          = "cloud-nat"

	WholeSearch   = "whole-search"
	LockedSearch  = "locked-search"
	StickyBuckets = "sticky-buckets"
	StepWidth     = "step-width"
	ConnectCost   = "connect-cost"
)

// The codes of claims.
const (
	NodePorts      = "node-ports"
	PublishedPorts = "published-ports"
	SocketUnit     = "socket-unit"
	ServicePort    = "service-port"
)

// Codes lists all codes, those of package judge among them, by subject.
func Codes() []string {
	return []string{
		judge.PoolFull, judge.PoolNearFull, judge.PoolPastHalf, judge.LocalPoolFull, judge.LocalPoolNearFull,
		judge.RangeWithheld, judge.BindBeforeConnect, ConnectionRate, PoolFilling,
		RangeNarrow, RangeDefaultBusy, SameParity, OtherRange, NotPersisted, BootDrift,
		ListenerInRange, ReservedOutside, ReservedUnused, PortTaken, SocketUnit, ServicePort, NodePorts, PublishedPorts,
		CloseWaitLeak, TimeWaitShare, ReuseOff, TimestampsOff, ReuseDelay, BucketsLow, BucketsOverflow, CureRecycle, CureFinTimeout,
		ProcessFiles, MachineFiles, ConntrackNearFull, ConntrackDrops, Orphans, TCPMemory, SourceNAT, CloudNAT,
		WholeSearch, LockedSearch, StickyBuckets, StepWidth, ConnectCost,
	}
}
