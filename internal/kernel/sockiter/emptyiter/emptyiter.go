// Package emptyiter walks sockets and open files with BPF iterators that do
// nothing: the yardstick for package sockiter. What a walk costs here is the
// kernel's own and cannot be saved by any program. It knows nothing about
// sockets and is used by benchmarks only.
package emptyiter

import (
	"errors"
	"fmt"
	"io"

	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

//go:generate go tool bpf2go -target bpfel,bpfeb -cflags "-O2 -Wall -Werror" bpf empty.c

// Walker holds the loaded iterators.
type Walker struct {
	tcp, udp, taskFile *link.Iter
}

// Open loads the iterators. Needs CAP_BPF and CAP_PERFMON.
func Open() (*Walker, error) {
	var programs bpfObjects
	if err := loadBpfObjects(&programs, nil); err != nil {
		return nil, fmt.Errorf("load empty BPF iterators: %w", err)
	}
	defer programs.Close()
	w := &Walker{}
	var errs [3]error
	w.tcp, errs[0] = link.AttachIter(link.IterOptions{Program: programs.IterTcp})
	w.udp, errs[1] = link.AttachIter(link.IterOptions{Program: programs.IterUdp})
	w.taskFile, errs[2] = link.AttachIter(link.IterOptions{Program: programs.IterTaskFile})
	if err := errors.Join(errs[:]...); err != nil {
		return nil, errors.Join(fmt.Errorf("attach empty BPF iterators: %w", err), w.Close())
	}
	return w, nil
}

// Sockets visits all TCP and UDP sockets of the calling thread's network
// namespace.
func (w *Walker) Sockets() error {
	return errors.Join(drain(w.tcp), drain(w.udp))
}

// Files visits all open files of all processes.
func (w *Walker) Files() error { return drain(w.taskFile) }

// Close unloads the iterators.
func (w *Walker) Close() error {
	var errs []error
	for _, iterator := range []*link.Iter{w.tcp, w.udp, w.taskFile} {
		if iterator != nil {
			errs = append(errs, iterator.Close())
		}
	}
	return errors.Join(errs...)
}

// drain reads until the end. After a million objects without output the
// kernel wants to be asked again.
func drain(from *link.Iter) error {
	r, err := from.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	for err = unix.EAGAIN; errors.Is(err, unix.EAGAIN); {
		_, err = io.Copy(io.Discard, r)
	}
	return err
}
