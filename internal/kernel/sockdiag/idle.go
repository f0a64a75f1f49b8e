package sockdiag

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"portrange/internal/host"
)

// idleSockets names sockets that are bound but neither listen nor connect.
const idleSockets = "idle bound sockets"

// support is whether the kernel knows the state BoundInactive.
type support int32

const (
	supportUnknown support = iota
	supported
	unsupported
)

// boundInactive is the name of the state's enumerator (include/net/tcp_states.h).
const boundInactive = "TCP_BOUND_INACTIVE"

// The reasons why idle bound sockets may be missing.
var (
	errNotListed = errors.New("the kernel does not list them, Linux does since 6.8")
	errNoTypes   = errors.New("the kernel may not list them, Linux does since 6.8; without BTF it does not tell")
)

// checkIdle leaves a gap unless it is sure that the kernel lists idle bound
// sockets. One that does not know the state lists none, without a word, just as
// one that knows it and has none.
func (w *walk) checkIdle() error {
	if w.sawIdle {
		w.idle.Store(int32(supported))
		return nil
	}
	found, err := w.idleSupport()
	switch {
	case found == supported:
		return nil
	case found == unsupported:
		err = errNotListed
	case errors.Is(err, fs.ErrNotExist):
		err = errNoTypes
	default:
		err = fmt.Errorf("the kernel may not list them, Linux does since 6.8; %w", err)
	}
	w.gaps.Missing(host.PartIdle, 0, err)
	return nil
}

// idleSupport looks for the state's name among the kernel's types. (Binding a
// socket to see whether it is listed would take a port.) Only what is certain
// is kept.
func (r *Reader) idleSupport() (support, error) {
	if known := support(r.idle.Load()); known != supportUnknown {
		return known, nil
	}
	types, err := r.kernel.Types()
	if err != nil {
		return supportUnknown, err
	}
	defer types.Close()
	found, err := mentions(types, boundInactive)
	if err != nil {
		return supportUnknown, err
	}
	answer := unsupported
	if found {
		answer = supported
	}
	r.idle.Store(int32(answer))
	return answer, nil
}

// mentions reports whether the text occurs in r. Decoding megabytes of types to
// find one name would take longer than reading the sockets.
func mentions(r io.Reader, text string) (bool, error) {
	in := bufio.NewReaderSize(r, 64<<10)
	for {
		window, err := in.Peek(in.Size())
		if bytes.Contains(window, []byte(text)) {
			return true, nil
		}
		if err == io.EOF {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		// The text may begin at the window's end.
		if _, err := in.Discard(len(window) - len(text) + 1); err != nil {
			return false, err
		}
	}
}
