package exact

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"portrange/internal/cli"
	"portrange/internal/judge"
	"portrange/internal/nettest"
)

// wish is something that a socket is to have: how the kernel is told, and how the
// command line.
type wish struct {
	options []nettest.Option
	flags   []string
}

func (w *wish) add(option nettest.Option, flags ...string) {
	w.options, w.flags = append(w.options, option), append(w.flags, flags...)
}

// also is w with what another wish wants.
func (w wish) also(other wish) wish {
	return wish{slices.Concat(w.options, other.options), slices.Concat(w.flags, other.flags)}
}

// destination spells a remote end as `left` takes it: in mapped form where an
// AF_INET6 socket goes to an IPv4 address.
func destination(kind nettest.Kind, to netip.AddrPort) string {
	return netip.AddrPortFrom(spelled(kind, to.Addr()), to.Port()).String()
}

func spelled(kind nettest.Kind, addr netip.Addr) netip.Addr {
	if of6(kind) && addr.Is4() {
		return netip.AddrFrom16(addr.As16())
	}
	return addr
}

// left asks the command line, with a look that a witness took. An answer that it
// refuses to give is one as well.
func left(ctx context.Context, seen cli.Seen, args []string) (answer, error) {
	var out, words bytes.Buffer
	streams := cli.Streams{Out: &out, Err: &words, Getenv: func(string) string { return "" }}
	args = append([]string{"left", "--json"}, args...)
	switch code := cli.RunOn(ctx, args, streams, seen); {
	case code == cli.ExitFailure:
		return answer{refused: words.String()}, nil
	case code != cli.ExitOK:
		return answer{}, fmt.Errorf("portrange %q: exit code %d: %s", args, code, words.String())
	}
	return parseLeft(out.Bytes())
}

// said is one pool of an answer.
type said struct {
	Left       *int
	ErrorBound int `json:"error_bound"`
	Exact      bool
	OnlyFewer  bool `json:"only_fewer"`
	Endless    bool
	Doubts     []judge.Doubt
}

// parseLeft adds up the pools: connections that routing spreads may use all.
func parseLeft(text []byte) (answer, error) {
	var document struct {
		said
		Pools []said
	}
	if err := json.Unmarshal(text, &document); err != nil {
		return answer{}, fmt.Errorf("read the answer %s: %w", text, err)
	}
	pools := document.Pools
	if document.Left != nil {
		pools = []said{document.said}
	}
	if len(pools) == 0 {
		return answer{}, errors.New("an answer without a pool: " + string(text))
	}
	sum := answer{exact: true, onlyFewer: true, sources: len(pools)}
	for _, pool := range pools {
		sum.left, sum.bound = sum.left+*pool.Left, sum.bound+pool.ErrorBound
		sum.exact, sum.endless = sum.exact && pool.Exact, pool.Endless
		sum.onlyFewer = sum.onlyFewer && (pool.OnlyFewer || pool.Exact)
		sum.doubts = pool.Doubts
	}
	return sum, nil
}
