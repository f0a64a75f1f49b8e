package judge

import (
	"slices"

	"portrange/internal/port"
)

// pass tells in which pass of its search the kernel comes to a port, from 0 on. It
// begins the next one only where there was nothing in the one before.
type pass func(p uint16) int

// maxPasses is how many passes a search has at most.
const maxPasses = 4

// connectPass is the search of __inet_hash_connect (net/ipv4/inet_hashtables.c):
// ports of the lower end's parity, then the others; all in one for a socket with a
// range of its own.
func (r *rules) connectPass(a *Asker) pass {
	if a.SocketRange != nil {
		return onePass
	}
	return func(p uint16) int { return int(p-r.ends.Low) % 2 }
}

// bindPass is that of inet_csk_find_open_port (net/ipv4/inet_connection_sock.c): the
// other parity first, with SO_REUSEADDR in the lower half of the range before the
// upper one. UDP goes through the range as it comes (udp_lib_get_port,
// net/ipv4/udp.c).
func (r *rules) bindPass(a *Asker) pass {
	if a.Proto == port.UDP {
		return onePass
	}
	halves := a.Reuse && r.ends.Size() >= 4
	return func(p uint16) int {
		number := 1 - int(p-r.ends.Low)%2
		if halves && p >= r.half() {
			number += 2
		}
		return number
	}
}

func onePass(uint16) int { return 0 }

// half is where bind() with SO_REUSEADDR begins the upper half of the range; the
// lower one has an even length.
func (r *rules) half() uint16 { return r.ends.Low + uint16(r.ends.Size()/4*2) }

// step is what one pass comes to.
type step struct {
	good int // ports that lead to a connection
	// stuck are ports that the search finds and connect() fails with. Whoever closes
	// the socket and tries again finds them again, and never comes to the next pass.
	stuck int
}

// reached is how many connections one gets to who tries again as long as a port is
// found.
func reached(steps []step) int {
	n := 0
	for _, s := range steps {
		if n += s.good; s.stuck > 0 {
			break
		}
	}
	return n
}

// steps are the passes over free ports, of which the barred ones are stuck.
func steps(free, barred *port.Set, in pass) []step {
	all := make([]step, maxPasses)
	for p := range free.All() {
		if barred != nil && barred.Contains(p) {
			all[in(p)].stuck++
		} else {
			all[in(p)].good++
		}
	}
	return all
}

// bar says of a pool that connect() fails where it gets a barred port.
func (p *Pool) bar(steps []step) {
	if slices.ContainsFunc(steps, func(s step) bool { return s.stuck > 0 }) {
		p.OnlyFewer = p.OnlyFewer || p.Exact || p.ErrorBound == 0
		p.ErrorBound = min(p.ErrorBound+max(p.Left-reached(steps), 0), p.Left)
		p.Add(DoubtLocalPort)
	}
}

// bar is [Pool.bar].
func (p *LocalPool) bar(steps []step) {
	if slices.ContainsFunc(steps, func(s step) bool { return s.stuck > 0 }) {
		p.fewer(max(p.Left-reached(steps), 0), DoubtLocalPort)
	}
}

// fewer says of a pool that up to n ports fewer than Left are to be had.
func (p *LocalPool) fewer(n int, doubt Doubt) {
	p.OnlyFewer = p.OnlyFewer || p.Exact || p.ErrorBound == 0
	p.ErrorBound += n
	p.Add(doubt)
}
