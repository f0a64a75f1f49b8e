package act

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"portrange/internal/act/journal"
	"portrange/internal/boot"
	"portrange/internal/host"
	"portrange/internal/rules"
)

// addFiles plans what is to hold after a reboot, or tells what will.
func (p *Plan) addFiles(wish Wish, look Look) error {
	if look.Files != nil {
		p.Gaps = append(p.Gaps, look.Files.Gaps...)
	}
	at := slices.IndexFunc(p.Changes, func(c Change) bool { return c.NetNS == look.Booted })
	switch {
	case at < 0 && wish.Persist:
		return fmt.Errorf("persist: files in %s set the values of the host at boot, not those of netns %s; "+
			"configure what starts it instead (--emit docker, compose or kubernetes prints how)",
			DropInDir, p.Changes[0].Name)
	case at < 0 || look.Files == nil:
		return nil
	}
	change, isHost := &p.Changes[at], look.Places[look.Booted].Host
	if !wish.Persist {
		if isHost { // another namespace ends with the reboot
			p.warnOfReboot(change, look.Files.Boot, nil)
		}
		return nil
	}
	if !isHost {
		p.Findings = append(p.Findings, rules.NotTheHost(change.NetNS, change.Name, DropInDir))
	}
	if others := len(p.Changes) - 1; others > 0 {
		p.Findings = append(p.Findings, rules.HostAlone(others, DropInDir))
	}
	return p.persist(wish, look.Files, change)
}

// persist plans the drop-in, and what to do about lines that override it.
func (p *Plan) persist(wish Wish, files *Files, change *Change) error {
	before, known := files.Contents[DropIn]
	if !known {
		return fmt.Errorf("persist: %s is there and is no file that can be read; move it away", DropIn)
	}
	if before != nil && !bytes.HasPrefix(before.Data, []byte(headline)) {
		return fmt.Errorf("persist: %s is not from portrange; move it away, or make the change in it by hand", DropIn)
	}
	had, strange := parseDropIn(before.Bytes())
	for _, line := range strange {
		p.Findings = append(p.Findings, rules.DropInEdited(DropIn, line))
	}
	// Of the settings that the wish is about it holds what they will be, of the
	// other one what it had.
	values := maps.Clone(had)
	for _, aim := range change.aims {
		values[aim.Key] = aim.Value
	}
	content := &journal.Content{Mode: dropInMode, UID: os.Geteuid(), GID: os.Getegid()}
	if before != nil && maps.Equal(had, values) && len(strange) == 0 {
		content.Data = before.Data // it says the same already, and keeps its header
	} else {
		content.Data = renderDropIn(wish.Origin, values)
	}
	if !content.Equal(before) {
		p.Files = append(p.Files, journal.File{Path: DropIn, Before: before, After: content})
	}
	if err := p.warnOfUnread(wish.FixConflicts, files.Boot.Report(nil).Gaps); err != nil {
		return err
	}
	err := p.resolve(wish.FixConflicts, files.Contents, files.Boot.Conflicts(dropInName, content.Data))
	if err != nil {
		return err
	}
	p.warnOfReboot(change, files.Boot, values)
	for _, f := range p.Files {
		if err := files.Bound[f.Path]; err != nil {
			return fmt.Errorf("persist: %w", err)
		}
	}
	return nil
}

// warnOfUnread tells of files that may override the drop-in for all that is known.
// What cannot be seen cannot be fixed.
func (p *Plan) warnOfUnread(fix bool, gaps []host.Gap) error {
	for _, gap := range gaps {
		if fix {
			return fmt.Errorf("persist: fix conflicts in %s: %s; leave out --fix-conflicts to go on without",
				gap.Object, gap.Why)
		}
		p.Findings = append(p.Findings, rules.BootFileUnread(gap.Object, gap.Why, DropIn))
	}
	return nil
}

// resolve reports the lines that would override the drop-in, and comments them
// out where that was asked for and they are in a file of the administrator.
func (p *Plan) resolve(fix bool, contents map[string]*journal.Content, conflicts []boot.Conflict) error {
	lines := map[string][]int{}
	for _, o := range overrides(conflicts) {
		path, n := o.Line.Target, o.Line.Line
		if fix && !o.Foreign && o.Line.File != "" && contents[path] == nil {
			return fmt.Errorf("persist: fix conflicts in %s: it is there and could not be read; "+
				"leave out --fix-conflicts to go on without", path)
		}
		if !fix || o.Foreign || contents[path] == nil {
			p.Findings = append(p.Findings, o.Overridden())
			continue
		}
		p.Findings = append(p.Findings, o.CommentedOut(journal.Backups))
		if !slices.Contains(lines[path], n) { // a glob sets several keys
			lines[path] = append(lines[path], n)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(lines)) {
		before := contents[path]
		after := *before
		after.Data = commentOut(before.Data, lines[path])
		p.Files = append(p.Files, journal.File{Path: path, Before: before, After: &after, Foreign: true})
	}
	return nil
}

// overrides puts together what one line does with several programs, which may
// know its file by different names.
func overrides(conflicts []boot.Conflict) []rules.Override {
	var list []rules.Override
	for _, c := range conflicts {
		at := slices.IndexFunc(list, func(o rules.Override) bool {
			return o.Key == c.Key && o.Line.Target == c.Target && o.Line.Line == c.Line.Line
		})
		if at < 0 {
			at, list = len(list), append(list, rules.Override{
				DropIn: DropIn, Key: c.Key, Line: c.Line, Value: c.Value, Why: c.Why,
				Foreign: !strings.HasPrefix(c.Target, "/etc/"),
			})
		}
		list[at].Programs = append(list[at].Programs, string(c.Program))
	}
	return list
}

// warnOfReboot tells of settings that will not be after a reboot what they are
// after this change. Those in the drop-in are not its business.
func (p *Plan) warnOfReboot(change *Change, forecast Forecast, persisted map[string]string) {
	for _, s := range forecast.Report(nil).Settings {
		_, safe := persisted[s.Key]
		next, _ := change.next.Value(s.Key)
		if slices.Contains(dropInKeys(), s.Key) && !safe && s.Boot != nil && *s.Boot != next {
			p.Findings = append(p.Findings, rules.NotAfterReboot(&s, next, persisted != nil))
		}
	}
}
