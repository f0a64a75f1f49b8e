package act

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"portrange/internal/act/journal"
	"portrange/internal/boot"
	"portrange/internal/judge"
	"portrange/internal/port"
)

// addFiles plans what is to hold after a reboot, or tells what will.
func (p *Plan) addFiles(wish Wish, facts Facts) error {
	at := slices.IndexFunc(facts.Namespaces, func(ns Site) bool { return ns.Booted })
	switch {
	case at < 0 && wish.Persist:
		return fmt.Errorf("persist: files in %s set the values of the host at boot, not those of netns %s; "+
			"configure what starts it instead (--emit docker, compose or kubernetes prints how)", DropInDir, facts.Namespaces[0].Place.Name)
	case at < 0 || facts.Boot == nil:
		return nil
	case !wish.Persist && !facts.Namespaces[at].Place.Host:
		return nil // it ends with the reboot
	case !wish.Persist:
		p.warnOfReboot(&p.Changes[at], facts.Boot, nil)
		return nil
	}
	if place := facts.Namespaces[at].Place; !place.Host {
		p.Findings = append(p.Findings, notTheHost(place))
	}
	if others := len(facts.Namespaces) - 1; others > 0 {
		p.Findings = append(p.Findings, hostAlone(others))
	}
	return p.persist(wish, facts, &p.Changes[at])
}

// notTheHost warns inside of `ip netns exec` and the like, where the files are
// the host's and the settings are not.
func notTheHost(place journal.Place) judge.Finding {
	return judge.Finding{
		Code: NotTheHost, Severity: judge.Warning, Subject: "netns " + place.Name,
		Evidence: "process 1 lives in another network namespace: at boot " + DropInDir + " sets the values there, and not here",
		Advice:   "persist from the host, unless these files belong to a container's own system",
	}
}

// hostAlone tells what --persist does not do with --netns all.
func hostAlone(others int) judge.Finding {
	subject := "1 other namespace"
	if others > 1 {
		subject = fmt.Sprintf("%d other namespaces", others)
	}
	return judge.Finding{
		Code: HostAlone, Severity: judge.Info, Subject: subject,
		Evidence: "files in " + DropInDir + " set the host's values alone; what is started anew, as containers are, has the kernel's default",
		Advice:   "configure what starts it: --emit docker, compose or kubernetes prints how",
	}
}

// persist plans the drop-in, and what to do about lines that override it.
func (p *Plan) persist(wish Wish, facts Facts, change *Change) error {
	before, known := facts.Files[DropIn]
	if !known {
		return fmt.Errorf("persist: %s is there and is no file that can be read; move it away", DropIn)
	}
	if before != nil && !isOurs(before.Data) {
		return fmt.Errorf("persist: %s is not from portrange; move it away, or make the change in it by hand", DropIn)
	}
	values, strange := parseDropIn(before.Bytes())
	for _, line := range strange {
		p.Findings = append(p.Findings, judge.Finding{
			Code: HandEdited, Severity: judge.Warning, Subject: DropIn,
			Evidence: fmt.Sprintf("somebody added the line %q", line), Advice: "it goes: keep it in a file of your own",
		})
	}
	after := lasting(values, change)
	content := p.dropIn(wish.Origin, before, values, after)
	if !content.Equal(before) {
		p.Files = append(p.Files, journal.File{Path: DropIn, Before: before, After: content})
	}
	p.resolve(wish, facts, facts.Boot.Conflicts(dropInName, content.Data))
	p.warnOfReboot(change, facts.Boot, after)
	return nil
}

// lasting is what the drop-in shall hold: of the settings that the wish is
// about, what they will be now, of the other one what the file had.
func lasting(had map[string]string, change *Change) map[string]string {
	after := maps.Clone(had)
	for _, key := range change.aimed {
		after[key] = change.value(key)
	}
	return after
}

// dropIn is the content of the file. One that says the same already stays, its
// header included.
func (p *Plan) dropIn(origin Origin, before *journal.Content, had, after map[string]string) *journal.Content {
	content := &journal.Content{Mode: dropInMode, UID: os.Geteuid(), GID: os.Getegid()}
	if before != nil && maps.Equal(had, after) && len(parseStrange(before.Data)) == 0 {
		content.Data = before.Data
		return content
	}
	content.Data = renderDropIn(origin, after)
	return content
}

func parseStrange(data []byte) []string {
	_, strange := parseDropIn(data)
	return strange
}

// resolve reports the lines that would override the drop-in, and comments them
// out where that was asked for.
func (p *Plan) resolve(wish Wish, facts Facts, conflicts []boot.Conflict) {
	lines := map[string][]int{}
	for _, c := range merged(conflicts) {
		finding := overridden(c)
		if wish.FixConflicts && c.fixable(facts.Files) {
			if n := c.Line.Line; !slices.Contains(lines[c.Target], n) { // a glob sets several keys
				lines[c.Target] = append(lines[c.Target], n)
			}
			finding.Code, finding.Severity = CommentedOut, judge.Info
			finding.Advice = "the line is commented out in this plan; a copy of the file is kept in " + journal.Backups
		}
		p.Findings = append(p.Findings, finding)
	}
	for _, path := range slices.Sorted(maps.Keys(lines)) {
		before := facts.Files[path]
		after := *before
		after.Data = commentOut(before.Data, lines[path])
		p.Files = append(p.Files, journal.File{Path: path, Before: before, After: &after, Foreign: true})
	}
}

// conflict is a line that stands in the way, with all programs for which it does.
type conflict struct {
	boot.Conflict
	programs []string
}

// merged puts together what one line does with several programs, which may
// know its file by different names.
func merged(conflicts []boot.Conflict) []conflict {
	var list []conflict
	for _, c := range conflicts {
		at := slices.IndexFunc(list, func(other conflict) bool {
			return other.Key == c.Key && other.Target == c.Target && other.Line.Line == c.Line.Line
		})
		if at < 0 {
			at, list = len(list), append(list, conflict{Conflict: c})
		}
		list[at].programs = append(list[at].programs, string(c.Program))
	}
	return list
}

// fixable reports whether the line may be taken out: it is in a file that
// belongs to the host's administrator, and not to a package or a program.
func (c conflict) fixable(files map[string]*journal.Content) bool {
	return strings.HasPrefix(c.Target, "/etc/") && files[c.Target] != nil
}

func overridden(c conflict) judge.Finding {
	f := judge.Finding{Code: Overridden, Severity: judge.Warning, Subject: c.Key}
	if c.File == "" {
		f.Evidence = fmt.Sprintf("%s would not set it from %s: %s", strings.Join(c.programs, " and "), DropIn, c.Why)
		f.Advice = "`portrange boot` shows which value will hold"
		return f
	}
	f.Evidence = fmt.Sprintf("%s sets it to %s, which overrides %s with %s: %s",
		c.Line, c.Value, DropIn, strings.Join(c.programs, " and "), c.Why)
	f.Advice = "add --fix-conflicts to comment that line out, or remove it"
	if !strings.HasPrefix(c.Target, "/etc/") {
		f.Advice = fmt.Sprintf("%s does not belong to the administrator: override the file with one of its name in /etc", c.Target)
	}
	return f
}

// warnOfReboot tells of settings that will not be after a reboot what they are
// after this change. Those in the drop-in are not its business.
func (p *Plan) warnOfReboot(change *Change, forecast Forecast, persisted map[string]string) {
	for _, s := range forecast.Report(nil).Settings {
		next := change.value(s.Key)
		if _, safe := persisted[s.Key]; !slices.Contains(dropInKeys(), s.Key) || safe || s.Boot == nil || *s.Boot == next {
			continue
		}
		p.Findings = append(p.Findings, judge.Finding{
			Code: NotAfterReboot, Severity: judge.Info, Subject: s.Key,
			Evidence: fmt.Sprintf("will be %q after a reboot, by %s", shortened(*s.Boot), decidedBy(&s)),
			Advice:   adviceOfReboot(s.Key, next, persisted != nil),
		})
	}
}

func adviceOfReboot(key, value string, persists bool) string {
	switch {
	case !persists:
		return "add --persist to keep it"
	case key == port.KeyReserved && value != "":
		return fmt.Sprintf("`portrange reserve add %s --persist` keeps it", value)
	case key == port.KeyReserved:
		return "`portrange reserve remove` and the ports, with --persist, keeps them free"
	}
	return fmt.Sprintf("`portrange set %s --persist` keeps it", value)
}

func decidedBy(s *boot.Setting) string {
	if decision := s.Decision(); decision != nil {
		return decision.Line.String()
	}
	return "the kernel's default"
}
