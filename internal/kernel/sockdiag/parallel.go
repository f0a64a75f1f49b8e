package sockdiag

import (
	"context"
	"fmt"
	"sync"

	"portrange/internal/port"
)

// parallel asks several queries at once. Those worth repeating it repeats one
// after the other.
func (w *walk) parallel(queries []*query) error {
	conns, err := w.dialAll(len(queries))
	if err != nil {
		return fmt.Errorf("open sock_diag: %w%s", err, dialHint(err))
	}
	m := startMerge(w.ctx, queries, conns)
	if !m.drain(w.deliver) {
		return errStopped
	}
	for i, q := range queries {
		err := m.errs[i]
		if worthRepeating(err) {
			err = w.repeat(q, 1)
		} else {
			err = w.settle(q, err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// dialAll opens the connections on the calling thread, whose network namespace
// they stay in wherever they are used.
func (w *walk) dialAll(n int) ([]Conn, error) {
	var conns []Conn
	for range n {
		conn, err := w.kernel.Dial(firstBuffer)
		if err != nil {
			for _, conn := range conns {
				conn.Close()
			}
			return nil, err
		}
		conns = append(conns, conn)
	}
	return conns, nil
}

// merge brings several dumps into one goroutine. Batches go round: full ones to
// the consumer, used ones back.
type merge struct {
	full   chan []port.Socket
	used   chan []port.Socket
	errs   []error // valid once full is closed
	cancel context.CancelFunc
}

func startMerge(ctx context.Context, queries []*query, conns []Conn) *merge {
	ctx, cancel := context.WithCancel(ctx)
	m := &merge{
		full:   make(chan []port.Socket),
		used:   make(chan []port.Socket, 2*len(queries)),
		errs:   make([]error, len(queries)),
		cancel: cancel,
	}
	var running sync.WaitGroup
	for i, q := range queries {
		m.used <- nil // each dump has a batch to fill while another is consumed
		running.Go(func() { m.errs[i] = q.converse(ctx, conns[i], m.exchange(ctx)) })
	}
	go func() {
		running.Wait()
		close(m.full)
	}()
	return m
}

// exchange is the [sink] of a dump.
func (m *merge) exchange(ctx context.Context) sink {
	return func(batch []port.Socket) ([]port.Socket, bool) {
		select {
		case m.full <- batch:
			return <-m.used, true
		case <-ctx.Done():
			return nil, false
		}
	}
}

// drain hands all batches to deliver. It returns when every dump has ended,
// which is soon once deliver wants no more, and reports whether it still did.
func (m *merge) drain(deliver sink) bool {
	defer m.cancel()
	more := true
	for batch := range m.full {
		if more {
			if _, more = deliver(batch); !more {
				m.cancel()
			}
		}
		m.used <- batch
	}
	return more
}
