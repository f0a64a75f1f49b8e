package sockiter

import (
	"testing"

	"portrange/internal/host"
	"portrange/internal/kernel/sockiter/emptyiter"
	"portrange/internal/nettest"
)

// benchmarkSize is large enough that the kernel's own table, which each walk
// goes through, does not hide the cost of a socket.
const benchmarkSize = 100_000

// BenchmarkWalk compares walks with those of iterators that do nothing.
func BenchmarkWalk(b *testing.B) {
	h := nettest.New(b)
	h.Crowd(benchmarkSize, nettest.CrowdOptions{Destinations: 10})
	empty, err := emptyiter.Open()
	if err != nil {
		b.Fatal(err)
	}
	defer empty.Close()
	p, err := Open(Options{Holders: true, Brief: true}, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	walks := []struct {
		name string
		walk func() error
	}{
		{"sockets/empty", empty.Sockets},
		{"sockets/ours", func() error { return drain(p.Sockets(b.Context(), nil)) }},
		{"files/empty", empty.Files},
		{"files/ours", func() error { return drain(p.Holders(b.Context(), nil)) }},
	}
	for _, w := range walks {
		b.Run(w.name, func(b *testing.B) {
			h.Do(func() {
				for b.Loop() {
					if err := w.walk(); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}

func drain[T any](stream *host.Stream[T]) error {
	for range stream.All() {
	}
	return stream.Err()
}

// BenchmarkOpen is what a run of the program pays before the first socket.
func BenchmarkOpen(b *testing.B) {
	nettest.NeedRoot(b)
	for name, options := range map[string]Options{"sockets": {Brief: true}, "holders": {Brief: true, Holders: true}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				p, err := Open(options, nil)
				if err != nil {
					b.Fatal(err)
				}
				if err := p.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
