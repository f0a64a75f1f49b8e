package faults

import (
	"maps"
	"strings"
	"testing"
)

const (
	aRange = "net.ipv4.ip_local_port_range"
	aList  = "net.ipv4.ip_local_reserved_ports"
	aFile  = "/etc/sysctl.d/zz-portrange.conf"
)

// right is a change that was carried out and undone.
func right() *Outcome {
	start := Situation{aRange: "32768 60999", aList: ""}
	asked := Situation{aRange: "15000 64001", aList: "1,3", aFile: "new"}
	return &Outcome{
		Start: start, Before: start, Asked: asked, After: asked, End: start,
		Half:  func(name, value string) bool { return name == aList && value == "1" },
		State: "done", Said: "Done: change 1.", Undone: true, EndState: "done",
	}
}

// TestJudgeFindsWhatIsWrong makes up outcomes, of which the judge must say what is
// wrong; the right ones it must let pass.
func TestJudgeFindsWhatIsWrong(t *testing.T) {
	failed := func(o *Outcome, words string) { o.Exit, o.Said, o.State = exitFailure, words, "reverted" }
	for name, tt := range map[string]struct {
		edit func(*Outcome)
		want string // empty where nothing is wrong
	}{
		"right":                 {func(*Outcome) {}, ""},
		"taken back":            {func(o *Outcome) { o.After = o.Before; failed(o, "EIO; everything is as it was before") }, ""},
		"nothing done":          {func(o *Outcome) { o.After = o.Before; failed(o, "read: EIO") }, ""},
		"applied and said so":   {func(o *Outcome) { failed(o, "write: ENOSPC; change 1 is applied all the same") }, ""},
		"killed in the middle":  {func(o *Outcome) { o.Killed, o.After = true, Situation{aRange: "32768 60999", aList: "1"} }, ""},
		"killed at a file":      {func(o *Outcome) { o.Killed, o.After[aDirTemp] = true, "ne" }, ""},
		"no change to undo":     {func(o *Outcome) { o.UndoExit, o.UndoSaid = exitFailure, "there is none" }, ""},
		"half done, and named":  {func(o *Outcome) { o.After = half(aRange); failed(o, aRange+" may hold in part") }, ""},
		"the rest is named":     {func(o *Outcome) { o.After = half(aRange); failed(o, aList+", "+aFile+": EIO") }, ""},
		"half a list, named":    {func(o *Outcome) { o.After = half(aList); o.After[aList] = "1"; failed(o, aList+" is half changed") }, ""},
		"half done, exit 0":     {func(o *Outcome) { o.After = half(aRange) }, "exit code 0"},
		"half done, as before":  {func(o *Outcome) { o.After = half(aRange); failed(o, "everything is as it was before") }, "said to be as before"},
		"half done, not named":  {func(o *Outcome) { o.After = half(aRange); failed(o, "EIO") }, "were not named"},
		"half done, all holds":  {func(o *Outcome) { o.After = half(aRange); failed(o, "change 1 is applied") }, "said to hold"},
		"half a list, unsaid":   {func(o *Outcome) { o.After = half(aList); o.After[aList] = "1"; failed(o, "EIO") }, "neither as before"},
		"a third value":         {func(o *Outcome) { o.Killed = true; o.After = half(aRange); o.After[aRange] = "1 2" }, "neither as before"},
		"half a file":           {func(o *Outcome) { o.Killed = true; o.After = half(aFile); o.After[aFile] = "ne" }, "neither as before"},
		"a file of no kill":     {func(o *Outcome) { o.After[aDirTemp] = "ne"; failed(o, "EIO, change 1 is applied") }, "neither as before"},
		"somebody's file gone":  {func(o *Outcome) { o.Before[aFile+"~"], o.Asked[aFile+"~"] = "x", "x"; o.Killed = true }, "neither as before"},
		"begun and exit 0":      {func(o *Outcome) { o.State = "begun" }, "the journal says begun"},
		"not a word":            {func(o *Outcome) { o.After = o.Before; failed(o, " \n") }, "without a word"},
		"late":                  {func(o *Outcome) { o.Late = true }, "did not go back"},
		"undo fails":            {func(o *Outcome) { o.UndoExit = exitFailure }, "undo: exit code 2"},
		"undo leaves something": {func(o *Outcome) { o.End = half(aRange) }, "after undo"},
		"undo leaves it open":   {func(o *Outcome) { o.EndState = "waiting" }, "the journal says waiting"},
	} {
		o := right()
		o.Asked = maps.Clone(o.Asked)
		o.After = maps.Clone(o.After)
		tt.edit(o)
		got := strings.Join(Judge(o), "; ")
		if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

const aDirTemp = "/etc/sysctl.d/.portrange-tmp-zz-portrange.conf"

// half is the start with one thing as asked for.
func half(name string) Situation {
	o := right()
	s := maps.Clone(o.Before)
	s[name] = o.Asked[name]
	return s
}
