package rules

import (
	"fmt"
	"strings"

	"portrange/internal/boot"
	"portrange/internal/finding"
	"portrange/internal/words"
)

// Override is a line that keeps a drop-in from setting a key at boot.
type Override struct {
	DropIn   string // path of the drop-in
	Key      string
	Programs []string  // those that apply the line
	Line     boot.Line // the zero value where the kernel alone is in the way
	Value    string    // as written there
	Why      string
	// Foreign says that the file does not belong to the administrator.
	Foreign bool
}

// overriddenAtBoot: a line of another file wins against the drop-in.
var overriddenAtBoot = &Rule{Kind: finding.Kind{
	Code: "overridden-at-boot", Title: "Another file overrides the drop-in at boot", Evidence: overrideEvidence,
}}

// Overridden is the finding of a line that stays in the way.
func (o *Override) Overridden() finding.Finding {
	f := o.finding(&overriddenAtBoot.Kind, finding.Warning)
	switch {
	case o.Line.File == "":
		f.Actions = []finding.Action{{Step: finding.Now, Command: finding.Portrange("", "boot"), Text: "shows which value will hold"}}
	case o.Foreign:
		f.Actions = []finding.Action{{
			Step: finding.Today,
			Text: o.Line.Target + " does not belong to the administrator: override the file with one of its name in /etc",
		}}
	default:
		f.Actions = []finding.Action{{Step: finding.Now, Text: "add --fix-conflicts to comment that line out, or remove it"}}
	}
	return f
}

// commentedOut: the change takes a line of another file out.
var commentedOut = &Rule{Kind: finding.Kind{
	Code: "commented-out", Title: "A line of another file is commented out",
	Evidence: func(f *finding.Finding) string {
		return overrideEvidence(f) + "; it is commented out in this plan, and a copy of the file is kept in " +
			f.Values.Text("backups")
	},
}}

// CommentedOut is the finding of a line that the change takes out. Copies of the
// files are kept in the directory backups.
func (o *Override) CommentedOut(backups string) finding.Finding {
	f := o.finding(&commentedOut.Kind, finding.Info)
	f.Values = append(f.Values, finding.Value{Name: "backups", V: backups})
	return f
}

func (o *Override) finding(kind *finding.Kind, severity finding.Severity) finding.Finding {
	values := finding.Values{{Name: "drop_in", V: o.DropIn}, {Name: "programs", V: o.Programs}, {Name: "why", V: o.Why}}
	if o.Line.File != "" {
		values = append(values, finding.Values{
			{Name: "file", V: o.Line.File}, {Name: "line", V: o.Line.Line}, {Name: "value", V: o.Value},
		}...)
	}
	return finding.Finding{Kind: kind, Severity: severity, Subject: finding.OfSetting(o.Key, ""), Values: values}
}

func overrideEvidence(f *finding.Finding) string {
	v := f.Values
	names, _ := v.Get("programs").([]string)
	programs := strings.Join(names, " and ")
	if v.Get("file") == nil {
		return fmt.Sprintf("%s would not set it from %s: %s", programs, v.Text("drop_in"), v.Text("why"))
	}
	return fmt.Sprintf("%s sets it to %s, which overrides %s with %s: %s",
		lineText(f), words.List(v.Text("value")), v.Text("drop_in"), programs, v.Text("why"))
}
