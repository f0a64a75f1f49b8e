package act

import (
	"path/filepath"
	"slices"
	"strings"

	"portrange/internal/act/journal"
	"portrange/internal/boot"
	"portrange/internal/host"
)

// ReadFiles adds to the facts what the file system under root says, "/" but in
// tests: the drop-in, everything of the administrator's that could override it,
// and the forecast of the next boot. Where files apply to none of the
// namespaces, nothing is read.
func (f *Facts) ReadFiles(root string) error {
	if !slices.ContainsFunc(f.Namespaces, func(s Site) bool { return s.Booted }) {
		return nil
	}
	tree, err := boot.Read(root, boot.Keys())
	if err != nil {
		return err
	}
	f.Boot = tree
	f.Gaps = append(f.Gaps, tree.Report(nil).Gaps...)
	f.Files = map[string]*journal.Content{}
	for _, path := range administrators(root) {
		content, err := (&System{}).ReadFile(filepath.Join(root, path))
		if err != nil {
			f.Gaps = append(f.Gaps, host.Gap{Part: host.PartBootFiles, Object: path, Why: err.Error()})
			continue
		}
		f.Files[path] = content
	}
	return nil
}

// administrators are the files below /etc that set values at boot, and what
// they are links to.
func administrators(root string) []string {
	paths := []string{"/etc/sysctl.conf", DropIn}
	for _, pattern := range []string{DropInDir + "/*.conf", "/etc/tuned/*/tuned.conf", "/etc/tuned/profiles/*/tuned.conf"} {
		found, _ := filepath.Glob(filepath.Join(root, pattern)) // the error is for bad patterns
		for _, path := range found {
			paths = append(paths, inside(root, path))
			if target, err := filepath.EvalSymlinks(path); err == nil {
				paths = append(paths, inside(root, target))
			}
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// inside is a path below the root as seen from there.
func inside(root, path string) string {
	return "/" + strings.TrimPrefix(strings.TrimPrefix(path, root), "/")
}
