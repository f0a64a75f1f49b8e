package collect

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"portrange/internal/host"
	"portrange/internal/kernel/cgrouphook"
	"portrange/internal/kernel/netns"
	"portrange/internal/kernel/owner"
	"portrange/internal/kernel/route"
	"portrange/internal/port"
)

// AllNamespaces is the reference to every namespace that can be found.
const AllNamespaces = "all"

// Targets finds the network namespaces that ref means: the caller's for the
// empty text, every one for "all", else one by name, path or process id.
func Targets(ctx context.Context, ref string) ([]netns.Namespace, []host.Gap, error) {
	switch ref {
	case "":
		current, err := netns.Current()
		return []netns.Namespace{current}, nil, err
	case AllNamespaces:
		found, gaps := netns.Find(ctx)
		return found, gaps, ctx.Err()
	}
	handle, err := netns.Open(ref)
	if err != nil {
		return nil, nil, err
	}
	return []netns.Namespace{handle.Namespace}, nil, handle.Close()
}

// Commands are the command names of all processes, see [owner.Commands].
func Commands() ([]string, error) { return owner.Commands() }

// reference is what [Targets] takes for a namespace: nothing for the caller's own.
func reference(target netns.Namespace) string {
	own, err := netns.CurrentID()
	switch ref := target.Ref(); {
	case err == nil && own == target.ID:
		return ""
	case ref == AllNamespaces:
		return target.Path
	default:
		return ref
	}
}

// within runs fn on a thread inside the target.
func within(target netns.Namespace, fn func(at *netns.Handle) error) error {
	at, err := target.Open()
	if err != nil {
		return err
	}
	return errors.Join(at.Do(func() error { return fn(at) }), at.Close())
}

// Question is what [Sources] asks the routing.
type Question = route.Question

// ErrRefused says that connect() takes no such destination, although there is a
// way to it.
var ErrRefused = route.ErrRefused

// ErrNoSource says that no way leads to a destination.
var ErrNoSource = route.ErrNoSource

// Unsaid is what a [Question] leaves open, Ruled what hangs on that.
type (
	Unsaid = route.Unsaid
	Ruled  = route.Ruled
)

// Rules tells what the target's rules of routing make of what a question leaves
// open, see [route.Rules].
func Rules(ctx context.Context, target netns.Namespace, q Question, unsaid Unsaid) (ruled Ruled, err error) {
	err = within(target, func(*netns.Handle) error {
		ruled, err = route.Rules(ctx, q, unsaid)
		return err
	})
	return ruled, err
}

// Sources are the local addresses that the target's routing gives to connections,
// see [route.Sources].
func Sources(ctx context.Context, target netns.Namespace, q Question) (sources []netip.Addr, err error) {
	err = within(target, func(*netns.Handle) error {
		sources, err = route.Sources(ctx, q)
		return err
	})
	return sources, err
}

// CheckLocal returns an error where no socket of the target may be bound to
// addr. device is the interface that a link-local address belongs to.
func CheckLocal(target netns.Namespace, proto port.Proto, addr netip.Addr, device uint32) error {
	return within(target, func(*netns.Handle) error { return route.Bindable(proto, addr, device) })
}

// Device is an interface of the target by its name or, as in fe80::1%2, its index.
func Device(target netns.Namespace, text string) (device *net.Interface, err error) {
	err = within(target, func(*netns.Handle) error {
		if index, notNumber := strconv.Atoi(text); notNumber == nil {
			device, err = net.InterfaceByIndex(index)
		} else {
			device, err = net.InterfaceByName(text)
		}
		if err != nil {
			return fmt.Errorf("find interface %s in netns %s: %w", text, target.Name, err)
		}
		return nil
	})
	return device, err
}

// Hooks reports whether BPF programs may have a say in what a program connects to
// in the target, and where it binds if it binds: programs in the control group of
// portrange, or of the target's first process where that is not portrange's own
// namespace. The error says why it is not known.
func Hooks(target netns.Namespace, family6, binds bool) (host.Answer, error) {
	pid := 0
	if own, err := netns.CurrentID(); err != nil || own != target.ID {
		pid = target.PID
	}
	hooks, err := cgrouphook.Of(pid)
	if binds {
		return hooks.BindAndConnect(family6), err
	}
	return hooks.Connect(family6), err
}

// Unread lists the targets that a state is without although they are still there.
func Unread(state *host.State, targets []netns.Namespace) []netns.Namespace {
	var unread []netns.Namespace
	for _, target := range targets {
		if state.Find(target.ID) == nil && !errors.Is(target.Do(func() error { return nil }), netns.ErrGone) {
			unread = append(unread, target)
		}
	}
	return unread
}
