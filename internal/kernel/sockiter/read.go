package sockiter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// batchSize is what is handed over at once. One read brings no more than
	// the eight pages of the iterator's own buffer (bpf_seq_read in
	// kernel/bpf/bpf_iter.c); several of them make the hand-over cheap.
	batchSize = 256 << 10
	// batches is how many there are: one is looked at while another is filled.
	batches = 2
)

// readRecords calls visit with each record that r delivers, until visit returns
// an error. It reads ahead, so that the kernel's part of a walk and ours run at
// the same time. The record is only valid during the call.
func readRecords[T bpfRecord | bpfHeldRecord](ctx context.Context, r io.Reader, visit func(*T) error) error {
	inner, stop := context.WithCancel(ctx)
	a := &ahead[T]{
		free: make(chan []T, batches),
		full: make(chan batch[T]),
		r:    r,
	}
	for range batches {
		a.free <- make([]T, batchSize/int(unsafe.Sizeof(*new(T))))
	}
	var running sync.WaitGroup
	running.Go(func() { a.run(inner) })
	defer running.Wait()
	defer stop()
	return a.consume(ctx, visit)
}

// ahead reads batches of records in a goroutine of its own.
type ahead[T any] struct {
	r    io.Reader
	rest []byte // the beginning of a record whose end was not read yet
	free chan []T
	full chan batch[T]
}

// batch is what was read, and why nothing follows: io.EOF or an error.
type batch[T any] struct {
	records []T
	err     error
}

func (a *ahead[T]) consume(ctx context.Context, visit func(*T) error) error {
	for {
		var b batch[T]
		select {
		case <-ctx.Done():
			return ctx.Err()
		case b = <-a.full:
		}
		for i := range b.records {
			if err := visit(&b.records[i]); err != nil {
				return err
			}
		}
		if errors.Is(b.err, io.EOF) {
			return nil
		}
		if b.err != nil {
			return b.err
		}
		a.free <- b.records[:cap(b.records)]
	}
}

func (a *ahead[T]) run(ctx context.Context) {
	var b batch[T]
	for b.err == nil {
		select {
		case <-ctx.Done():
			return
		case records := <-a.free:
			b = a.fill(ctx, records)
		}
		select {
		case <-ctx.Done():
			return
		case a.full <- b:
		}
	}
}

// fill reads until half of the batch is full, so that the kernel always has
// room for one buffer of its own.
func (a *ahead[T]) fill(ctx context.Context, records []T) batch[T] {
	size := int(unsafe.Sizeof(*new(T)))
	view := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(records))), len(records)*size)
	filled := copy(view, a.rest)
	var err error
	for err == nil && filled < len(view)/2 {
		var n int
		n, err = a.r.Read(view[filled:])
		filled += n
		if errors.Is(err, unix.EAGAIN) {
			// A million objects in a row were nothing to us; the next read goes on.
			err = ctx.Err()
		}
	}
	whole := filled / size
	a.rest = append(a.rest[:0], view[whole*size:filled]...)
	if errors.Is(err, io.EOF) && len(a.rest) > 0 {
		err = fmt.Errorf("%d bytes after the last whole record: %w", len(a.rest), io.ErrUnexpectedEOF)
	}
	return batch[T]{records[:whole], err}
}
