package survey

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"slices"
	"strings"

	"portrange/internal/act"
	"portrange/internal/act/journal"
	"portrange/internal/boot"
	"portrange/internal/host"
	"portrange/internal/kernel/netns"
	"portrange/internal/kernel/sysctl"
	"portrange/internal/sample"
)

// Sockets yields the sockets of namespaces with their processes.
// (*sample.Sampler).Sockets is one.
type Sockets func(context.Context, []netns.Namespace) iter.Seq2[sample.Row, error]

// Identify describes a namespace so that it can be told from others later.
// (*act.System).Identify is one.
type Identify func(netns.Namespace) (journal.Namespace, error)

// Survey collects facts.
type Survey struct {
	// Root is the file system to look at, "/" but in tests.
	Root     string
	Identify Identify
	Sockets  Sockets
}

// site is one namespace in the making.
type site struct {
	target netns.Namespace
	facts  act.Namespace
	census census
}

// Facts looks at the targets. The one with the number own is the caller's, to
// which the files of Root are taken to apply, besides the host's.
func (s *Survey) Facts(ctx context.Context, targets []netns.Namespace, own uint64) (act.Facts, error) {
	var facts act.Facts
	sites, gaps, err := each(targets, func(target netns.Namespace) (*site, error) { return s.open(target, own) })
	if err != nil {
		return facts, err
	}
	facts.Gaps = append(facts.Gaps, gaps...)
	gaps, err = s.count(ctx, sites)
	if err != nil {
		return facts, err
	}
	facts.Gaps = append(facts.Gaps, gaps...)
	facts.Gaps = append(facts.Gaps, s.claim(ctx, sites)...)
	for _, site := range sites {
		facts.Gaps = append(facts.Gaps, site.limits()...)
		facts.Namespaces = append(facts.Namespaces, site.facts)
	}
	if slices.ContainsFunc(facts.Namespaces, func(ns act.Namespace) bool { return ns.Booted }) {
		err = s.files(&facts)
	}
	return facts, err
}

func (s *Survey) open(target netns.Namespace, own uint64) (*site, error) {
	place, err := s.Identify(target)
	if err != nil {
		return nil, err
	}
	ns, err := read(target)
	if err != nil {
		return nil, err
	}
	ns.Usage = host.NewUsage(ns.Settings)
	return &site{
		target: target, census: newCensus(),
		facts: act.Namespace{Place: place, Now: ns, Booted: place.Host || target.ID == own},
	}, nil
}

func read(target netns.Namespace) (host.Namespace, error) {
	ns := host.Namespace{ID: target.ID, Name: target.Name}
	err := target.Do(func() (err error) {
		ns.Settings, err = sysctl.Read()
		return err
	})
	return ns, err
}

// Settings reads the settings of namespaces and nothing else. One of many that
// cannot be read is a gap.
func Settings(targets []netns.Namespace) ([]host.Namespace, []host.Gap, error) {
	return each(targets, read)
}

// each does the same to all targets. One of many that fails is a gap.
func each[T any](targets []netns.Namespace, do func(netns.Namespace) (T, error)) (done []T, gaps []host.Gap, err error) {
	var failures []error
	for _, target := range targets {
		one, err := do(target)
		if err != nil {
			failures = append(failures, err)
			gaps = append(gaps, host.Gap{Part: host.PartSettings, Object: "settings of " + target.Name, NetNS: target.ID, Why: err.Error()})
			continue
		}
		done = append(done, one)
	}
	if len(done) == 0 {
		return nil, nil, errors.Join(failures...)
	}
	return done, gaps, nil
}

// count walks the sockets. That some are not to be seen is a gap.
func (s *Survey) count(ctx context.Context, sites []*site) (gaps []host.Gap, err error) {
	byID := map[uint64]*site{}
	var targets []netns.Namespace
	for _, site := range sites {
		byID[site.target.ID] = site
		targets = append(targets, site.target)
	}
	for row, err := range s.Sockets(ctx, targets) {
		var gap *host.Gap
		switch {
		case errors.As(err, &gap):
			gaps = append(gaps, *gap)
		case err != nil:
			return gaps, fmt.Errorf("read sockets: %w", err)
		default:
			site := byID[row.Namespace.ID]
			site.facts.Now.Usage.Add(&row.Socket)
			site.census.add(&row)
		}
	}
	for _, site := range sites {
		site.facts.Holds = site.census.list()
	}
	return gaps, ctx.Err()
}

// files reads the drop-in, everything of the administrator's that could
// override it, and the forecast of the next boot.
func (s *Survey) files(facts *act.Facts) error {
	tree, err := boot.Read(s.Root, boot.Keys())
	if err != nil {
		return err
	}
	facts.Boot = tree
	facts.Gaps = append(facts.Gaps, tree.Report(nil).Gaps...)
	facts.Files = map[string]*journal.Content{}
	system := act.System{}
	for _, path := range s.administrators() {
		content, err := system.ReadFile(filepath.Join(s.Root, path))
		if err != nil {
			facts.Gaps = append(facts.Gaps, host.Gap{Part: host.PartBootFiles, Object: path, Why: err.Error()})
			continue
		}
		facts.Files[path] = content
	}
	return nil
}

// administrators are the files below /etc that set values at boot, and what
// they are links to.
func (s *Survey) administrators() []string {
	paths := []string{"/etc/sysctl.conf", act.DropIn}
	for _, pattern := range []string{act.DropInDir + "/*.conf", "/etc/tuned/*/tuned.conf", "/etc/tuned/profiles/*/tuned.conf"} {
		found, _ := filepath.Glob(filepath.Join(s.Root, pattern)) // the error is for bad patterns
		for _, path := range found {
			paths = append(paths, s.inside(path))
			if target, err := filepath.EvalSymlinks(path); err == nil {
				paths = append(paths, s.inside(target))
			}
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// inside is a path below the root as seen from there.
func (s *Survey) inside(path string) string {
	return "/" + strings.TrimPrefix(strings.TrimPrefix(path, s.Root), "/")
}
