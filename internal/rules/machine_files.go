package rules

import (
	"fmt"
	"math"
	"strconv"

	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/port"
	"portrange/internal/words"
)

// machineFiles: all processes together have few files left.
var machineFiles = &Rule{
	Kind: finding.Kind{
		Code: "machine-files", Title: "The machine runs out of open files",
		Evidence: func(f *finding.Finding) string {
			return limitText(f, "open files of the whole machine") + "; at the limit every open fails with ENFILE"
		},
	},
	Needs: host.WantLimits,
	Machine: func(m *Machine) {
		files := m.Now.Files
		if files == nil {
			return
		}
		if severity, worth := strain(files.Allocated, files.Max); worth {
			subject := finding.OfSetting(port.KeyFileMax, strconv.FormatUint(files.Max, 10))
			m.add(severity, subject, limitValues(files.Allocated, files.Max), finding.Action{
				Step:    finding.Now,
				Command: finding.Command{"sysctl", "-w", fmt.Sprintf("%s=%d", port.KeyFileMax, doubled(files.Max))},
				Text: "no single process may have more than " + port.KeyNROpen + " = " +
					words.Thousands(int(min(files.PerProcess, math.MaxInt))),
			})
		}
	},
}
