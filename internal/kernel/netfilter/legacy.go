package netfilter

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"portrange/internal/host"
)

// legacy is one family of iptables-legacy.
type legacy struct {
	family string
	domain int    // of the socket that is asked
	level  int    // of its options
	names  string // file that lists the tables
	entry  layout
}

// layout is where in struct ipt_entry or struct ip6t_entry the offsets stand
// (linux/netfilter_ipv4/ip_tables.h, linux/netfilter_ipv6/ip6_tables.h).
type layout struct{ targetOffset, nextOffset, size int }

// Option numbers: the two families have the same.
const (
	getInfo    = 64 // IPT_SO_GET_INFO, IP6T_SO_GET_INFO
	getEntries = 65 // IPT_SO_GET_ENTRIES, IP6T_SO_GET_ENTRIES
)

// Lengths of struct ipt_getinfo, of its name, and of struct ipt_get_entries
// without the entries; the same for both families.
const (
	nameLength    = 32
	infoLength    = 84
	infoSize      = 80 // where the size of the entries stands in it
	entriesLength = 40
)

// natTable is the only table whose targets may be SNAT or MASQUERADE.
const natTable = "nat"

var legacies = []legacy{
	{"ip", unix.AF_INET, unix.SOL_IP, "/proc/thread-self/net/ip_tables_names", layout{88, 90, 112}},
	{"ip6", unix.AF_INET6, unix.SOL_IPV6, "/proc/thread-self/net/ip6_tables_names", layout{140, 142, 168}},
}

func listLegacy(context.Context) ([]host.NATRules, error) {
	var found []host.NATRules
	for _, l := range legacies {
		n, err := l.count()
		if err != nil {
			return found, fmt.Errorf("read table nat of family %s: %w", l.family, err)
		}
		if n > 0 {
			found = append(found, host.NATRules{Backend: "iptables-legacy", Family: l.family, Table: natTable, Count: n})
		}
	}
	return found, nil
}

// count counts the rules. It looks first whether the table is there: asking
// for it would make the kernel set it up, with hooks on every packet.
func (l legacy) count() (int, error) {
	names, err := os.ReadFile(l.names)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if !slices.Contains(strings.Fields(string(names)), natTable) {
		return 0, nil
	}
	entries, err := l.read()
	if err != nil {
		return 0, err
	}
	return l.entry.count(entries)
}

// read fetches the entries of the table. The size is asked for first, and the
// kernel answers EAGAIN when it changed in between.
func (l legacy) read() ([]byte, error) {
	fd, err := unix.Socket(l.domain, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	for range attempts {
		info := make([]byte, infoLength)
		copy(info, natTable)
		if err := getsockopt(fd, l.level, getInfo, info); err != nil {
			return nil, err
		}
		size := binary.NativeEndian.Uint32(info[infoSize:])
		entries := make([]byte, entriesLength+int(size))
		copy(entries, natTable)
		binary.NativeEndian.PutUint32(entries[nameLength:], size)
		err := getsockopt(fd, l.level, getEntries, entries)
		if err == nil {
			return entries[entriesLength:], nil
		}
		if !errors.Is(err, unix.EAGAIN) {
			return nil, err
		}
	}
	return nil, errInterrupted
}

// getsockopt is getsockopt(2) with an argument that goes in and comes back.
func getsockopt(fd, level, option int, value []byte) error {
	length := uint32(len(value))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), uintptr(level), uintptr(option),
		uintptr(unsafe.Pointer(&value[0])), uintptr(unsafe.Pointer(&length)), 0)
	if errno != 0 {
		return os.NewSyscallError("getsockopt", errno)
	}
	return nil
}

// count walks the entries and counts those with a target that rewrites the
// source. The target is struct xt_entry_target: a length, then its name.
func (l layout) count(entries []byte) (int, error) {
	n := 0
	for len(entries) > 0 {
		if len(entries) < l.size {
			return 0, errors.New("an entry is cut off")
		}
		target := int(binary.NativeEndian.Uint16(entries[l.targetOffset:]))
		next := int(binary.NativeEndian.Uint16(entries[l.nextOffset:]))
		if target < l.size || next < target+2 || next > len(entries) {
			return 0, fmt.Errorf("an entry of %d bytes has its target at %d", next, target)
		}
		if isTarget(cString(entries[target+2 : next])) {
			n++
		}
		entries = entries[next:]
	}
	return n, nil
}

func isTarget(name string) bool { return name == "SNAT" || name == "MASQUERADE" }

func cString(text []byte) string {
	before, _, _ := bytes.Cut(text, []byte{0})
	return string(before)
}
