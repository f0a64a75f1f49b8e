package cli

import (
	"portrange/internal/act"
	"portrange/internal/finding"
	"portrange/internal/host"
)

// unsettled tells of a change of portrange's own about which somebody has to decide.
// It only reads: what is overdue is for a command that changes something to settle.
func unsettled() ([]finding.Finding, []host.Gap) {
	system, err := act.NewSystem()
	var u *act.Unsettled
	if err == nil {
		u, err = (&act.Actor{Host: system, Journal: openJournal().WithNotices()}).Unsettled()
	}
	switch {
	case err != nil:
		return nil, []host.Gap{{Part: host.PartJournal, Why: err.Error()}}
	case u == nil:
		return nil, nil
	}
	return []finding.Finding{u.Finding()}, nil
}
