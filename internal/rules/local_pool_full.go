package rules

import (
	"portrange/internal/capacity"
	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/port"
)

// localPoolFull: no port is left at a local address, for any destination.
var localPoolFull = &Rule{
	Kind: finding.Kind{
		Code: "local-pool-full", Title: "No port is left at a local address",
		Causes:   causesOfFullLocalPools(),
		Evidence: func(f *finding.Finding) string { return roomText(f) + heldBy(f.Values) },
	},
	Needs:     host.WantSockets,
	Show:      Shown,
	Change:    worsened,
	Namespace: func(p *Place) { eachLocalPool(p, full, finding.Critical) },
}

func causesOfFullLocalPools() []string {
	return []string{"bind-before-connect", "pool-full", "pool-near-full"}
}

// eachLocalPool adds a finding for each pool of a level. One that nothing was
// seen to draw on is only worth knowing, and that once it is near full.
func eachLocalPool(p *Place, wanted level, severity finding.Severity) {
	pools := judge.Distinct(p.Verdict.LocalPools)
	for i := range pools {
		pool := &pools[i]
		if p.localLevelOf(pool) != wanted {
			continue
		}
		values := withOwners(finding.Values{{Name: "used", V: pool.Used}, {Name: "size", V: pool.Size}, {Name: "left", V: pool.Left}},
			judge.HoldersOf(p.NS, protoOf(pool)))
		if judge.DrawnOn(p.NS, pool) {
			p.add(severity, localSubject(pool), values, moreLocalRoom(p, pool)...)
		} else if wanted != pastHalf {
			p.add(finding.Info, localSubject(pool), values, bindLate(pool)...)
		}
	}
}

func protoOf(pool *judge.LocalPool) port.Proto {
	if pool.Proto == port.UDP.String() {
		return port.UDP
	}
	return port.TCP
}

func localSubject(pool *judge.LocalPool) finding.Subject {
	return finding.Subject{Proto: pool.Proto, Local: pool.Source()}
}

// moreLocalRoom are the ways to give a local address more ports.
func moreLocalRoom(p *Place, pool *judge.LocalPool) []finding.Action {
	actions := widen(p, nil)
	if wide, wider := judge.Wider(p.NS.Settings.Range); wider {
		ports := p.Ports
		ports.Range = wide
		present := capacity.Present{Size: pool.Size, Open: pool.Used}
		actions[0].Effect = present.With(capacity.Remedy{Size: ports.Open().Len()})
	}
	return append(actions, bindLate(pool)...)
}

// bindLate is how programs share ports between destinations, or addresses.
func bindLate(pool *judge.LocalPool) []finding.Action {
	if protoOf(pool) == port.UDP {
		return []finding.Action{{
			Step: finding.InProgram,
			Text: "UDP shares no port between destinations: use sockets for several requests, " +
				"or bind them to more source addresses",
		}}
	}
	return []finding.Action{{
		Step: finding.InProgram,
		Text: "bind() to port 0 draws on this pool, connect() on one for each destination: " +
			"set IP_BIND_ADDRESS_NO_PORT where a program binds a source address before it connects",
	}}
}
