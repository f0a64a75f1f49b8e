package collect

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"

	"portrange/internal/host"
	"portrange/internal/kernel/netns"
	"portrange/internal/kernel/owner"
	"portrange/internal/kernel/sysctl"
	"portrange/internal/port"
)

// Row is one socket with what belongs to it.
type Row struct {
	Namespace netns.Namespace
	Range     port.Range // of the namespace
	Socket    port.Socket
	Device    string // name of the interface it is bound to, empty for none
	Processes []host.Process
}

// Rows yields the sockets of the targets one by one, with their processes where
// the collector was opened for owners. Of owners it keeps a compact index, of
// sockets nothing. What is missing goes to gaps; the error is for a host of which
// nothing could be read, or for ctx.
func (c *Collector) Rows(ctx context.Context, targets []netns.Namespace, gaps *host.Gaps) *host.Stream[Row] {
	return host.NewStream(func(yield func(Row) bool) error {
		gaps.Add(c.gaps.List()...)
		r := &rows{Collector: c, gaps: gaps, yield: yield, index: &owner.Index{}, idle: map[uint64][]port.Socket{}}
		if err := r.findOwners(ctx); err != nil {
			return err
		}
		var failures []error
		for _, target := range targets {
			switch err := r.read(ctx, target); {
			case errors.Is(err, errStopped):
				return nil
			case ctx.Err() != nil:
				return ctx.Err()
			case err != nil && (len(targets) == 1 || r.cut):
				return err
			case err != nil:
				failures = append(failures, err)
				gaps.Missing(host.PartSockets, target.ID, err)
			}
		}
		if len(failures) == len(targets) {
			return nothing(failures)
		}
		return r.tellStrays(ctx, r.strays, gaps)
	})
}

// rows is one such stream on its way.
type rows struct {
	*Collector
	gaps  *host.Gaps
	yield func(Row) bool
	index *owner.Index
	// idle are the idle bound sockets by namespace, where owners were looked for.
	idle map[uint64][]port.Socket
	seen bool // whether the owners were all seen, and with them the idle sockets
	cut  bool // a source failed after it had yielded rows
	// strays are connections without a process, one entry for each target.
	strays []*strays
}

// errStopped ends a walk whose rows nobody wants any more.
var errStopped = errors.New("stopped")

// findOwners finds the owners of all sockets, through BPF where that is in use.
func (r *rows) findOwners(ctx context.Context) error {
	switch {
	case !r.want.Has(host.WantOwners):
		return nil
	case r.programs == nil:
		r.index = scanFiles(ctx, r.gaps)
		return ctx.Err()
	}
	holders := r.programs.Holders(ctx, r.gaps)
	for held := range holders.All() {
		r.index.Add(held.Socket.Inode, held.Process)
		if held.Socket.State == port.BoundInactive {
			r.idle[held.NetNS] = append(r.idle[held.NetNS], held.Socket)
		}
	}
	r.seen = holders.Err() == nil
	if ctx.Err() == nil {
		r.gaps.Missing(host.PartOwners, 0, holders.Err())
	}
	return ctx.Err()
}

// read yields the sockets of one target from the first source. Where that fails
// before it has yielded a socket, the next one takes its place. The error is
// [errStopped] when no more are wanted.
func (r *rows) read(ctx context.Context, target netns.Namespace) error {
	return within(target, func(at *netns.Handle) error {
		settings, err := sysctl.Read()
		if err != nil {
			return err
		}
		devices := deviceNames(r.gaps, at.ID)
		suspects := newStrays(target)
		r.strays = append(r.strays, suspects)
		visit := func(socket *port.Socket) bool {
			row := Row{
				Namespace: target, Range: settings.Range, Socket: *socket,
				Device: devices(socket.Device), Processes: slices.Collect(r.index.Holders(socket.Inode)),
			}
			if r.want.Has(host.WantOwners) && len(row.Processes) == 0 {
				suspects.addSocket(socket)
			}
			return r.yield(row)
		}
		for i, from := range r.sources {
			err = r.walk(ctx, from, at, visit)
			if err == nil || r.cut || ctx.Err() != nil || errors.Is(err, errStopped) {
				return err
			}
			if i+1 < len(r.sources) {
				r.gaps.Missing(from.lost(), at.ID, err)
			}
		}
		return err
	})
}

// walk visits the sockets that one source lists, and the idle ones that it did not
// list where the open files showed them, each once.
func (r *rows) walk(ctx context.Context, from source, at *netns.Handle, visit func(*port.Socket) bool) error {
	var n notes
	begun := false
	sockets := from.sockets(ctx, at, &n)
	for socket := range sockets.All() {
		begun = true
		if !visit(&socket) {
			return errStopped
		}
	}
	if err := sockets.Err(); err != nil {
		r.cut = begun
		return err
	}
	for _, gap := range n.gaps.List() {
		if gap.Part != host.PartIdle || !r.seen {
			r.gaps.AddOf(at.ID, gap)
			continue
		}
		known := map[uint64]bool{}
		for _, socket := range r.idle[at.ID] {
			if known[socket.Inode] {
				continue
			}
			known[socket.Inode] = true
			if !visit(&socket) {
				return errStopped
			}
		}
	}
	return nil
}

// deviceNames looks interface names up, each once, in the calling thread's namespace,
// whose number is netns.
func deviceNames(gaps *host.Gaps, netns uint64) func(uint32) string {
	known := map[uint32]string{0: ""}
	return func(index uint32) string {
		name, found := known[index]
		if found {
			return name
		}
		name = fmt.Sprintf("if%d", index)
		if device, err := net.InterfaceByIndex(int(index)); err == nil {
			name = device.Name
		} else {
			gaps.MissingObject(host.PartDevices, "the name of "+name, netns, err)
		}
		known[index] = name
		return name
	}
}
