package sockdiag

import (
	"fmt"

	"portrange/internal/host"
	"portrange/internal/port"
)

// chunk is how many sockets of one chain the kernel takes out under its lock
// (SKARR_SZ, net/ipv4/inet_diag.c).
const chunk = 16

// tally is what one reading of a table found, by the sockets' cookies.
type tally struct {
	seen      map[uint64]struct{}
	datagrams int
}

// gone counts the sockets that a later reading does not have.
func (t *tally) gone(later *tally) int {
	n := 0
	for cookie := range t.seen {
		if _, stayed := later.seen[cookie]; !stayed {
			n++
		}
	}
	return n
}

// counted runs some queries as one reading of a table.
func (w *walk) counted(read func() bool) (*tally, bool) {
	w.tally = &tally{seen: map[uint64]struct{}{}}
	more := read()
	return w.tally, more
}

// tcp reads all TCP sockets but listeners, three times where chains may be so long
// that the kernel stops within one: see the package comment.
func (w *walk) tcp() bool {
	first, more := w.counted(func() bool { return w.parallel(w.connections()) })
	if !more || !w.longChains(len(first.seen)) {
		return more
	}
	return w.twice(port.TCP, tcpSockets, func() bool { return w.serial(tcpQuery(tcpSockets, idle|connections, nil)) })
}

// longChains reports whether some chain of the table of connections may hold more
// than a chunk: with no more sockets than chains that does not happen, as the
// kernel hashes with a secret.
func (w *walk) longChains(sockets int) bool {
	size, known := w.kernel.TableSize()
	return sockets > chunk && known && sockets > size
}

// udp reads the UDP sockets, a second time where the kernel had to stop on the way.
func (w *walk) udp() bool {
	read := func() bool {
		return w.serial(udpQuery("udp sockets of IPv4", afInet)) && w.serial(udpQuery("udp sockets of IPv6", afInet6))
	}
	first, more := w.counted(read)
	if !more || first.datagrams <= 2 { // one for each family: nothing was cut
		return more
	}
	return w.compare(port.UDP, "udp sockets", first, read)
}

// twice reads a table two times over.
func (w *walk) twice(proto port.Proto, what string, read func() bool) bool {
	first, more := w.counted(read)
	return more && w.compare(proto, what, first, read)
}

// compare reads the table once more, yields what is new, and says how many may be
// missing still.
func (w *walk) compare(proto port.Proto, what string, first *tally, read func() bool) bool {
	second, more := w.counted(read)
	missed := first.gone(second)
	if !more || missed == 0 {
		return more
	}
	return w.yield(port.Socket{}, &host.Gap{
		Part: host.PartSockets, Object: what, Missed: host.Missed{Proto: proto, Sockets: missed},
		Why: fmt.Sprintf("%d went while they were listed; as many that stayed may be left out", missed),
	})
}
