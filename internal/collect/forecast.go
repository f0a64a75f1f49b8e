package collect

import (
	"portrange/internal/boot"
	"portrange/internal/host"
)

// Forecast reads what the files under root say about some settings at the next
// boot, and compares it with what holds now in the namespace to which they
// apply; nil where there is none to compare with.
func Forecast(root string, keys []string, ns *host.Namespace) (*boot.Report, error) {
	tree, err := boot.Read(root, keys)
	if err != nil {
		return nil, err
	}
	if ns == nil {
		return tree.Report(nil), nil
	}
	running := make(map[string]string, len(keys))
	for _, key := range keys {
		if value, known := ns.Settings.Value(key); known {
			running[key] = value
		}
	}
	return tree.Report(running), nil
}
