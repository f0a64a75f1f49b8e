package boot

import (
	"slices"
	"strings"

	"portrange/internal/host"
	"portrange/internal/port"
)

// Report is the forecast of a boot.
type Report struct {
	SchemaVersion int `json:"schema_version" doc:"1; grows when a field changes its meaning or goes away"`
	// Program is the one that applies sysctl.d on this host: systemd or procps.
	Program  Program    `json:"program" doc:"which of systemd and procps applies sysctl.d here"`
	Settings []Setting  `json:"settings" doc:"the settings that were looked at"`
	Gaps     []host.Gap `json:"gaps" doc:"what could not be read; numbers beside a gap can be too small"`
}

// Setting is the forecast for one key. Values are in the kernel's form with
// single spaces between numbers.
type Setting struct {
	Key string `json:"key" doc:"the setting"`
	// Running is the value that holds now, nil where the caller does not know.
	Running *string `json:"running" doc:"the value that holds now; null where it is not known, as with --root"`
	// Systemd and Procps are what systemd-sysctl and sysctl --system would each
	// set were they the one to run; nil where they leave the key alone. Tuned
	// is what tuned sets after Report.Program.
	Systemd *Decision `json:"systemd" doc:"what systemd-sysctl sets; null where it leaves the key alone"`
	Procps  *Decision `json:"procps" doc:"what sysctl --system sets; null where it leaves the key alone"`
	Tuned   *Decision `json:"tuned" doc:"what tuned, after the program, sets; null where it leaves the key alone"`
	// Boot is the value after a reboot: what Report.Program and then tuned set,
	// or the kernel's default. It is nil where nothing sets the key and its
	// default is not known.
	Boot *string `json:"boot" doc:"the value after a reboot; null where no file sets it and the default is not known"`
	// Loses are the assignments to the key that come to nothing, with at least
	// one program.
	Loses []Loser `json:"loses" doc:"the assignments that come to nothing"`
	// Drift is set when Running and Boot differ: a reboot changes the value.
	Drift bool `json:"drift" doc:"whether a reboot changes the running value"`
}

// Decision is what sets Boot; nil for the kernel's default.
func (s *Setting) Decision() *Decision {
	for _, decision := range []*Decision{s.Tuned, s.Systemd, s.Procps} {
		if decision != nil && decision.Value == *s.Boot {
			return decision
		}
	}
	return nil
}

// Decision is a value and the line that sets it.
type Decision struct {
	Value string `json:"value" doc:"the value"`
	Line
}

// Loser is an assignment without effect.
type Loser struct {
	Line
	Value string `json:"value" doc:"the value as written, with single spaces"`
	// Programs are those with which the line loses.
	Programs []Program `json:"programs" doc:"the programs with which it comes to nothing"`
	// Refused tells that the kernel refuses the value.
	Refused bool `json:"refused" doc:"whether the kernel refuses the value, and not another line wins"`
	// Why is an explanation for people, for the first of Programs.
	Why string `json:"why" doc:"why, for the first of them"`
}

// schemaVersion is the promise behind the field names of Report.
const schemaVersion = 1

// boot is one play of all programs.
type boot struct {
	systemd, procps, tuned *run
	host                   *run // the one of systemd and procps that runs here
}

func (t *Tree) play() boot {
	b := boot{systemd: runSystemd(t), procps: runProcps(t)}
	b.host = b.procps
	if t.program == Systemd {
		b.host = b.systemd
	}
	b.tuned = runTuned(t, b.host.kernel)
	return b
}

// program is a run under its name.
type program struct {
	Program
	*run
}

// programs are the runs, that of the host first.
func (b boot) programs() []program {
	all := []program{{Systemd, b.systemd}, {Procps, b.procps}, {Tuned, b.tuned}}
	if b.host == b.procps {
		all[0], all[1] = all[1], all[0]
	}
	return all
}

// Report plays a boot. running holds the values of now by key, in any
// spacing; it may be nil.
func (t *Tree) Report(running map[string]string) *Report {
	b := t.play()
	report := &Report{SchemaVersion: schemaVersion, Program: t.program, Gaps: t.missing()}
	for _, p := range b.programs() {
		report.Gaps = append(report.Gaps, p.gaps...)
	}
	if report.Gaps == nil {
		report.Gaps = []host.Gap{}
	}
	for _, key := range t.keys {
		report.Settings = append(report.Settings, b.setting(key, running))
	}
	return report
}

func (b boot) setting(key string, running map[string]string) Setting {
	s := Setting{
		Key:     key,
		Systemd: b.systemd.decision(key),
		Procps:  b.procps.decision(key),
		Tuned:   b.tuned.decision(key),
		Loses:   b.losers(key),
	}
	if b.tuned.kernel.known(key) {
		value := b.tuned.kernel.value(key)
		s.Boot = &value
	}
	if value, known := running[key]; known {
		value = canonical(key, value)
		s.Running = &value
	}
	s.Drift = s.Boot != nil && s.Running != nil && *s.Boot != *s.Running
	return s
}

// losers are the lines that came to nothing, each once. A file that is read
// under two names, such as /etc/sysctl.conf and a link to it, overrides itself;
// that is no loss.
func (b boot) losers(key string) []Loser {
	type place struct {
		target string
		line   int
	}
	losers, known := []Loser{}, map[place]int{}
	for _, p := range b.programs() {
		for _, c := range p.claims {
			if c.key != key || c.why == "" || p.wins[key] != nil && p.wins[key].line.same(c.line) {
				continue
			}
			i, listed := known[place{c.line.Target, c.line.Line}]
			if !listed {
				known[place{c.line.Target, c.line.Line}] = len(losers)
				losers = append(losers, Loser{Line: c.line, Value: c.value, Programs: []Program{p.Program}, Refused: c.refused, Why: c.why})
			} else if !slices.Contains(losers[i].Programs, p.Program) {
				losers[i].Programs = append(losers[i].Programs, p.Program)
			}
		}
	}
	slices.SortStableFunc(losers, func(a, b Loser) int { return strings.Compare(a.File, b.File) })
	return losers
}

// canonical is a value in the form of the forecast.
func canonical(key, value string) string {
	if key == port.KeyReserved {
		if set, err := port.ParseSet(value); err == nil {
			return set.String()
		}
	}
	return spaced(value)
}
