package act

import (
	"path/filepath"
	"slices"
	"strings"

	"portrange/internal/act/journal"
	"portrange/internal/boot"
	"portrange/internal/host"
)

// Look is what a plan is made from.
type Look struct {
	// State are the namespaces that are to change, with their sockets, holds,
	// claims and limits as far as those were read.
	State *host.State
	// Places identify its namespaces for the journal, by inode number.
	Places map[uint64]journal.Place
	// Booted is the inode number of the namespace to which the files apply: the
	// host's or, of a caller elsewhere who names no other, the caller's own. It is
	// 0 where neither is to change.
	Booted uint64
	// Files are those that a plan may have to change; nil where Booted is 0.
	Files *Files
	// Unsettled is an earlier change about which somebody has to decide; nil for none.
	Unsettled *Unsettled
}

// Files are the files that set values at boot.
type Files struct {
	// Contents are the drop-in and the administrator's files that could override
	// it, by path. A nil content is no file; what could not be read is not in the map.
	Contents map[string]*journal.Content
	// Bound are the files that cannot be replaced without a loss, by path, with the
	// reason ([journal.Replaceable]).
	Bound map[string]error
	Boot  Forecast
	Gaps  []host.Gap
}

// Forecast tells what files in /etc and elsewhere do at boot. *boot.Tree is one.
type Forecast interface {
	Conflicts(name string, content []byte) []boot.Conflict
	Report(running map[string]string) *boot.Report
}

// ReadFiles reads the files of the system below root, "/" for the running one.
func ReadFiles(root string) (*Files, error) {
	tree, err := boot.Read(root, boot.Keys())
	if err != nil {
		return nil, err
	}
	files := &Files{
		Contents: map[string]*journal.Content{}, Bound: map[string]error{},
		Boot: tree, Gaps: tree.Report(nil).Gaps,
	}
	system := System{}
	for _, path := range administrators(root) {
		content, err := system.ReadFile(filepath.Join(root, path))
		if err != nil {
			files.Gaps = append(files.Gaps, host.Gap{Part: host.PartBootFiles, Object: path, Why: err.Error()})
			continue
		}
		files.Contents[path] = content
		if err := system.Replaceable(filepath.Join(root, path)); err != nil {
			files.Bound[path] = err
		}
	}
	return files, nil
}

// administrators are the files below /etc that set values at boot, and what they
// are links to, as seen from root.
func administrators(root string) []string {
	paths := []string{"/etc/sysctl.conf", DropIn}
	add := func(path string) {
		paths = append(paths, "/"+strings.TrimPrefix(strings.TrimPrefix(path, root), "/"))
	}
	for _, pattern := range []string{DropInDir + "/*.conf", "/etc/tuned/*/tuned.conf", "/etc/tuned/profiles/*/tuned.conf"} {
		found, _ := filepath.Glob(filepath.Join(root, pattern)) // the error is for bad patterns
		for _, path := range found {
			add(path)
			if target, err := filepath.EvalSymlinks(path); err == nil {
				add(target)
			}
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}
