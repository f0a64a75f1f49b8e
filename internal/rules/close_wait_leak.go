package rules

import (
	"strconv"

	"portrange/internal/capacity"
	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/port"
)

// closeWaitLeak: a pool is full of connections that only this side keeps open.
var closeWaitLeak = &Rule{
	Kind: finding.Kind{
		Code: "close-wait-leak", Title: "Connections that only this side keeps open",
		Weight: func(f *finding.Finding) int { return f.Values.Int("close_wait") },
		Evidence: func(f *finding.Finding) string {
			return stateText(f.Values, "close_wait", "CLOSE_WAIT") +
				": the other side has closed, this one has not" + mostBy(f.Values)
		},
	},
	Needs: host.WantSockets | host.WantOwners,
	Show:  ShownAsCause,
	Namespace: func(p *Place) {
		for i := range p.Verdict.Pools {
			pool := &p.Verdict.Pools[i]
			if share(pool, port.CloseWait) < worthWaiting {
				continue
			}
			n := pool.In(port.CloseWait)
			p.add(finding.Warning, poolSubject(pool), withOwners(finding.Values{
				{Name: "close_wait", V: n}, {Name: "used", V: pool.Used}, {Name: "size", V: pool.Size}, {Name: "left", V: pool.Left},
			}, pool.Owners), endLeak(p, pool)...)
		}
	},
}

// endLeak are the ways to be rid of connections in CLOSE_WAIT: a restart frees
// them at once, and only the program can keep it from happening again.
func endLeak(p *Place, pool *judge.Pool) []finding.Action {
	who, process, present := "the process that holds them", firstOf(pool.Owners), p.present(pool)
	if process != nil {
		who = process.String()
	}
	return []finding.Action{
		{
			Step: finding.Now, Text: "restart " + who + ": no timeout ends this state, and that closes its sockets",
			Change: finding.Restart, Process: process,
			Effect: present.With(capacity.Remedy{Freed: pool.In(port.CloseWait)}),
		},
		{
			Step: finding.Today, Command: socketsOf(p, pool, pool.Owners, "close-wait"), Text: "lists them with their processes",
		},
		{
			Step: finding.InProgram, Change: finding.CloseIdle, Process: process,
			Text: "have " + who + " close its sockets: look for what forgets to " +
				"(an unread response body, an error path without close())",
		},
	}
}

// socketsOf is the command that lists the sockets of a pool which the first of
// its owners holds; state is empty for all. It names the process by its id where
// --process would read its name as something else.
func socketsOf(p *Place, pool *judge.Pool, owners []judge.Owner, state string) finding.Command {
	words := []string{"sockets", "--remote", pool.Remote}
	if state != "" {
		words = append(words, "--state", state)
	}
	if len(owners) > 0 {
		process := owners[0].Process.Command
		if !isPlainName(process) {
			process = strconv.Itoa(owners[0].Process.PID)
		}
		words = append(words, "--process", process)
	}
	return finding.Portrange(p.NS.Ref, words...)
}

// isPlainName reports whether a name is more than a number and cannot be taken
// for a list or a flag.
func isPlainName(name string) bool {
	letters := false
	for i, r := range name {
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
		letters = letters || letter
		if !letter && (r < '0' || r > '9') && (i == 0 || r != '-' && r != '_' && r != '.') {
			return false
		}
	}
	return letters
}
