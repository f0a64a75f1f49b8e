package feature

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"

	"portrange/internal/host"
	"portrange/internal/nettest"
)

// TestProbeAgreesWithTheKernel compares what the type information is taken to
// mean with what the kernel does: on a socket that has the whole range for its
// own, connect() picks odd and even ports alike, or it does not.
func TestProbeAgreesWithTheKernel(t *testing.T) {
	box := nettest.New(t)
	var gaps host.Gaps
	found := Probe(btf.NewCache(), &gaps)
	if missed := gaps.List(); len(missed) > 0 {
		t.Fatalf("gaps %+v", missed)
	}
	box.Addr("10.0.0.1", "10.0.0.2")
	to := netip.MustParseAddrPort("10.0.0.2:80")
	if _, err := box.Listen(nettest.TCP4, to); err != nil {
		t.Fatal(err)
	}
	parities := map[uint16]bool{}
	for range 64 { // that all 64 are of one parity by chance is one in 2^63
		client, err := box.Connect(nettest.TCP4, to, nettest.LocalRange(32768, 60999))
		if err != nil {
			t.Fatalf("socket range %v, yet %v", found.SocketRange, err)
		}
		local, err := client.Local()
		if err != nil {
			t.Fatal(err)
		}
		parities[local.Port()%2] = true
	}
	if want := len(parities) == 2; (found.WholeSearch == host.Yes) != want {
		t.Errorf("whole search %v, but the kernel does: %v", found.WholeSearch, want)
	}
	if found.SocketRange != host.Yes {
		t.Errorf("socket range %v, but the option was taken", found.SocketRange)
	}
	t.Logf("%+v", found)
}

func TestUnknownTypesAreAnOpenQuestion(t *testing.T) {
	types, err := btf.LoadKernelSpec()
	if err != nil {
		t.Fatal(err)
	}
	if got := returnsValue(types, "no_such_function"); got != host.Unknown {
		t.Errorf("a function that is not there: %v", got)
	}
	if got := hasMember(types, "no_such_struct", "x"); got != host.Unknown {
		t.Errorf("a structure that is not there: %v", got)
	}
	if got := hasMember(types, "inet_bind_bucket", "no_such_member"); got != host.No {
		t.Errorf("a member that is not there: %v", got)
	}
	if got := hasMember(types, "inet_bind_bucket", "port"); got != host.Yes {
		t.Errorf("a member that is there: %v", got)
	}
	if got := returnsValue(types, "inet_bind_bucket_destroy"); got == host.Yes {
		t.Errorf("a function that returns nothing: %v", got)
	}
}

func TestAnswersHaveWords(t *testing.T) {
	if got := strings.Join([]string{host.Unknown.String(), host.No.String(), host.Yes.String()}, " "); got != "unknown no yes" {
		t.Errorf("answers %q", got)
	}
}
