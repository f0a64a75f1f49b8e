package sockdiag

import (
	"fmt"

	"golang.org/x/sys/unix"

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
func (w *walk) counted(read func() error) (*tally, error) {
	w.tally = &tally{seen: map[uint64]struct{}{}}
	err := read()
	return w.tally, err
}

// tcp reads all TCP sockets but listeners, twice more where chains may be so long
// that the kernel stops within one: see the package comment.
func (w *walk) tcp() error {
	first, err := w.counted(func() error { return w.parallel(w.connections()) })
	if err != nil || !w.longChains(len(first.seen)) {
		return err
	}
	read := func() error { return w.serial(tcpQuery(tcpSockets, idle|connections, nil)) }
	if first, err = w.counted(read); err != nil {
		return err
	}
	return w.compare(port.TCP, tcpSockets, first, read)
}

// longChains reports whether some chain of the table of connections may hold more
// than a chunk: with no more sockets than chains that does not happen, as the
// kernel hashes with a secret.
func (w *walk) longChains(sockets int) bool {
	size, known := w.kernel.TableSize()
	return sockets > chunk && known && sockets > size
}

// udp reads the UDP sockets, a second time where the kernel had to stop on the way.
func (w *walk) udp() error {
	read := func() error {
		if err := w.serial(udpQuery("udp sockets of IPv4", unix.AF_INET)); err != nil {
			return err
		}
		return w.serial(udpQuery("udp sockets of IPv6", unix.AF_INET6))
	}
	first, err := w.counted(read)
	if err != nil || first.datagrams <= 2 { // one for each family: nothing was cut
		return err
	}
	return w.compare(port.UDP, "udp sockets", first, read)
}

// compare reads the table once more, yields what is new, and says how many may be
// missing still.
func (w *walk) compare(proto port.Proto, what string, first *tally, read func() error) error {
	second, err := w.counted(read)
	if err != nil {
		return err
	}
	if missed := first.gone(second); missed > 0 {
		w.gaps.Add(host.Gap{
			Part: host.PartSockets, Object: what, Missed: host.Missed{Proto: proto, Sockets: missed},
			Why: fmt.Sprintf("%d went while they were listed; as many that stayed may be left out", missed),
		})
	}
	return nil
}
