package rules

import (
	"strings"
	"testing"

	"portrange/internal/finding"
)

func codesOf(found []finding.Finding) []string {
	var codes []string
	for i := range found {
		codes = append(codes, found[i].Code())
	}
	return codes
}

// checkWords holds the words of a finding against what they must say.
func checkWords(t *testing.T, f *finding.Finding, want []string) {
	t.Helper()
	evidence := f.Evidence()
	for _, part := range want {
		if !strings.Contains(evidence, part) {
			t.Errorf("%s: evidence %q does not contain %q", f.Code(), evidence, part)
		}
	}
	if len(want) == 0 || f.Subject == (finding.Subject{}) || len(f.Values) == 0 {
		t.Errorf("%s: a finding without evidence, subject or values: %+v", f.Code(), f)
	}
	if strings.Contains(evidence, "%!") || strings.HasSuffix(evidence, ".") {
		t.Errorf("%s: broken words: %q", f.Code(), evidence)
	}
	for _, action := range f.Actions {
		if action.Step == "" || len(action.Command) == 0 && action.Text == "" {
			t.Errorf("%s: an action that says nothing: %+v", f.Code(), action)
		}
	}
}

// symptoms are the cases of all rules by code.
func symptoms() map[string]symptom {
	all := map[string]symptom{}
	for _, some := range []map[string]symptom{
		poolSymptoms(), rangeSymptoms(), timeWaitSymptoms(),
		heldSymptoms(), limitSymptoms(), kernelSymptoms(), bootSymptoms(),
	} {
		for code, s := range some {
			all[code] = s
		}
	}
	return all
}

// TestEveryRuleFindsAndDoesNot has each rule see a case on the edge of its
// threshold, and none just below.
func TestEveryRuleFindsAndDoesNot(t *testing.T) {
	cases := symptoms()
	for _, rule := range All() {
		if rule.Namespace == nil && rule.Machine == nil {
			continue // it looks at changes
		}
		s, known := cases[rule.Code]
		if !known {
			t.Errorf("%s has no case", rule.Code)
			continue
		}
		t.Run(rule.Code, func(t *testing.T) { s.check(t, rule.Code) })
	}
}

// TestEveryRuleHasAPage holds the pages against the list, in both directions.
func TestEveryRuleHasAPage(t *testing.T) {
	known := map[string]bool{}
	for _, rule := range All() {
		if known[rule.Code] {
			t.Errorf("%s is in the list twice", rule.Code)
		}
		known[rule.Code] = true
		page, err := Explain(rule.Code)
		if err != nil {
			t.Error(err)
			continue
		}
		if want := "# " + rule.Code + ": " + rule.Title + "\n"; !strings.HasPrefix(page, want) {
			t.Errorf("the page of %s does not begin with %q", rule.Code, want)
		}
	}
	files, err := pages.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if code := strings.TrimSuffix(file.Name(), ".md"); !known[code] {
			t.Errorf("page %s belongs to no rule", file.Name())
		}
	}
}
