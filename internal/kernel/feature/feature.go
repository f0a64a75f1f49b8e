// Package feature finds out what the running kernel can do about local ports.
//
// Version numbers say little: distributions carry new code in old kernels and
// switch old code off in new ones. So every answer comes from the kernel itself,
// from an option it takes or from its type information (BTF), and has a third
// value for what cannot be seen.
//
// The package probes. It refuses to know what to do about the answers.
package feature

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"

	"portrange/internal/host"
)

// Probe asks the running kernel, whose type information the cache has or gets.
// What could not be asked is a gap.
func Probe(cache *btf.Cache, gaps *host.Gaps) host.Features {
	var s host.Features
	var err error
	s.SocketRange, err = probeSocketRange()
	gaps.MissingObject(host.PartFeatures, "whether sockets may have port ranges", 0, err)
	types, err := cache.Kernel()
	if err != nil {
		err = fmt.Errorf("load the kernel's type information: %w", err)
		gaps.MissingObject(host.PartFeatures, "how this kernel searches ports", 0, err)
		return s
	}
	s.WholeSearch = returnsValue(types, "inet_sk_get_local_port_range")
	s.RCULookup = hasMember(types, "inet_bind_bucket", "rcu")
	s.BucketRecalculation = hasMember(types, "inet_bind2_bucket", "fastreuse")
	return s
}

// ipLocalPortRange is IP_LOCAL_PORT_RANGE (linux/in.h).
const ipLocalPortRange = 51

// probeSocketRange sets the option on a socket that is then closed. Zero means
// no range of its own.
func probeSocketRange() (host.Answer, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return host.Unknown, fmt.Errorf("open a socket: %w", err)
	}
	defer unix.Close(fd)
	switch err := unix.SetsockoptInt(fd, unix.SOL_IP, ipLocalPortRange, 0); {
	case err == nil:
		return host.Yes, nil
	case errors.Is(err, unix.ENOPROTOOPT):
		return host.No, nil
	default:
		return host.Unknown, fmt.Errorf("set IP_LOCAL_PORT_RANGE: %w", err)
	}
}

// returnsValue reports whether a kernel function returns anything. Since the
// search asks inet_sk_get_local_port_range whether the socket has a range of
// its own, it does.
func returnsValue(types *btf.Spec, name string) host.Answer {
	var function *btf.Func
	if err := types.TypeByName(name, &function); err != nil {
		return host.Unknown // it may be inlined
	}
	prototype, is := function.Type.(*btf.FuncProto)
	if !is {
		return host.Unknown
	}
	if _, nothing := prototype.Return.(*btf.Void); nothing {
		return host.No
	}
	return host.Yes
}

func hasMember(types *btf.Spec, structure, member string) host.Answer {
	var found *btf.Struct
	if err := types.TypeByName(structure, &found); err != nil {
		return host.Unknown
	}
	for _, m := range found.Members {
		if m.Name == member {
			return host.Yes
		}
	}
	return host.No
}
