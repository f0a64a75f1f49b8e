package owner

import (
	"fmt"
	"slices"

	"github.com/prometheus/procfs"
)

// Commands are the command names of all processes that show, sorted, each once. One that
// ends meanwhile is left out.
func Commands() ([]string, error) {
	processes, err := procfs.AllProcs()
	if err != nil {
		return nil, fmt.Errorf("list the processes: %w", err)
	}
	var names []string
	for _, process := range processes {
		if name, err := process.Comm(); err == nil && name != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}
