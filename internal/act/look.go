package act

import (
	"errors"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"portrange/internal/act/journal"
	"portrange/internal/boot"
	"portrange/internal/host"
	"portrange/internal/rootfs"
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
	// Every says that whatever namespaces there are shall change. One in which the
	// change cannot be, or would leave too few ports, is left out then with a gap, as
	// its owner may have made it so; but for Booted.
	Every bool
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
	r, err := rootfs.Open(root)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	files := &Files{
		Contents: map[string]*journal.Content{}, Bound: map[string]error{},
		Boot: tree, Gaps: tree.Report(nil).Gaps,
	}
	system := System{}
	for _, path := range administrators(r) {
		f := r.Read(path)
		switch {
		case errors.Is(f.Err, fs.ErrNotExist):
			files.Contents[path] = nil
			continue
		case f.Err == nil && f.Mode.IsRegular():
			content := &journal.Content{Mode: f.Mode & 0o7777, UID: int(f.UID), GID: int(f.GID), Data: f.Data}
			for _, path := range []string{path, f.Target} {
				files.Contents[path] = content
				if err := system.Replaceable(filepath.Join(root, path)); err != nil {
					files.Bound[path] = err
				}
			}
			continue
		case f.Err == nil:
			f.Err = errors.New("not a regular file")
		}
		gap := host.Gap{Part: host.PartBootFiles, Object: path, Why: f.Err.Error()}
		if !slices.Contains(files.Gaps, gap) { // the forecast read it too
			files.Gaps = append(files.Gaps, gap)
		}
		if errors.Is(f.Err, rootfs.ErrSpent) {
			break
		}
	}
	return files, nil
}

// administrators are the files below /etc that set values at boot. What directories
// cannot be listed is a gap of the forecast, which lists them too.
func administrators(r *rootfs.Root) []string {
	paths := []string{"/etc/sysctl.conf", DropIn}
	names, _ := r.Names(DropInDir)
	for _, name := range names {
		if strings.HasSuffix(name, ".conf") {
			paths = append(paths, path.Join(DropInDir, name))
		}
	}
	for _, dir := range []string{"/etc/tuned", "/etc/tuned/profiles"} {
		names, _ := r.Names(dir)
		for _, name := range names {
			if profile := path.Join(dir, name, "tuned.conf"); r.Exists(profile) {
				paths = append(paths, profile)
			}
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}
