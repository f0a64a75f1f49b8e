package survey

import (
	"errors"
	"io/fs"

	"portrange/internal/boot"
	"portrange/internal/host"
	"portrange/internal/kernel/sysctl"
)

// Boot forecasts the next boot of the file system under root. Where that is
// the running one, it is compared with the settings of the caller's network
// namespace.
func Boot(root string) (*boot.Report, error) {
	tree, err := boot.Read(root, boot.Keys())
	if err != nil {
		return nil, err
	}
	if root != "/" {
		return tree.Report(nil), nil
	}
	running, gaps := running()
	report := tree.Report(running)
	report.Gaps = append(report.Gaps, gaps...)
	return report, nil
}

// running reads the settings whose value after a reboot matters. One that the
// kernel does not have is left out.
func running() (map[string]string, []host.Gap) {
	values := map[string]string{}
	var gaps []host.Gap
	for _, key := range boot.Keys() {
		value, err := sysctl.Get(key)
		switch {
		case err == nil:
			values[key] = value
		case errors.Is(err, sysctl.ErrNoSysctl) || !errors.Is(err, fs.ErrNotExist):
			gaps = append(gaps, host.Gap{Part: host.PartSettings, Object: key, Why: err.Error()})
		}
	}
	return values, gaps
}
