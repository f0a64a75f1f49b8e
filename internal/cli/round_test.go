package cli

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/kernel/netns"
	"portrange/internal/port"
	"portrange/internal/report"
)

// readable is a namespace as a look returns it: nothing in use, or nothing left.
func readable(id uint64, full bool) host.Namespace {
	settings := host.Settings{Range: port.DefaultRange, Reserved: &port.Set{}}
	if full {
		settings.Reserved = port.DefaultRange.Set()
	}
	return host.Namespace{ID: id, Name: "n", Source: "bpf", Settings: settings, Usage: host.NewUsage(settings)}
}

func newRound(look func(context.Context, []netns.Namespace, host.Want) (*host.State, error)) *round {
	c := &checkCommand{
		app: &app{}, timeout: checkTimeout,
		warning: threshold{judge.TakenShare(judge.SlowRatio)}, critical: threshold{judge.TakenShare(judge.NearRatio)},
	}
	return &round{checkCommand: c, look: look, exact: true}
}

// TestWorstSoFar has time run out behind the first namespaces of many.
func TestWorstSoFar(t *testing.T) {
	for _, test := range []struct {
		full bool
		code int
	}{{true, report.PluginCritical}, {false, report.PluginUnknown}} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		r := newRound(func(ctx context.Context, targets []netns.Namespace, _ host.Want) (*host.State, error) {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			return &host.State{Namespaces: []host.Namespace{readable(targets[0].ID, test.full)}}, nil
		})
		r.found = 3800
		if err := r.take(ctx, []netns.Namespace{{ID: 1}}); err != nil {
			t.Fatal(err)
		}
		cancel()
		if err := r.take(ctx, make([]netns.Namespace, aFew)); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		r.cut = true
		doc := r.document()
		if doc.ExitCode != test.code || !strings.HasSuffix(doc.Message, "; partial: 1 of 3,800 network namespaces were read in time") {
			t.Errorf("exit code %d, want %d: %s", doc.ExitCode, test.code, doc.Message)
		}
	}
}

// TestTheHostComesFirst counts what one look takes in, and leaves out who has gone.
func TestTheHostComesFirst(t *testing.T) {
	all, _ := netns.Find(t.Context())
	at := slices.IndexFunc(all, func(n netns.Namespace) bool { return n.Name == port.Host })
	if at < 0 {
		t.Skip("nobody sees where process 1 is") // as any user
	}
	own := all[at].ID
	_, err := netns.Host()
	alone := err == nil // it was found without a search
	var looks [][]netns.Namespace
	r := newRound(func(_ context.Context, targets []netns.Namespace, _ host.Want) (*host.State, error) {
		looks = append(looks, targets)
		state := &host.State{}
		for _, target := range targets {
			state.Namespaces = append(state.Namespaces, readable(target.ID, false))
		}
		return state, nil
	})
	r.netns = "all"
	if err := r.visit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if looks[0][0].ID != own || looks[0][0].Name != port.Host || alone && len(looks[0]) != 1 {
		t.Errorf("first comes %+v", looks[0])
	}
	for i, few := range looks {
		for j, target := range few {
			if len(few) > aFew || target.ID == own && i+j > 0 {
				t.Errorf("%d at once, or the host again: %+v", len(few), few)
			}
		}
	}
	if doc := r.document(); doc.ExitCode != report.PluginOK || r.read != r.found {
		t.Errorf("%d of %d read: %s", r.read, r.found, doc.Message)
	}
}

func TestNoTimeAtAll(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := newRound(func(ctx context.Context, _ []netns.Namespace, _ host.Want) (*host.State, error) {
		return nil, ctx.Err()
	})
	r.netns = "all"
	if err := r.visit(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("nothing was read, and the error is %v", err)
	}
}

func TestGoneNamespacesAreNotMissed(t *testing.T) {
	r := newRound(func(context.Context, []netns.Namespace, host.Want) (*host.State, error) {
		return nil, errors.New("gone")
	})
	r.found = 2
	_ = r.take(t.Context(), []netns.Namespace{{ID: 1, Path: "/proc/0/ns/net"}, {ID: 2, Path: "/nowhere"}})
	if r.found != 0 || r.partial {
		t.Errorf("%d are missed, partial %v", r.found, r.partial)
	}
}

func TestRootsFirst(t *testing.T) {
	got := rootsFirst([]netns.Namespace{
		{Name: "a", Path: "/proc/7/ns/net"}, {Name: "b", Path: "/run/netns/b"}, {Name: "c", Path: "/proc/8/ns/net"},
		{Name: port.Host, Path: "/proc/self/ns/net"},
	})
	for i, want := range []string{port.Host, "b", "a", "c"} {
		if got[i].Name != want {
			t.Errorf("order %v, want %s at %d", got, want, i)
		}
	}
}
