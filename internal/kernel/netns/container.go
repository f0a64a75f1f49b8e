package netns

import (
	"regexp"
	"strings"
)

// Container is what a control group's name says of the container in it.
type Container struct {
	// Runtime is "docker", "containerd", "cri-o", "podman", "kubernetes" where
	// the container runtime does not show, "systemd-nspawn" or "lxc".
	Runtime string
	// ID is the container's id, or its name for systemd-nspawn and lxc.
	ID string
}

// shortID is how much of a container's id its runtime's command line prints.
const shortID = 12

// String is the runtime and the id as short as the runtime's own tools print it.
func (c Container) String() string {
	if c.ID == "" {
		return ""
	}
	id := c.ID
	if hexID.MatchString(id) {
		id = id[:shortID]
	}
	return c.Runtime + " " + id
}

var hexID = regexp.MustCompile(`^[0-9a-f]{64}$`)

// cgroupPatterns are the names that container runtimes give to control groups,
// by systemd ("docker-ID.scope") or on their own ("/docker/ID"). The first that
// matches counts, so the specific ones come first.
var cgroupPatterns = []struct {
	runtime string
	name    *regexp.Regexp
}{
	{"docker", regexp.MustCompile(`/docker[-/]([0-9a-f]{64})(?:\.scope)?(?:/|$)`)},
	{"containerd", regexp.MustCompile(`[/:](?:cri-containerd|nerdctl)[-:]([0-9a-f]{64})(?:\.scope)?(?:/|$)`)},
	{"cri-o", regexp.MustCompile(`/crio-([0-9a-f]{64})(?:\.scope)?(?:/|$)`)},
	{"podman", regexp.MustCompile(`/libpod-([0-9a-f]{64})(?:\.scope)?(?:/|$)`)},
	{"kubernetes", regexp.MustCompile(`/kubepods[^/]*/(?:[^/]+/)*pod[^/]+/([0-9a-f]{64})(?:/|$)`)},
	{"systemd-nspawn", regexp.MustCompile(`/machine\.slice/(?:machine-|systemd-nspawn@)([^/]+?)\.(?:scope|service)(?:/|$)`)},
	{"lxc", regexp.MustCompile(`/lxc(?:\.payload[./]|/)([^/]+)(?:/|$)`)},
}

// containerOf reads the path of a control group.
func containerOf(cgroup string) Container {
	for _, pattern := range cgroupPatterns {
		if match := pattern.name.FindStringSubmatch(cgroup); match != nil {
			// The one escape that machine names get in unit names (systemd.unit(5)): a
			// hyphen separates slices there.
			return Container{Runtime: pattern.runtime, ID: strings.ReplaceAll(match[1], `\x2d`, "-")}
		}
	}
	return Container{}
}

// container is the container of a process; the zero value where it has none or
// has ended.
func (s *survey) container(pid int) Container {
	proc, err := s.procs.Proc(pid)
	if err != nil {
		return Container{}
	}
	cgroups, err := proc.Cgroups()
	if err != nil {
		return Container{}
	}
	for _, cgroup := range cgroups { // with version 1, not every hierarchy needs to have a group of it
		if container := containerOf(cgroup.Path); container.ID != "" {
			return container
		}
	}
	return Container{}
}
