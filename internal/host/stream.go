package host

import "iter"

// Stream yields values one by one and then tells how it ended. What it misses
// on the way goes to a [Gaps] collector. It can be read once.
type Stream[T any] struct {
	walk func(yield func(T) bool) error
	err  error
}

// NewStream makes a stream of a walk, which returns nil where the consumer
// wanted no more.
func NewStream[T any](walk func(yield func(T) bool) error) *Stream[T] {
	return &Stream[T]{walk: walk}
}

// Failed is a stream that ends with err before its first value.
func Failed[T any](err error) *Stream[T] {
	return NewStream(func(func(T) bool) error { return err })
}

// All yields the values.
func (s *Stream[T]) All() iter.Seq[T] {
	return func(yield func(T) bool) { s.err = s.walk(yield) }
}

// Err is why the stream ended before its time, once [Stream.All] has ended; nil
// where it is whole or the consumer stopped.
func (s *Stream[T]) Err() error { return s.err }
