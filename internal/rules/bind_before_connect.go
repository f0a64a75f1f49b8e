package rules

import (
	"fmt"
	"slices"

	"portrange/internal/capacity"
	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/port"
	"portrange/internal/words"
)

// bindBeforeConnect: connections took their ports through bind(), each of which
// is lost to every connect().
var bindBeforeConnect = &Rule{
	Kind: finding.Kind{
		Code: "bind-before-connect", Title: "Connections that call bind() before connect()",
		Weight: func(f *finding.Finding) int {
			if !manyBound(f.Values.Int("ports"), f.Values.Int("size")) {
				return 0
			}
			return f.Values.Int("ports")
		},
		Evidence: func(f *finding.Finding) string {
			return fmt.Sprintf("%s of the range held by connections that called bind() before connect(), "+
				"or were accepted by a listener that is gone; no other connect() may use them%s",
				words.Count(f.Values.Int("ports"), "port"), heldBy(f.Values))
		},
	},
	Needs: host.WantSockets | host.WantOwners,
	Show:  Shown,
	Namespace: func(p *Place) {
		bound, size := judge.BoundPorts(p.NS), p.Ports.Open().Len()
		n := bound.Len()
		if n == 0 {
			return
		}
		binders := judge.Binders(p.NS, bound)
		values := withOwners(finding.Values{{Name: "ports", V: n}, {Name: "size", V: size}}, binders)
		actions := bindLater(binders)
		if manyBound(n, size) {
			present := &capacity.Present{Size: p.Ports.Usable().Len()}
			room := retold(widen(p, present), "room for now: each such connection goes on taking a port from all")
			actions = slices.Concat(room, shareBound(p), actions)
		}
		// The ports are taken from each pool, and judged as those are.
		p.add(judge.Scale().Reached(n, size), finding.Subject{Proto: port.TCP.String()}, values, actions...)
	},
}

// manyBound reports whether bound ports are a tenth of the range.
func manyBound(n, size int) bool { return 10*n >= size }

// shareBound is the action that lets such connections share ports; none where their
// pool has room, or where it would not help: see [judge.AutobindIn].
func shareBound(p *Place) []finding.Action {
	then := judge.AutobindIn(p.NS)
	asked := func(pool judge.LocalPool) bool {
		return pool.Proto == port.TCP.String() && pool.Asker.Local == then.Tuple.Local && p.localLevelOf(&pool) >= nearFull
	}
	if !then.Helps() || !slices.ContainsFunc(p.Verdict.LocalPools, asked) {
		return nil
	}
	return []finding.Action{{
		Step: finding.Now, Command: sysctl(p.NS, port.KeyAutobindReuse+"=1"), Setting: port.KeyAutobindReuse,
		Text: fmt.Sprintf("sockets with SO_REUSEADDR, as these have, then share a quarter of the range where they "+
			"connect to different destinations: %s more to %s when no port is free. bind() chooses at random, so a program must try "+
			"again where connect() says EADDRNOTAVAIL", words.Count(then.Gain, "connection"), then.Tuple.Remote),
	}}
}

// bindLater is the option that ends it.
func bindLater(binders []judge.Owner) []finding.Action {
	return []finding.Action{{
		Step: finding.InProgram, Change: finding.BindNoPort, Process: firstOf(binders),
		Text: "have the kernel pick the port at connect(): set IP_BIND_ADDRESS_NO_PORT before bind(). HAProxy and nginx do so for " +
			"source ADDR and proxy_bind ADDR that name no port; Envoy with socket_options {level: 0, name: 24, int_value: 1, " +
			"state: STATE_PREBIND} in upstream_bind_config; Go in net.Dialer.Control, beside a LocalAddr with port 0",
	}}
}
