// Package exact proves the numbers. It holds tests only: each builds a network
// namespace at random, asks how many ports are left to some pools, then opens
// sockets until the kernel refuses, and compares. Every difference is a failure
// that names its seed.
//
// It knows how to provoke the kernel's bookkeeping, and refuses to know the
// rules that package judge predicts it by: the only arithmetic here is counting
// successful calls.
package exact
