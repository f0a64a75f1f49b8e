package checkup

import (
	"fmt"

	"portrange/internal/kernel/netns"
	"portrange/internal/kernel/sysctl"
	"portrange/internal/port"
)

// hosts reads the host's range for the namespaces that are others.
func (r *run) hosts() {
	for i := range r.facts.Namespaces {
		ns := &r.facts.Namespaces[i]
		if ns.Now.Name == port.Host {
			continue
		}
		host, err := hostRange()
		if err != nil {
			r.gap("the host's port range", 0, err)
			return
		}
		if host.id != ns.Now.ID {
			ns.Host = &host.ports
		}
	}
}

type hostNamespace struct {
	id    uint64
	ports port.Range
}

func hostRange() (hostNamespace, error) {
	handle, err := netns.Open(port.Host)
	if err != nil {
		return hostNamespace{}, err
	}
	defer handle.Close()
	host := hostNamespace{id: handle.ID}
	err = handle.Do(func() error {
		text, err := sysctl.Get(port.KeyRange)
		if err == nil {
			host.ports, err = port.ParseRange(text)
		}
		return err
	})
	if err != nil {
		return hostNamespace{}, fmt.Errorf("read the host's port range: %w", err)
	}
	return host, nil
}
