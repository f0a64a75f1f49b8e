package act

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"portrange/internal/act/journal"
	"portrange/internal/host"
	"portrange/internal/port"
)

var errNoEntry = errors.New("no entry")

// identified describes the namespaces 1, which is the host's, and 2; no other.
func identified(id uint64) (journal.Place, error) {
	if id > 2 {
		return journal.Place{}, errNoEntry
	}
	return journal.Place{ID: id, Host: id == 1}, nil
}

func seen(ids ...uint64) *host.State {
	s := &host.State{Files: &host.Files{Max: 1000, PerProcess: 100}, Gaps: []host.Gap{{Part: host.PartOwners, Why: "no"}}}
	for _, id := range ids {
		s.Namespaces = append(s.Namespaces, host.Namespace{
			ID: id, Conntrack: &host.Conntrack{Max: 10}, Busiest: &host.ProcessFiles{Process: host.Process{PID: 7, Command: "nginx"}, Soft: 5},
			Holds:  []host.Hold{{Port: 20000, Proto: port.TCP, State: port.Listen}},
			Claims: []host.Claim{{Kind: host.SocketUnit, Who: "a.socket", Ports: &port.Set{}, Evidence: "it says so", Proto: port.UDP}},
		})
	}
	return s
}

func TestFactsOfALook(t *testing.T) {
	facts, err := FromState(seen(1, 2, 3), 2, identified)
	if err != nil {
		t.Fatal(err)
	}
	if len(facts.Namespaces) != 2 || !facts.Namespaces[0].Booted || !facts.Namespaces[1].Booted {
		t.Fatalf("facts %+v, want the host and the caller's own", facts.Namespaces)
	}
	site := facts.Namespaces[0]
	if diff := cmp.Diff([]Hold{{Port: 20000, Proto: port.TCP, State: port.Listen}}, site.Holds); diff != "" {
		t.Errorf("holds:\n%s", diff)
	}
	if c := site.Claims[0]; c.Code != SocketUnit || c.Who != "a.socket" || c.Evidence != "it says so" || c.Proto != port.UDP {
		t.Errorf("claim %+v", c)
	}
	limits := map[string]uint64{}
	for _, limit := range site.Limits {
		limits[limit.Name] = limit.Value
	}
	want := map[string]uint64{"net.netfilter.nf_conntrack_max": 10, "fs.file-max": 1000, "fs.nr_open": 100, "RLIMIT_NOFILE of nginx (pid 7)": 5}
	if diff := cmp.Diff(want, limits); diff != "" {
		t.Errorf("limits:\n%s", diff)
	}
	gaps := []host.Gap{{Part: host.PartOwners, Why: "no"}, {Part: host.PartSettings, NetNS: 3, Why: "no entry"}}
	if !slices.Equal(facts.Gaps, gaps) {
		t.Errorf("gaps %+v", facts.Gaps)
	}
	if facts, _ = FromState(seen(2), 0, identified); facts.Namespaces[0].Booted {
		t.Error("files apply to a namespace that is neither the host's nor the caller's")
	}
	if _, err := FromState(seen(3), 0, identified); !errors.Is(err, errNoEntry) {
		t.Errorf("nothing but what cannot be told apart: %v", err)
	}
}

func TestReadFiles(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{
		"etc/sysctl.d/50-a.conf": "net.ipv4.ip_local_port_range = 1024 2000\n",
		"etc/elsewhere.conf":     "", "etc/tuned/mine/tuned.conf": "[sysctl]\n",
	} {
		path := filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(
		os.Symlink("../elsewhere.conf", filepath.Join(root, "etc/sysctl.d/60-b.conf")),
		os.Mkdir(filepath.Join(root, "etc/sysctl.d/70-c.conf"), 0o755),
	); err != nil {
		t.Fatal(err)
	}
	facts, err := FromState(seen(1), 0, identified)
	if err != nil {
		t.Fatal(err)
	}
	if err := facts.ReadFiles(root); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/etc/sysctl.d/50-a.conf", "/etc/elsewhere.conf", "/etc/tuned/mine/tuned.conf"} {
		if facts.Files[path] == nil {
			t.Errorf("%s was not read", path)
		}
	}
	if dropIn, known := facts.Files[DropIn]; !known || dropIn != nil || facts.Boot == nil {
		t.Errorf("drop-in %v, known %v, forecast %v", dropIn, known, facts.Boot)
	}
	isGap := func(g host.Gap) bool {
		return g.Part == host.PartBootFiles && g.What() == "/etc/sysctl.d/70-c.conf" && strings.Contains(g.Why, "not a regular file")
	}
	if !slices.ContainsFunc(facts.Gaps, isGap) {
		t.Errorf("gaps %+v, want one for the directory", facts.Gaps)
	}
}

func TestFilesThatApplyToNobodyAreNotRead(t *testing.T) {
	facts, err := FromState(seen(2), 0, identified)
	if err != nil {
		t.Fatal(err)
	}
	if err := facts.ReadFiles("/nowhere"); err != nil || facts.Boot != nil || facts.Files != nil {
		t.Errorf("files %v, forecast %v, error %v", facts.Files, facts.Boot, err)
	}
	facts.Namespaces[0].Booted = true
	if err := facts.ReadFiles("/nowhere"); err == nil {
		t.Error("a root that is not there is no error")
	}
}
