package checkup

import (
	"errors"

	"portrange/internal/boot"
	"portrange/internal/doctor"
	"portrange/internal/kernel/sysctl"
)

// forecast plays the next boot for the namespaces to which the files apply.
func (r *run) forecast() {
	var tree *boot.Tree
	for i := range r.facts.Namespaces {
		ns := &r.facts.Namespaces[i]
		if !r.booted[ns.Now.ID] {
			continue
		}
		if tree == nil {
			var err error
			if tree, err = boot.Read(r.options.Root, doctor.BootKeys()); err != nil {
				r.gap("settings after a reboot", 0, err)
				return
			}
		}
		ns.Boot = tree.Report(r.running(ns.Now.ID))
		r.gaps = append(r.gaps, ns.Boot.Gaps...)
	}
}

// running are the values of now.
func (r *run) running(id uint64) map[string]string {
	values := map[string]string{}
	r.inside(id, "settings", func() error {
		var failures []error
		for _, key := range doctor.BootKeys() {
			value, err := sysctl.Get(key)
			if err == nil {
				values[key] = value
			}
			failures = append(failures, absent(err))
		}
		return errors.Join(failures...)
	})
	return values
}
