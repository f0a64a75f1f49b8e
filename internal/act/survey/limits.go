package survey

import (
	"errors"
	"fmt"
	"io/fs"

	"portrange/internal/act"
	"portrange/internal/kernel/limits"
	"portrange/internal/port"
)

// limits reads what bounds the number of connections besides ports.
func (s *site) limits() []port.Gap {
	var gaps []port.Gap
	gap := func(what string, err error) {
		gaps = append(gaps, port.Gap{What: what, Namespace: s.target.ID, Why: err.Error()})
	}
	add := func(name string, value uint64, each string) {
		s.facts.Limits = append(s.facts.Limits, act.Limit{Name: name, Value: value, Each: each})
	}
	err := s.target.Do(func() error {
		tracked, err := limits.ReadConntrack()
		if err == nil {
			add("net.netfilter.nf_conntrack_max", tracked.Max, "an entry of netfilter's table")
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // nothing is tracked
		gap("conntrack limit", err)
	}
	if files, err := limits.ReadFiles(); err != nil {
		gap("limits of open files", err)
	} else {
		add("fs.file-max", files.Max, "an open file")
		add("fs.nr_open", files.PerProcess, "an open file of its process")
	}
	if busiest := s.census.busiest(); busiest.PID != 0 {
		process, err := limits.ReadProcess(busiest.PID)
		switch {
		case err == nil:
			add(fmt.Sprintf("RLIMIT_NOFILE of %s", busiest), process.Soft, "an open file")
		case !errors.Is(err, fs.ErrNotExist):
			gap("file limit", err)
		}
	}
	return gaps
}
