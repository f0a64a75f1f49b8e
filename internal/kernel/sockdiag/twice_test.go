package sockdiag_test

import (
	"testing"

	"portrange/internal/host"
	"portrange/internal/kernel/sockdiag"
	"portrange/internal/kernel/sockdiag/sockdiagtest"
	"portrange/internal/port"
)

// named gives each socket a cookie.
func named(k *sockdiagtest.Kernel) *sockdiagtest.Kernel {
	for i := range k.Sockets {
		k.Sockets[i].Cookie = uint64(i + 1)
	}
	return k
}

// readings counts the dumps of TCP connections and of UDP that a walk asks for.
func readings(k *sockdiagtest.Kernel) (tcp, udp int) {
	for _, q := range k.Asked() {
		switch {
		case q.Proto == port.UDP:
			udp++
		case q.States&(1<<port.Established) != 0:
			tcp++
		}
	}
	return tcp, udp
}

func TestReadsAsOftenAsChainsAreLong(t *testing.T) {
	for _, tt := range []struct {
		chains   int
		tcp, udp int
	}{{0, 1, 2}, {2000, 1, 2}, {1501, 1, 2}, {1500, 3, 2}, {16, 3, 2}} {
		k := named(crowded())
		k.BTF, k.Chains = "TCP_BOUND_INACTIVE", tt.chains
		got := everything(t.Context(), sockdiag.NewSplit(k, false))
		if got.err != nil || got.gaps != nil {
			t.Fatalf("gaps %v, error %v", got.gaps, got.err)
		}
		sameSockets(t, k.Sockets, got.sockets)
		if tcp, udp := readings(k); tcp != tt.tcp || udp != tt.udp {
			t.Errorf("%d chains: read TCP %d times, UDP %d times, want %d and %d", tt.chains, tcp, udp, tt.tcp, tt.udp)
		}
	}
}

// TestSaysHowManyMayBeMissing: sockets that the second reading has no more.
func TestSaysHowManyMayBeMissing(t *testing.T) {
	k := named(crowded())
	k.BTF, k.Chains = "TCP_BOUND_INACTIVE", 16
	k.Tamper = func(q sockdiagtest.Query, d []sockdiagtest.Datagram) []sockdiagtest.Datagram {
		if q.Proto == port.TCP && q.States&(1<<port.Established) != 0 && q.Attempt == 2 {
			return d[1:] // the first 256 sockets went
		}
		return d
	}
	got := everything(t.Context(), sockdiag.NewSplit(k, false))
	if got.err != nil || len(got.gaps) != 1 {
		t.Fatalf("gaps %v, error %v", got.gaps, got.err)
	}
	if want := (host.Missed{Proto: port.TCP, Sockets: 256}); got.gaps[0].Missed != want {
		t.Errorf("missed %+v, want %+v", got.gaps[0].Missed, want)
	}
	sameSockets(t, k.Sockets, got.sockets)
}

// TestFindsInOneReadingWhatAnotherMissed unites them.
func TestFindsInOneReadingWhatAnotherMissed(t *testing.T) {
	for attempt := range 3 {
		k := named(crowded())
		k.BTF, k.Chains = "TCP_BOUND_INACTIVE", 16
		k.Tamper = func(q sockdiagtest.Query, d []sockdiagtest.Datagram) []sockdiagtest.Datagram {
			if q.Proto == port.TCP && q.States&(1<<port.Established) != 0 && q.Attempt == attempt {
				return append(d[:2:2], d[3:]...)
			}
			return d
		}
		got := everything(t.Context(), sockdiag.NewSplit(k, false))
		if got.err != nil {
			t.Fatal(got.err)
		}
		sameSockets(t, k.Sockets, got.sockets)
	}
}
