package netns

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/prometheus/procfs"
)

// Unit is what a process belongs to, by its control group: the container, else the
// service or scope of systemd (systemd.unit(5)), as "nginx.service"; empty for neither.
func Unit(pid int) (string, error) {
	proc, err := procfs.NewProc(pid)
	if err != nil {
		return "", fmt.Errorf("read the control group of process %d: %w", pid, err)
	}
	cgroups, err := proc.Cgroups()
	if err != nil {
		return "", fmt.Errorf("read the control group of process %d: %w", pid, err)
	}
	unit := ""
	for _, cgroup := range cgroups {
		if container := containerOf(cgroup.Path); container.ID != "" {
			return container.String(), nil
		}
		unit = cmp.Or(unit, unitOf(cgroup.Path))
	}
	return unit, nil
}

// unitOf is the innermost service or scope in the path of a control group. Below it are
// groups that the service made for itself. A user's own services are below the service
// user@UID.service of that user.
func unitOf(cgroup string) string {
	names := strings.Split(cgroup, "/")
	for i := len(names) - 1; i >= 0; i-- {
		if strings.HasSuffix(names[i], ".service") || strings.HasSuffix(names[i], ".scope") {
			return names[i]
		}
	}
	return ""
}
