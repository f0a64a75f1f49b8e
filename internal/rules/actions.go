package rules

import (
	"strconv"
	"strings"

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

// setRange is the action that gives the namespace a range. --reserve keeps what
// listens in the new part from being handed out. text is what has to be known of it.
func setRange(ns *host.Namespace, r port.Range, text string, effect *finding.Effect) finding.Action {
	return finding.Action{
		Step: finding.Now, Setting: port.KeyRange, Text: text, Effect: effect,
		Command: lasting(ns, "set", strconv.Itoa(int(r.Low)), strconv.Itoa(int(r.High)), "--reserve"),
	}
}

// sysctl is the command that changes settings of the namespace for now, each
// written as key=value.
func sysctl(ns *host.Namespace, settings ...string) finding.Command {
	return finding.Inside(ns.Ref, append([]string{"sysctl", "-w"}, settings...)...)
}

// usableIn is how many ports each destination would have in another range.
func (p *Place) usableIn(r port.Range) int {
	ports := p.Ports
	ports.Range = r
	return ports.Usable().Len()
}

// widen is the action that gives the namespace a wider range, none where it has
// one. present is the pool that the effect is predicted for, nil for none.
func widen(p *Place, present *capacity.Present) []finding.Action {
	wide, wider := judge.Wider(p.NS.Settings.Range)
	if !wider {
		return nil
	}
	action := setRange(p.NS, wide, "", nil)
	if present != nil {
		action.Effect = present.With(capacity.Remedy{Size: p.usableIn(wide)})
	}
	return []finding.Action{action}
}

// retold are actions with another text.
func retold(actions []finding.Action, text string) []finding.Action {
	for i := range actions {
		actions[i].Text = text
	}
	return actions
}

// keepOpen is the action that ends the churn of connections in the program. It takes
// hold when the first port is free, as the program needs one to keep.
func keepOpen(p *Place, pool *judge.Pool, present *capacity.Present) finding.Action {
	users := p.users(pool)
	return finding.Action{
		Step: finding.InProgram, Change: finding.KeepAlive, Process: firstOf(users), Text: keepAliveText(users),
		Effect: present.With(capacity.Remedy{Pooled: true}),
	}
}

// users are the processes that have connections to the destination of a pool now or,
// where none has, had at the earlier look. A port in TIME_WAIT has no process.
func (p *Place) users(pool *judge.Pool) []judge.Owner {
	if len(pool.Owners) > 0 || p.Before == nil {
		return pool.Owners
	}
	return judge.Owners(p.Before, pool.Tuple)
}

// takeOver is the action that lets connect() take ports of a pool over from
// TIME_WAIT; none where settings allow it already, or where it cannot help as the
// connections have no timestamps although this end offers them.
func takeOver(p *Place, pool *judge.Pool, present *capacity.Present) []finding.Action {
	now, stamps := judge.ReuseUnder(&p.NS.Settings), judge.Stamps(p.NS, pool.Tuple)
	settings := reuseSettings(now, judge.OnLoopback(pool.Tuple))
	if len(settings) == 0 || now.Timestamps && stamps == host.No {
		return nil
	}
	then := judge.Reuse{Mode: judge.ReuseOn, Delay: min(now.Delay, port.DefaultTWReuseDelay), Timestamps: true}
	return []finding.Action{{
		Step: finding.Now, Command: sysctl(p.NS, settings...), Text: reuseText(now, stamps),
		Effect: present.With(capacity.Remedy{Kept: then.Kept(false)}),
	}}
}

// reuseSettings are the settings that are missing for connect() to take over
// ports soon after they come into TIME_WAIT.
func reuseSettings(now judge.Reuse, loopback bool) []string {
	var settings []string
	if !now.Timestamps {
		settings = append(settings, port.KeyTimestamps+"=1")
	}
	if !now.Applies(loopback) {
		settings = append(settings, port.KeyTWReuse+"="+strconv.Itoa(judge.ReuseOn))
	}
	if now.Delay > port.DefaultTWReuseDelay {
		settings = append(settings, port.KeyTWReuseDelay+"="+strconv.FormatInt(port.DefaultTWReuseDelay.Milliseconds(), 10))
	}
	return settings
}

// reuseText says on what reuse depends.
func reuseText(now judge.Reuse, stamps host.Answer) string {
	var conditions []string
	if !now.Timestamps {
		conditions = append(conditions, "it holds for new connections")
	}
	if stamps != host.Yes {
		conditions = append(conditions, "it helps where the other end sends TCP timestamps too")
	}
	return strings.Join(append(conditions, "not across a NAT that shares one address between hosts with clocks of their own"), "; ")
}
