package sockiter

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"sync/atomic"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// bindHash walks the kernel's table of bind buckets: all TCP sockets that hold
// a port, and so all but request sockets. See bindhash.c.
type bindHash struct {
	program *ebpf.Program
	memory  []byte // the slots, shared with the kernel
	free    chan slot
	workers int
}

// slot is a place for what one run of the program starts from and finds.
type slot struct {
	number  uint32
	walk    *bindBindWalk
	records []bpfRecord
}

const (
	// maxWorkers bounds how many processors one walk takes from the host's work.
	maxWorkers = 4
	// share is how many buckets of the table a worker takes at once. A table has
	// 65,536 at most.
	share = 512
)

// errRestless: a list of the table changed below each of many attempts at it.
var errRestless = errors.New("the table of bind buckets changed faster than it could be read")

func openBindHash(l *loader) (*bindHash, error) {
	var objects bindObjects
	workers := min(runtime.GOMAXPROCS(0), maxWorkers)
	spec, err := loadBind()
	if err != nil {
		return nil, fmt.Errorf("read BPF program: %w", err)
	}
	spec.Maps[bindMapSlots].MaxEntries = uint32(2 * workers)
	if err := l.load(spec, &objects); err != nil {
		return nil, err
	}
	defer objects.Slots.Close() // the program keeps it
	b := &bindHash{program: objects.WalkBinds, workers: workers}
	if err := b.mapSlots(objects.Slots); err != nil {
		return nil, errors.Join(err, b.close())
	}
	return b, nil
}

// mapSlots lays the slots out in memory; those not used take none.
func (b *bindHash) mapSlots(from *ebpf.Map) (err error) {
	n, size := int(from.MaxEntries()), int(from.ValueSize())
	b.memory, err = unix.Mmap(from.FD(), 0, n*size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("map memory of BPF program: %w", err)
	}
	b.free = make(chan slot, n)
	for i := range n {
		shared := (*bindSlot)(unsafe.Pointer(&b.memory[i*size]))
		b.free <- slot{uint32(i), &shared.Walk, (*[len(shared.Records)]bpfRecord)(unsafe.Pointer(&shared.Records))[:]}
	}
	return nil
}

func (b *bindHash) close() error {
	err := b.program.Close()
	if b.memory != nil {
		err = errors.Join(err, unix.Munmap(b.memory))
	}
	return err
}

// records yields the sockets of the network namespace that the calling thread
// is in, some at a time, on several processors at once. What is yielded is only
// valid until the next.
func (b *bindHash) records(ctx context.Context) iter.Seq2[[]bpfRecord, error] {
	return func(yield func([]bpfRecord, error) bool) {
		here, err := b.survey()
		if err != nil {
			yield(nil, err)
			return
		}
		inner, stop := context.WithCancel(ctx)
		found := make(chan finding, b.workers)
		group, inner := errgroup.WithContext(inner)
		var next atomic.Uint32
		for range b.workers {
			group.Go(func() error { return b.work(inner, here, &next, found) })
		}
		go func() {
			err = group.Wait()
			close(found)
		}()
		defer func() { // nothing of this walk is left running or kept
			stop()
			for f := range found {
				b.release(f)
			}
		}()
		for f := range found {
			more := yield(f.records, nil)
			b.release(f)
			if !more {
				return
			}
		}
		if err != nil {
			yield(nil, err)
		}
	}
}

// finding is a part of what a walk finds. Its records are in a slot or, where a
// bucket had more than one slot takes, have memory of their own.
type finding struct {
	records []bpfRecord
	in      *slot
}

func (b *bindHash) release(f finding) {
	if f.in != nil {
		b.free <- *f.in
	}
}

// survey finds out which namespace this is and how large the table.
func (b *bindHash) survey() (bindBindWalk, error) {
	s := <-b.free
	defer func() { b.free <- s }()
	*s.walk = bindBindWalk{}
	err := b.run(s)
	return *s.walk, err
}

func (b *bindHash) run(s slot) error {
	failed, err := b.program.Run(&ebpf.RunOptions{Context: s.number})
	if err != nil {
		return fmt.Errorf("run BPF program: %w", err)
	}
	if failed != 0 {
		return errRestless
	}
	return nil
}

// work takes shares of the table until all are taken.
func (b *bindHash) work(ctx context.Context, here bindBindWalk, next *atomic.Uint32, found chan<- finding) error {
	for {
		from := next.Add(share) - share
		if from >= here.Buckets {
			return nil
		}
		walk := bindBindWalk{Netns: here.Netns, Next: from, End: min(from+share, here.Buckets)}
		if err := b.walkShare(ctx, walk, found); err != nil {
			return err
		}
	}
}

// walkShare sends what the buckets of one share hold.
func (b *bindHash) walkShare(ctx context.Context, walk bindBindWalk, found chan<- finding) error {
	var unfinished []bpfRecord // of a bucket that goes on in the next slot
	for walk.Done == 0 {
		s, err := b.next(ctx, &walk)
		if err != nil {
			return err
		}
		if walk.Torn != 0 {
			unfinished = nil
		}
		if len(unfinished) > 0 && walk.Whole > 0 {
			found <- finding{records: unfinished}
			unfinished = nil
		}
		unfinished = append(unfinished, s.records[walk.Whole:walk.Count]...)
		found <- finding{s.records[:walk.Whole], &s}
	}
	return nil
}

// next fills the next free slot.
func (b *bindHash) next(ctx context.Context, walk *bindBindWalk) (slot, error) {
	select {
	case s := <-b.free:
		*s.walk = *walk
		if err := b.run(s); err != nil {
			b.free <- s
			return slot{}, err
		}
		*walk = *s.walk
		return s, nil
	case <-ctx.Done():
		return slot{}, ctx.Err()
	}
}
