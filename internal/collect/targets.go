package collect

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"portrange/internal/host"
	"portrange/internal/kernel/netns"
	"portrange/internal/kernel/route"
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

// SourceAddress is the local address that the target's routing would give a
// connection to remote, through device where that is not empty.
func SourceAddress(
	ctx context.Context, target netns.Namespace, remote netip.Addr, device string,
) (source netip.Addr, err error) {
	err = within(target, func(*netns.Handle) error {
		source, err = route.Source(ctx, remote, device)
		return err
	})
	return source, err
}

// CheckLocal returns an error where no socket of the target may be bound to
// addr. device is the interface that a link-local address belongs to.
func CheckLocal(target netns.Namespace, addr netip.Addr, device uint32) error {
	return within(target, func(*netns.Handle) error { return route.Bindable(addr, device) })
}

// DeviceIndex is the index of an interface of the target by its name.
func DeviceIndex(target netns.Namespace, name string) (index uint32, err error) {
	err = within(target, func(*netns.Handle) error {
		device, err := net.InterfaceByName(name)
		if err != nil {
			return fmt.Errorf("find interface %s in netns %s: %w", name, target.Name, err)
		}
		index = uint32(device.Index)
		return nil
	})
	return index, err
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
