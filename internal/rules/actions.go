package rules

import (
	"strconv"
	"time"

	"portrange/internal/capacity"
	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/port"
)

// isHost reports whether the files of the host decide about the namespace after
// a reboot, so that a change of it can be kept.
func isHost(ns *host.Namespace) bool { return ns.Ref == "" && ns.Name == port.Host }

// lasting is a command of ours about the namespace, kept across a reboot where
// that can be.
func lasting(ns *host.Namespace, words ...string) finding.Command {
	if isHost(ns) {
		words = append(words, "--persist")
	}
	return finding.Portrange(ns.Ref, words...)
}

// setRange is the command that gives the namespace a range. --reserve keeps what
// listens in the new part from being handed out.
func setRange(ns *host.Namespace, r port.Range) finding.Command {
	return lasting(ns, "set", strconv.Itoa(int(r.Low)), strconv.Itoa(int(r.High)), "--reserve")
}

// sysctl is the command that changes a setting of the namespace for now.
func sysctl(ns *host.Namespace, key, value string) finding.Command {
	return finding.Inside(ns.Ref, "sysctl", "-w", key+"="+value)
}

// widen is the action that gives the namespace a wider range, none where it has
// one. present is the pool that the effect is predicted for, nil for none.
func widen(p *Place, present *capacity.Present) []finding.Action {
	wide, wider := judge.Wider(p.NS.Settings.Range)
	if !wider {
		return nil
	}
	action := finding.Action{Step: finding.Now, Command: setRange(p.NS, wide)}
	if present != nil {
		ports := p.Ports
		ports.Range, ports.BindHeld = wide, ports.Listening
		action.Effect = present.With(capacity.Remedy{Size: ports.Count().Usable})
	}
	return []finding.Action{action}
}

// moreTuples is the action that spreads the connections of a pool.
func moreTuples(present *capacity.Present) finding.Action {
	return finding.Action{
		Step: finding.Today, Text: "add a source address or a port at the destination: each pair of them has a pool of its own",
		Effect: present.With(capacity.Remedy{Sources: 2}),
	}
}

// keepOpen is the action that ends the churn of connections in the program.
func keepOpen(present *capacity.Present) finding.Action {
	return finding.Action{
		Step: finding.InProgram, Text: "keep connections open and reuse them (HTTP keep-alive, a connection pool)",
		Effect: present.With(capacity.Remedy{Pooled: true}),
	}
}

// reuse is the action that lets connect() take ports over from TIME_WAIT.
func reuse(p *Place, present *capacity.Present) finding.Action {
	kept := judge.Reuse{Mode: judge.ReuseOn, Delay: p.NS.Settings.TWReuseDelay, Timestamps: true}.Kept(false)
	return finding.Action{
		Step: finding.Now, Command: sysctl(p.NS, port.KeyTWReuse, strconv.Itoa(judge.ReuseOn)),
		Text:   "not across a NAT that shares one address between hosts with clocks of their own",
		Effect: present.With(capacity.Remedy{Kept: max(kept, time.Millisecond)}),
	}
}
