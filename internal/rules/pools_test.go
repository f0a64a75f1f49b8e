package rules

import (
	"testing"

	"portrange/internal/finding"
)

func poolSymptoms() map[string]symptom {
	return map[string]symptom{
		"pool-full":       {healthy().with(clients(100)...), healthy().with(clients(99)...), finding.Critical, []string{"100 of 100 ports", "0 left"}},
		"pool-near-full":  {healthy().with(clients(85)...), healthy().with(clients(84)...), finding.Warning, []string{"85 of 100"}},
		"pool-past-half":  {healthy().with(clients(50)...), healthy().with(clients(49)...), finding.Warning, []string{"50 of 100"}},
		"time-wait-share": {healthy().with(clients(10, waits)...), healthy().with(clients(9, waits)...), finding.Info, []string{"10 of 10 ports", "60 s"}},
	}
}

// TestAFullPoolIsExplainedByWhatFillsIt has one block for one full pool.
func TestAFullPoolIsExplainedByWhatFillsIt(t *testing.T) {
	p := healthy().with(append(clients(60, waits), crowd(40060, 40, "10.0.0.2", "10.0.0.5:80")...)...)
	blocks := finding.Blocks(examine(p))
	if len(blocks) == 0 || blocks[0].Cause.Code() != "time-wait-share" || blocks[0].Cause.Severity != finding.Critical {
		t.Fatalf("blocks %v, want TIME_WAIT first, as severe as the full pool", blocks)
	}
	if effects := codesOf(blocks[0].Effects); len(effects) == 0 || effects[0] != "pool-full" {
		t.Errorf("effects %v, want the full pool", effects)
	}
}
