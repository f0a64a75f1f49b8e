// Command benchsockets measures portrange beside ss, at growing numbers of
// sockets that it makes itself. Every figure is a ratio within one run, because
// machines differ and are noisy: the contestants take turns, and of each the
// fastest round counts.
//
// It wants the portrange binary as its argument, and root.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"

	"portrange/internal/nettest"
)

func main() {
	nettest.Helper()
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "benchsockets:", err)
		os.Exit(1)
	}
}

func run() error {
	sizes := flag.String("sizes", "10000,100000,500000", "numbers of sockets")
	rounds := flag.Int("rounds", 5, "rounds of which the fastest counts")
	slowest := flag.Int("ss-owners-up-to", 500000, "largest number of sockets at which `ss -Htanp` takes part, once; it takes minutes")
	walk := flag.String("walk", "", "walk the sockets of this namespace once, dump, empty or sockets, and do nothing else")
	distinct := flag.Int("destinations", 100000, "number of distinct destinations in the last test")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if *walk != "" {
		return walkOnce(ctx, *walk)
	}
	if flag.NArg() != 1 {
		return errors.New("usage: benchsockets [flags] PORTRANGE-BINARY")
	}
	b := bench{binary: flag.Arg(0), rounds: *rounds, slowest: *slowest}
	if err := describeMachine(); err != nil {
		return err
	}
	for text := range strings.SplitSeq(*sizes, ",") {
		size, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("sizes: %w", err)
		}
		if err := b.compare(ctx, size); err != nil {
			return err
		}
	}
	return b.countDestinations(ctx, *distinct)
}

type bench struct {
	binary  string
	rounds  int
	slowest int
}

// destinations over which the sockets of a comparison are spread. Each fits in
// the default range.
const destinations = 25

// compare runs all contestants in a namespace with size sockets.
func (b bench) compare(ctx context.Context, size int) error {
	host, err := crowd(size, destinations)
	if err != nil {
		return err
	}
	defer host.close()
	contestants := b.contestants(size)
	for round := range b.rounds {
		for i := range contestants {
			c := &contestants[i]
			if c.once && round > 0 {
				continue
			}
			fmt.Fprintf(os.Stderr, "\r\033[K%d sockets, round %d of %d: %s", size, round+1, b.rounds, c.name)
			if err := c.measure(ctx, host.namespace); err != nil {
				return err
			}
		}
	}
	fmt.Fprint(os.Stderr, "\r\033[K")
	printTable(size, contestants)
	return nil
}

func (b bench) contestants(size int) []contestant {
	show := []string{b.binary, "show", "--json"}
	list := []contestant{
		{name: "iterator that does nothing", args: []string{os.Args[0], "-walk", "empty"}, walks: true},
		{name: "walk of portrange alone", args: []string{os.Args[0], "-walk", "sockets"}, walks: true},
		{name: "sock_diag dump thrown away", args: []string{os.Args[0], "-walk", "dump"}, walks: true},
		{name: "portrange show --owners=false", args: append(show, "--owners=false")},
		{name: "portrange show", args: show},
		{name: "portrange show --source netlink --owners=false", args: append(show, "--source", "netlink", "--owners=false")},
		{name: "portrange sockets --owners=false", args: []string{b.binary, "sockets", "--owners=false"}},
		{name: "ss -Htan", args: []string{"ss", "-Htan"}},
	}
	if size <= b.slowest {
		list = append(list, contestant{name: "ss -Htanp", args: []string{"ss", "-Htanp"}, once: size > 10000})
	}
	return list
}

// populated is a namespace with its crowd.
type populated struct {
	namespace *nettest.Namespace
	crowd     *nettest.Crowd
}

func crowd(size, destinations int) (*populated, error) {
	n, err := nettest.Create()
	if err != nil {
		return nil, err
	}
	start := time.Now()
	c, err := n.StartCrowd(size, nettest.CrowdOptions{Destinations: destinations})
	if err != nil {
		return nil, errors.Join(err, n.Close())
	}
	fmt.Fprintf(os.Stderr, "made %d sockets in %.1f s\n", size, time.Since(start).Seconds())
	return &populated{namespace: n, crowd: c}, nil
}

func (p *populated) close() {
	if err := errors.Join(p.crowd.Close(), p.namespace.Close()); err != nil {
		fmt.Fprintln(os.Stderr, "benchsockets: end crowd:", err)
	}
}
