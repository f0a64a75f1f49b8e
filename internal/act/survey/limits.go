package survey

import (
	"errors"
	"fmt"
	"io/fs"

	"portrange/internal/act"
	"portrange/internal/host"
	"portrange/internal/kernel/limits"
)

// limits reads what bounds the number of connections besides ports.
func (s *site) limits() []host.Gap {
	var gaps []host.Gap
	for _, part := range []struct {
		what string
		read func() ([]act.Limit, error)
	}{
		{"conntrack limit", s.conntrackLimit},
		{"limits of open files", machineFileLimits},
		{"file limit", s.processFileLimit},
	} {
		found, err := part.read()
		if err != nil {
			gaps = append(gaps, host.Gap{Part: host.PartFiles, Object: part.what, NetNS: s.target.ID, Why: err.Error()})
		}
		s.facts.Limits = append(s.facts.Limits, found...)
	}
	return gaps
}

// conntrackLimit is none where the kernel tracks no connections.
func (s *site) conntrackLimit() (found []act.Limit, err error) {
	err = s.target.Do(func() error {
		tracked, err := limits.ReadConntrack()
		if err == nil {
			found = []act.Limit{{Name: "net.netfilter.nf_conntrack_max", Value: tracked.Max, Each: "an entry of netfilter's table"}}
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return found, err
}

func machineFileLimits() ([]act.Limit, error) {
	files, err := limits.ReadFiles()
	if err != nil {
		return nil, err
	}
	return []act.Limit{
		{Name: "fs.file-max", Value: files.Max, Each: "an open file"},
		{Name: "fs.nr_open", Value: files.PerProcess, Each: "an open file of its process"},
	}, nil
}

// processFileLimit is that of the process with the most connections, unless it
// has ended.
func (s *site) processFileLimit() ([]act.Limit, error) {
	busiest := s.census.busiest()
	if busiest.PID == 0 {
		return nil, nil
	}
	process, err := limits.ReadProcess(busiest.PID)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return []act.Limit{{Name: fmt.Sprintf("RLIMIT_NOFILE of %s", busiest), Value: process.Soft, Each: "an open file"}}, nil
}
