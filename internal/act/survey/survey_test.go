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
	"portrange/internal/host"
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
		"usr/lib/systemd/system/gone.socket":        "-> /nonexistent/gone.socket",
		"etc/systemd/system/linked.socket":          "-> ../../../usr/lib/systemd/system/linked.socket",
		"usr/lib/systemd/system/linked.socket":      "[Socket]\nListenStream=7010\n",
		"usr/lib/systemd/system/long.socket":        "[Socket]\nListenStream=" + strings.Repeat("9", 4096) + "\n",
	})
	units, gaps := readUnits(root)
	if len(gaps) > 0 {
		t.Errorf("gaps %v", gaps)
	}
	claims, gaps := units.sockets()
	got := map[string]string{}
	for _, claim := range claims {
		got[claim.Proto.String()+" "+claim.Who] = claim.Ports.String()
	}
	want := map[string]string{
		"tcp over.socket": "7001", "udp dgram.socket": "7004", "udp reset.socket": "7006", "tcp reset.socket": "7007", "tcp linked.socket": "7010",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(gaps) != 1 || gaps[0].What() != "socket unit long.socket" {
		t.Errorf("gaps %v, want one for the unit that cannot be parsed", gaps)
	}
}

func TestInstalledDaemons(t *testing.T) {
	s := Survey{Root: tree(t, map[string]string{
		"usr/lib/systemd/system/postgresql@.service": "",
		"usr/lib/systemd/system/mysql.service":       "",
		"etc/systemd/system/mysql.service":           "-> /dev/null",
		"etc/systemd/system/redis.service":           "-> /usr/lib/systemd/system/other.service",
	})}
	claims, gaps := s.services()
	if len(gaps) > 0 || len(claims) != 1 || claims[0].Who != "PostgreSQL" || claims[0].Ports.String() != "5432" {
		t.Fatalf("claims %+v, gaps %v", claims, gaps)
	}
	if text := claims[0].Evidence; !strings.Contains(text, "postgresql@.service") || !strings.Contains(text, "https://") {
		t.Errorf("evidence %q", text)
	}
	at := &site{facts: act.Namespace{Holds: []act.Hold{{Port: 5432, Proto: port.TCP}}}}
	if at.claim(claims); len(at.facts.Claims) > 0 {
		t.Errorf("a port that is listened on is claimed: %v", at.facts.Claims)
	}
}

// TestAClientOnTheUnitsPort tells the sockets of a datagram unit, which systemd
// has open too, from those that sit on its port by chance.
func TestAClientOnTheUnitsPort(t *testing.T) {
	unit := func(proto port.Proto) []act.Claim {
		return []act.Claim{{Code: act.SocketUnit, Ports: port.Range{Low: 7004, High: 7004}.Set(), Proto: proto}}
	}
	client, service := host.Process{PID: 44, Command: "dig"}, host.Process{PID: 1, Command: "systemd"}
	for name, tt := range map[string]struct {
		claims  []act.Claim
		hold    act.Hold
		claimed bool
	}{
		"a client":              {unit(port.UDP), act.Hold{Proto: port.UDP, Processes: []host.Process{client}}, true},
		"the unit itself":       {unit(port.UDP), act.Hold{Proto: port.UDP, Processes: []host.Process{client, service}}, false},
		"nobody can tell":       {unit(port.UDP), act.Hold{Proto: port.UDP}, false},
		"of the other protocol": {unit(port.TCP), act.Hold{Proto: port.UDP, Processes: []host.Process{service}}, true},
		"a listener":            {unit(port.TCP), act.Hold{Proto: port.TCP, State: port.Listen, Processes: []host.Process{client}}, false},
	} {
		tt.hold.Port = 7004
		at := &site{facts: act.Namespace{Holds: []act.Hold{tt.hold}}}
		if at.claim(tt.claims); (len(at.facts.Claims) == 1) != tt.claimed {
			t.Errorf("%s: claims %v, want one: %v", name, at.facts.Claims, tt.claimed)
		}
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
	if claims, gaps := s.askDocker(t.Context()); len(claims)+len(gaps) > 0 {
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
	claims, gaps := s.askDocker(t.Context())
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
		claims, gaps := s.askDocker(t.Context())
		if len(claims) > 0 || len(gaps) != 1 {
			t.Errorf("%s: claims %v, gaps %v", name, claims, gaps)
		}
	}
}

// proxies are two published ports of one container, with an address for each
// family, one of another, one in another namespace, and one that says nothing.
func proxies(id uint64) map[string]string {
	files := map[string]string{}
	for pid, args := range map[string]string{
		"51": "-proto tcp -host-ip 0.0.0.0 -host-port 20080 -container-ip 172.17.0.2 -container-port 80 -use-listen-fd",
		"52": "-proto tcp -host-ip :: -host-port 20080 -container-ip 172.17.0.2 -container-port 80 -use-listen-fd",
		"53": "-proto udp -host-ip 0.0.0.0 -host-port=20443 -container-ip=172.17.0.2 -container-port=443",
		"54": "-proto sctp -host-ip 0.0.0.0 -host-port 20053 -container-ip fd00::3 -container-port 53",
		"55": "-host-port 20055 -container-ip 172.17.0.5",
		"56": "-host-port",
	} {
		files["proc/"+pid+"/comm"] = "docker-proxy\n"
		files["proc/"+pid+"/cmdline"] = "/usr/bin/docker-proxy\x00" + strings.ReplaceAll(args, " ", "\x00") + "\x00"
		files["proc/"+pid+"/ns/net"] = "-> net:[" + uintText(id) + "]"
	}
	files["proc/55/ns/net"] = "-> net:[1]"
	return files
}

func TestPortsOfDockerProxies(t *testing.T) {
	const id = 77
	s := Survey{Root: tree(t, proxies(id))}
	all, gaps := s.processes()
	if len(all) != 6 || len(gaps) > 0 {
		t.Fatalf("processes %v, gaps %v", all, gaps)
	}
	at := &site{target: netns.Namespace{ID: id}, facts: act.Namespace{Booted: true}}
	claims, gaps := s.published(t.Context(), at, all)
	if len(gaps) > 0 || len(claims) != 2 {
		t.Fatalf("claims %+v, gaps %v", claims, gaps)
	}
	if c := claims[0]; c.Who != "Docker container at 172.17.0.2" || c.Ports.String() != "20080,20443" || !strings.Contains(c.Evidence, "docker-proxy (pid 51)") {
		t.Errorf("claim %+v of %s", c, c.Ports)
	}
	if c := claims[1]; c.Who != "Docker container at fd00::3" || c.Ports.String() != "20053" {
		t.Errorf("claim %+v of %s", c, c.Ports)
	}
	docker(t, s.Root, func(w http.ResponseWriter) {
		_, _ = w.Write([]byte(`[{"Id":"1","Names":["/web"],"Ports":[{"PublicPort":20080}]}]`))
	})
	if claims, _ := s.published(t.Context(), at, all); len(claims) != 1 || claims[0].Who != "Docker container web" {
		t.Errorf("Docker knows better than its proxies: %+v", claims)
	}
}

// TestProxiesSpeakForContainers has Docker's sockets on published ports, and
// sockets of others there and elsewhere.
func TestProxiesSpeakForContainers(t *testing.T) {
	hold := func(p uint16, commands ...string) act.Hold {
		h := act.Hold{Port: p}
		for i, command := range commands {
			h.Processes = append(h.Processes, host.Process{PID: i + 1, Command: command})
		}
		return h
	}
	at := &site{facts: act.Namespace{Holds: []act.Hold{
		hold(1, "docker-proxy"), hold(2, "dockerd", "docker-proxy"), hold(3, "nginx"), hold(4), hold(5, "docker-proxy"),
	}}}
	ports, err := port.ParseSet("1-4,6")
	if err != nil {
		t.Fatal(err)
	}
	claims := []act.Claim{{Who: "Docker container web", Ports: ports}}
	at.yield(claims)
	at.claim(claims)
	var left []uint16
	for _, h := range at.facts.Holds {
		left = append(left, h.Port)
	}
	if !slices.Equal(left, []uint16{3, 4, 5}) {
		t.Errorf("ports %v are still held", left)
	}
	if got := at.facts.Claims[0].Ports.String(); got != "1-2,6" {
		t.Errorf("the container claims %s", got)
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
		"proc/44/comm":    "k3s-server\n",
		"proc/44/cmdline": "k3s\x00server\x00--service-node-port-range\x0028000-29000\x00",
	})}
	agents, gaps := s.processes()
	if len(agents) != 3 || len(gaps) > 0 {
		t.Fatalf("agents %v, gaps %v", agents, gaps)
	}
	if !agents[0].lives(own.ID) || agents[1].lives(own.ID) {
		t.Error("a process counts in its own namespace, and in no other")
	}
	if r, found := nodePortRange(agents[0]); !found || r != (port.Range{Low: 20000, High: 22767}) {
		t.Errorf("range %v, %v", r, found)
	}
	if r, found := nodePortRange(agents[1]); found {
		t.Errorf("range %v without the option", r)
	}
	if r, found := nodePortRange(agents[2]); !found || r != (port.Range{Low: 28000, High: 29000}) {
		t.Errorf("range %v, %v in two words", r, found)
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
	return sample.Row{Socket: s, Processes: []host.Process{{PID: 7, Command: "nginx"}}}
}

func TestCensus(t *testing.T) {
	c := newCensus()
	accepted := tcp(80, port.Established, nil)
	accepted.Processes = []host.Process{{PID: 8, Command: "worker"}}
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
	nginx := []host.Process{{PID: 7, Command: "nginx"}}
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
				yield(sample.Row{}, &host.Gap{Part: "owners", Why: "no"})
			}
		},
	}
	facts, err := s.Facts(t.Context(), []netns.Namespace{own}, own.ID)
	if err != nil {
		t.Fatal(err)
	}
	ns := facts.Namespaces[0]
	if !ns.Booted || len(ns.Holds) != 1 || ns.Holds[0].Port != 20000 || len(ns.Now.Usage.Tuples) != 1 || ns.Now.Settings.Range.Size() == 0 {
		t.Errorf("facts %+v", ns)
	}
	if facts.Files["/etc/sysctl.d/50-a.conf"] == nil || facts.Files["/etc/elsewhere.conf"] == nil || facts.Boot == nil {
		t.Errorf("files %v, forecast %v", facts.Files, facts.Boot)
	}
	if !slices.ContainsFunc(facts.Gaps, func(g host.Gap) bool { return g.What() == "owners" }) {
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
		tcp, udp := listenPorts([]string{listen}, port.TCP), listenPorts([]string{listen}, port.UDP)
		if tcp.Len()+udp.Len() > 1 || tcp.Contains(0) || udp.Contains(0) {
			t.Errorf("%q listens on TCP %s, UDP %s", listen, tcp, udp)
		}
	})
}
