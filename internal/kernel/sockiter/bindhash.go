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

	"portrange/internal/host"
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
	// maxProcessors bounds what one walk takes from the host's work.
	maxProcessors = 4
	// share is how many buckets of the table a worker takes at once. A table has
	// 65,536 at most.
	share = 512
)

// errRestless: a list of the table changed below each of many attempts at it.
var errRestless = errors.New("the table of bind buckets changed faster than it could be read")

func openBindHash(l *loader) (*bindHash, error) {
	var objects bindObjects
	workers := min(runtime.NumCPU(), maxProcessors) + 1 // while one waits for the reader
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

// mapSlots lays the slots out in memory.
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

// records is one reading of the sockets of a network namespace, as records.
type records struct {
	*bindHash
	ctx  context.Context
	err  error // why it is not whole
	walk *tableWalk
}

// records reads the sockets of the network namespace that the calling thread is
// in. Several processors read them. Where a list changes while it is read, some
// can be there twice.
func (b *bindHash) records(ctx context.Context) *records { return &records{bindHash: b, ctx: ctx} }

// all yields the records, some at a time, each only valid until the next.
func (r *records) all() iter.Seq[[]bpfRecord] {
	return func(yield func([]bpfRecord) bool) {
		if r.walk, r.err = r.start(r.ctx); r.err != nil {
			return
		}
		defer r.walk.stop()
		for s := range r.walk.found {
			more := yield(s.records[:s.walk.Count])
			r.free <- s
			if !more {
				return
			}
		}
		r.err = r.walk.err
	}
}

// report tells how the reading went, once it has ended.
func (r *records) report(to *host.Walk) {
	if to != nil && r.walk != nil {
		to.Restarts, to.Skipped = r.walk.restarts.Load(), r.walk.skipped.Load()
	}
}

// tableWalk is one walk of all the table.
type tableWalk struct {
	*bindHash
	here   bindBindWalk  // the namespace, and the size of the table
	next   atomic.Uint32 // the first bucket that no worker has taken
	found  chan slot     // closed when all workers have ended
	err    error         // why the walk is not whole, once found is closed
	cancel context.CancelFunc
	// restarts and skipped are what bindhash.c counts, of all shares.
	restarts, skipped atomic.Uint64
}

func (b *bindHash) start(ctx context.Context) (*tableWalk, error) {
	here, err := b.survey(ctx)
	if err != nil {
		return nil, err
	}
	w := &tableWalk{bindHash: b, here: here, found: make(chan slot, b.workers)}
	ctx, w.cancel = context.WithCancel(ctx)
	group, ctx := errgroup.WithContext(ctx)
	for range b.workers {
		group.Go(func() error { return w.work(ctx) })
	}
	go func() {
		w.err = group.Wait()
		close(w.found)
	}()
	return w, nil
}

// stop leaves nothing of the walk running, and takes no slot from the next.
func (w *tableWalk) stop() {
	w.cancel()
	for s := range w.found {
		w.free <- s
	}
}

// survey finds out which namespace this is and how large the table.
func (b *bindHash) survey(ctx context.Context) (bindBindWalk, error) {
	var walk bindBindWalk
	s, err := b.fill(ctx, &walk)
	if err == nil {
		b.free <- s
	}
	return walk, err
}

// work takes shares of the table until all are taken.
func (w *tableWalk) work(ctx context.Context) error {
	for {
		from := w.next.Add(share) - share
		if from >= w.here.Buckets {
			return nil
		}
		err := w.walkShare(ctx, bindBindWalk{Netns: w.here.Netns, Next: from, End: min(from+share, w.here.Buckets)})
		if err != nil {
			return err
		}
	}
}

// walkShare sends what the buckets of one share hold.
func (w *tableWalk) walkShare(ctx context.Context, walk bindBindWalk) error {
	defer func() {
		w.restarts.Add(walk.Restarted)
		w.skipped.Add(walk.Skipped)
	}()
	for walk.Done == 0 {
		s, err := w.fill(ctx, &walk)
		if err != nil {
			return err
		}
		w.found <- s
	}
	return nil
}

// fill goes on with the walk in the next free slot.
func (b *bindHash) fill(ctx context.Context, walk *bindBindWalk) (slot, error) {
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
