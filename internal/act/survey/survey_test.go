package survey

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"portrange/internal/act"
	"portrange/internal/act/journal"
	"portrange/internal/kernel/netns"
	"portrange/internal/port"
	"portrange/internal/sample"
)

// tree writes files, and links whose content begins with "-> ", under a
// directory.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		err := error(nil)
		if target, isLink := strings.CutPrefix(text, "-> "); isLink {
			err = os.Symlink(target, path)
		} else {
			err = os.WriteFile(path, []byte(text), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestSocketUnits(t *testing.T) {
	root := tree(t, map[string]string{
		"etc/systemd/system/over.socket":            "[Socket]\nListenStream=7001\n",
		"usr/lib/systemd/system/over.socket":        "[Socket]\nListenStream=7002\n",
		"usr/lib/systemd/system/masked.socket":      "[Socket]\nListenStream=7003\n",
		"etc/systemd/system/masked.socket":          "-> /dev/null",
		"usr/lib/systemd/system/dgram.socket":       "[Unit]\nDescription=x\n[Socket]\nListenDatagram=[::]:7004\nListenStream=/run/x\nListenStream=@x\nListenStream=vsock::7009\n",
		"usr/lib/systemd/system/reset.socket":       "[Socket]\nListenStream=7005\nListenDatagram=7006\n",
		"etc/systemd/system/reset.socket.d/10.conf": "[Socket]\nListenStream=\nListenStream=0.0.0.0:7007\n",
		"usr/lib/systemd/system/template@.socket":   "[Socket]\nListenStream=%i\n",
		"usr/lib/systemd/system/path.socket":        "[Socket]\nListenStream=/run/y\n",
		"usr/lib/systemd/system/gone.socket":        "-> /nonexistent",
		"usr/lib/systemd/system/long.socket":        "[Socket]\nListenStream=" + strings.Repeat("9", 4096) + "\n",
	})
	units, gaps := readUnits(root)
	if len(gaps) > 0 {
		t.Errorf("gaps %v", gaps)
	}
	claims, gaps := units.sockets()
	got := map[string]string{}
	for _, claim := range claims {
		got[claim.Who] = claim.Ports.String()
	}
	want := map[string]string{"over.socket": "7001", "dgram.socket": "7004", "reset.socket": "7006-7007"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(gaps) != 1 || gaps[0].What != "socket unit long.socket" {
		t.Errorf("gaps %v, want one for the unit that cannot be parsed", gaps)
	}
}

func TestInstalledDaemons(t *testing.T) {
	s := Survey{Root: tree(t, map[string]string{
		"usr/lib/systemd/system/postgresql@.service": "",
		"usr/lib/systemd/system/mysql.service":       "",
		"etc/systemd/system/mysql.service":           "-> /dev/null",
	})}
	claims, gaps := s.services(t.Context())
	if len(gaps) > 0 || len(claims) != 1 || claims[0].Who != "PostgreSQL" || claims[0].Ports.String() != "5432" {
		t.Fatalf("claims %+v, gaps %v", claims, gaps)
	}
	if text := claims[0].Evidence; !strings.Contains(text, "postgresql@.service") || !strings.Contains(text, "https://") {
		t.Errorf("evidence %q", text)
	}
	held := &port.Set{}
	held.Add(5432)
	if kept := without(claims, held); len(kept) > 0 {
		t.Errorf("a port that is listened on is claimed: %v", kept)
	}
}

// docker answers on the socket of a root, as the Engine API does.
func docker(t *testing.T, root string, answer func(http.ResponseWriter)) {
	t.Helper()
	path := filepath.Join(root, dockerSocket)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/containers/json" {
			http.NotFound(w, r)
			return
		}
		answer(w)
	})}
	go func() { _ = server.Serve(listener) }() // it ends with Close
	t.Cleanup(func() { _ = server.Close() })
}

func TestPublishedPorts(t *testing.T) {
	s := Survey{Root: t.TempDir()}
	if claims, gaps := s.published(t.Context()); len(claims)+len(gaps) > 0 {
		t.Errorf("without docker: %v, %v", claims, gaps)
	}
	docker(t, s.Root, func(w http.ResponseWriter) {
		_, _ = w.Write([]byte(`[
			{"Id":"0123456789abcdef","Names":["/web"],"Ports":[
				{"IP":"0.0.0.0","PrivatePort":80,"PublicPort":20080,"Type":"tcp"},
				{"IP":"::","PrivatePort":80,"PublicPort":20080,"Type":"tcp"},
				{"PrivatePort":443,"Type":"tcp"}]},
			{"Id":"fedcba9876543210","Names":[],"Ports":[{"PublicPort":20053,"Type":"udp"}]},
			{"Id":"00","Names":["/none"],"Ports":[]}]`))
	})
	claims, gaps := s.published(t.Context())
	if len(gaps) > 0 || len(claims) != 2 {
		t.Fatalf("claims %+v, gaps %v", claims, gaps)
	}
	if claims[0].Who != "Docker container web" || claims[0].Ports.String() != "20080" {
		t.Errorf("claim %+v", claims[0])
	}
	if claims[1].Who != "Docker container fedcba987654" || claims[1].Ports.String() != "20053" {
		t.Errorf("claim %+v", claims[1])
	}
}

func TestDockerThatAnswersNonsenseIsAGap(t *testing.T) {
	for name, answer := range map[string]func(http.ResponseWriter){
		"error":   func(w http.ResponseWriter) { http.Error(w, "no", http.StatusForbidden) },
		"cut off": func(w http.ResponseWriter) { _, _ = w.Write([]byte(`[{"Id":`)) },
	} {
		s := Survey{Root: t.TempDir()}
		docker(t, s.Root, answer)
		claims, gaps := s.published(t.Context())
		if len(claims) > 0 || len(gaps) != 1 {
			t.Errorf("%s: claims %v, gaps %v", name, claims, gaps)
		}
	}
}

func TestNodePortRange(t *testing.T) {
	own, err := netns.Current()
	if err != nil {
		t.Fatal(err)
	}
	s := Survey{Root: tree(t, map[string]string{
		"proc/41/comm":    "kube-apiserver\n",
		"proc/41/cmdline": "kube-apiserver\x00--v=2\x00--service-node-port-range=20000-22767\x00",
		"proc/41/ns/net":  "-> net:[" + uintText(own.ID) + "]",
		"proc/42/comm":    "kubelet\n",
		"proc/42/cmdline": "kubelet\x00",
		"proc/42/ns/net":  "-> net:[1]",
		"proc/43/comm":    "bash\n",
	})}
	agents, gaps := s.processes()
	if len(agents) != 2 || len(gaps) > 0 {
		t.Fatalf("agents %v, gaps %v", agents, gaps)
	}
	if !lives(agents[0], own.ID) || lives(agents[1], own.ID) {
		t.Error("a process counts in its own namespace, and in no other")
	}
	if r, found := nodePortRange(agents[0]); !found || r != (port.Range{Low: 20000, High: 22767}) {
		t.Errorf("range %v, %v", r, found)
	}
	if r, found := nodePortRange(agents[1]); found {
		t.Errorf("range %v without the option", r)
	}
}

func uintText(n uint64) string {
	text, err := json.Marshal(n)
	if err != nil {
		return ""
	}
	return string(text)
}

func tcp(p uint16, state port.State, edit func(*port.Socket)) sample.Row {
	s := port.Socket{Proto: port.TCP, State: state, Hold: port.BindHeld, Local: netip.AddrPortFrom(netip.MustParseAddr("10.0.0.2"), p)}
	if state == port.Established {
		s.Remote = netip.MustParseAddrPort("10.0.0.5:80")
	}
	if edit != nil {
		edit(&s)
	}
	return sample.Row{Socket: s, Processes: []port.Process{{PID: 7, Command: "nginx"}}}
}

func TestCensus(t *testing.T) {
	c := newCensus()
	accepted := tcp(80, port.Established, nil)
	accepted.Processes = []port.Process{{PID: 8, Command: "worker"}}
	rows := []sample.Row{
		accepted,
		tcp(80, port.Listen, nil),
		accepted,
		tcp(81, port.BoundInactive, nil),
		tcp(82, port.Established, func(s *port.Socket) { s.Hold = port.ConnectHeld }),
		tcp(83, port.TimeWait, func(s *port.Socket) { s.Mini = true }),
		tcp(84, port.Close, func(s *port.Socket) { s.Proto = port.UDP }),
	}
	for i := range rows {
		c.add(&rows[i])
	}
	nginx := []port.Process{{PID: 7, Command: "nginx"}}
	want := []act.Hold{
		{Port: 80, Proto: port.TCP, State: port.Listen, Processes: nginx},
		{Port: 81, Proto: port.TCP, State: port.BoundInactive, Processes: nginx},
		{Port: 84, Proto: port.UDP, State: port.Close, Processes: nginx},
	}
	if diff := cmp.Diff(want, c.list()); diff != "" {
		t.Error(diff)
	}
	if got := c.busiest(); got.Command != "worker" {
		t.Errorf("busiest %v", got)
	}
}

// TestFacts looks at the caller's namespace through a fake door for sockets.
func TestFacts(t *testing.T) {
	own, err := netns.Current()
	if err != nil {
		t.Fatal(err)
	}
	rows := []sample.Row{tcp(20000, port.Listen, nil), tcp(40000, port.Established, func(s *port.Socket) { s.Hold = port.ConnectHeld })}
	s := Survey{
		Root: tree(t, map[string]string{
			"etc/sysctl.d/50-a.conf": "net.ipv4.ip_local_port_range = 1024 2000\n",
			"etc/elsewhere.conf":     "", "etc/sysctl.d/60-b.conf": "-> ../elsewhere.conf",
			"proc/1/comm": "init\n",
		}),
		Identify: func(ns netns.Namespace) (journal.Namespace, error) {
			return journal.Namespace{ID: ns.ID, Name: ns.Name}, nil
		},
		Sockets: func(context.Context, []netns.Namespace) iter.Seq2[sample.Row, error] {
			return func(yield func(sample.Row, error) bool) {
				for _, row := range rows {
					row.Namespace = own
					if !yield(row, nil) {
						return
					}
				}
				yield(sample.Row{}, &port.Gap{What: "owners", Why: "no"})
			}
		},
	}
	facts, err := s.Facts(t.Context(), []netns.Namespace{own}, own.ID)
	if err != nil {
		t.Fatal(err)
	}
	ns := facts.Namespaces[0]
	if !ns.Booted || len(ns.Holds) != 1 || ns.Holds[0].Port != 20000 || len(ns.Now.Tally.Tuples) != 1 || ns.Now.Settings.Range.Size() == 0 {
		t.Errorf("facts %+v", ns)
	}
	if facts.Files["/etc/sysctl.d/50-a.conf"] == nil || facts.Files["/etc/elsewhere.conf"] == nil || facts.Boot == nil {
		t.Errorf("files %v, forecast %v", facts.Files, facts.Boot)
	}
	if !slices.ContainsFunc(facts.Gaps, func(g port.Gap) bool { return g.What == "owners" }) {
		t.Errorf("gaps %v", facts.Gaps)
	}
	s.Sockets = func(context.Context, []netns.Namespace) iter.Seq2[sample.Row, error] {
		return func(yield func(sample.Row, error) bool) { yield(sample.Row{}, errors.New("broken")) }
	}
	if _, err := s.Facts(t.Context(), []netns.Namespace{own}, own.ID); err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("error %v", err)
	}
}

func FuzzListenPorts(f *testing.F) {
	f.Add("ListenStream=127.0.0.1:8080")
	f.Add("ListenStream=[fe80::1]:80%eth0")
	f.Add("ListenDatagram=@x:1")
	f.Fuzz(func(t *testing.T, listen string) {
		if set := listenPorts([]string{listen}); set.Len() > 1 || set.Contains(0) {
			t.Errorf("%q listens on %s", listen, set)
		}
	})
}
