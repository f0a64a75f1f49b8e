package services

import (
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"portrange/internal/host"
	"portrange/internal/port"
	"portrange/internal/rootfs"
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

func opened(t *testing.T, dir string) *rootfs.Root {
	t.Helper()
	root, err := rootfs.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	return root
}

// ownedBy gives each process of a tree a user, in the reader's user namespace.
func ownedBy(t *testing.T, files map[string]string, uids string) map[string]string {
	t.Helper()
	own, err := os.Readlink("/proc/self/ns/user")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range slices.Collect(maps.Keys(files)) {
		if dir, isProcess := strings.CutSuffix(path, "/comm"); isProcess {
			files[dir+"/status"] = "Name:\tx\nUid:\t" + uids + "\n"
			files[dir+"/ns/user"] = "-> " + own
		}
	}
	return files
}

const rootIDs = "0\t0\t0\t0"

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
	var gaps host.Gaps
	units := readUnits(opened(t, root), &gaps)
	if missed := gaps.List(); len(missed) > 0 {
		t.Errorf("gaps %v", missed)
	}
	claims := units.sockets(&gaps)
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
	if missed := gaps.List(); len(missed) != 1 || missed[0].What() != "socket unit long.socket" || missed[0].Part != host.PartUnits {
		t.Errorf("gaps %v, want one for the unit that cannot be parsed", missed)
	}
}

// TestUnitsOfStrangers: what cannot be read of units is told, and the rest is read.
func TestUnitsOfStrangers(t *testing.T) {
	many := func(line string, n int) string { return "[Socket]\n" + strings.Repeat(line, n) }
	for name, tt := range map[string]struct {
		text string
		gap  string
	}{
		"just as many lines":     {many("Accept=no\n", maxUnitLines-1), ""},
		"too many lines":         {many("Accept=no\n", maxUnitLines), "over 10000 lines"},
		"just as many addresses": {many("ListenStream=7001\n", maxListens), ""},
		"too many addresses":     {many("ListenStream=7001\n", maxListens+1), "over 1000 addresses"},
		"too long":               {many("#", 1<<20), "over 1 MiB"},
	} {
		root := tree(t, map[string]string{
			"etc/systemd/system/a.socket": tt.text, "usr/lib/systemd/system/z.socket": "[Socket]\nListenStream=7010\n",
		})
		var gaps host.Gaps
		claims := installed(root, &gaps)
		if len(claims) == 0 || claims[len(claims)-1].Who != "z.socket" {
			t.Errorf("%s: claims %v, want the other unit's", name, claims)
		}
		if missed := gaps.List(); (len(missed) == 1) != (tt.gap != "") || len(missed) == 1 && !strings.Contains(missed[0].Why, tt.gap) {
			t.Errorf("%s: gaps %v, want %q", name, missed, tt.gap)
		}
	}
}

func TestFIFOsAmongUnits(t *testing.T) {
	root := t.TempDir()
	check := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	check(os.MkdirAll(root+"/etc/systemd/system/z.socket.d", 0o755))
	check(os.MkdirAll(root+"/usr/lib/systemd", 0o755))
	check(unix.Mkfifo(root+"/usr/lib/systemd/system", 0o644))
	check(os.WriteFile(root+"/etc/systemd/system/z.socket", []byte("[Socket]\nListenStream=7010\n"), 0o644))
	check(unix.Mkfifo(root+"/etc/systemd/system/z.socket.d/10.conf", 0o644))
	for i := range maxUnread {
		check(unix.Mkfifo(fmt.Sprintf("%s/etc/systemd/system/%d.socket", root, i), 0o644))
	}
	var gaps host.Gaps
	if claims := installed(root, &gaps); len(claims) != 0 {
		t.Errorf("claims %v of a unit that was not read to the end", claims)
	}
	missed := gaps.List()
	if first, last := missed[0], missed[len(missed)-1]; len(missed) != maxUnread+2 ||
		first.What() != "units in /usr/lib/systemd/system" || last.What() != "socket units after 99.socket" {
		t.Errorf("%d gaps, from %v to %v", len(missed), first, last)
	}
}

func TestInstalledDaemons(t *testing.T) {
	root := tree(t, map[string]string{
		"usr/lib/systemd/system/postgresql@.service": "",
		"usr/lib/systemd/system/mysql.service":       "",
		"etc/systemd/system/mysql.service":           "-> /dev/null",
		"etc/systemd/system/redis.service":           "-> /usr/lib/systemd/system/other.service",
	})
	var gaps host.Gaps
	claims := readUnits(opened(t, root), &gaps).daemons()
	if len(gaps.List()) > 0 || len(claims) != 1 || claims[0].Who != "PostgreSQL" || claims[0].Ports.String() != "5432" {
		t.Fatalf("claims %+v, gaps %v", claims, gaps.List())
	}
	if text := claims[0].Evidence; !strings.Contains(text, "postgresql@.service") || !strings.Contains(text, "https://") {
		t.Errorf("evidence %q", text)
	}
	if left, _ := Settle(claims, []host.Hold{{Port: 5432, Proto: port.TCP}}); len(left) > 0 {
		t.Errorf("a port that is listened on is claimed: %v", left)
	}
	if claims[0].Ports.Len() != 1 {
		t.Error("the claim itself was changed")
	}
}

// TestAClientOnTheUnitsPort tells the sockets of a datagram unit, which systemd
// has open too, from those that sit on its port by chance.
func TestAClientOnTheUnitsPort(t *testing.T) {
	unit := func(proto port.Proto) []host.Claim {
		return []host.Claim{{Kind: host.SocketUnit, Ports: port.Range{Low: 7004, High: 7004}.Set(), Proto: proto}}
	}
	client, service := host.Process{PID: 44, Command: "dig"}, host.Process{PID: 1, Command: "systemd"}
	for name, tt := range map[string]struct {
		claims  []host.Claim
		hold    host.Hold
		claimed bool
	}{
		"a client":              {unit(port.UDP), host.Hold{Proto: port.UDP, Processes: []host.Process{client}}, true},
		"the unit itself":       {unit(port.UDP), host.Hold{Proto: port.UDP, Processes: []host.Process{client, service}}, false},
		"nobody can tell":       {unit(port.UDP), host.Hold{Proto: port.UDP}, false},
		"of the other protocol": {unit(port.TCP), host.Hold{Proto: port.UDP, Processes: []host.Process{service}}, true},
		"a listener":            {unit(port.TCP), host.Hold{Proto: port.TCP, State: port.Listen, Processes: []host.Process{client}}, false},
	} {
		tt.hold.Port = 7004
		if left, _ := Settle(tt.claims, []host.Hold{tt.hold}); (len(left) == 1) != tt.claimed {
			t.Errorf("%s: claims %v, want one: %v", name, left, tt.claimed)
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
	root := t.TempDir()
	var gaps host.Gaps
	if claims := askDocker(t.Context(), root, &gaps); len(claims)+len(gaps.List()) > 0 {
		t.Errorf("without docker: %v, %v", claims, gaps.List())
	}
	docker(t, root, func(w http.ResponseWriter) {
		_, _ = w.Write([]byte(`[
			{"Id":"0123456789abcdef","Names":["/web"],"Ports":[
				{"IP":"0.0.0.0","PrivatePort":80,"PublicPort":20080,"Type":"tcp"},
				{"IP":"::","PrivatePort":80,"PublicPort":20080,"Type":"tcp"},
				{"PrivatePort":443,"Type":"tcp"}]},
			{"Id":"fedcba9876543210","Names":[],"Ports":[{"PublicPort":20053,"Type":"udp"}]},
			{"Id":"00","Names":["/none"],"Ports":[]}]`))
	})
	claims := askDocker(t.Context(), root, &gaps)
	if len(gaps.List()) > 0 || len(claims) != 2 {
		t.Fatalf("claims %+v, gaps %v", claims, gaps.List())
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
		root := t.TempDir()
		docker(t, root, answer)
		var gaps host.Gaps
		claims := askDocker(t.Context(), root, &gaps)
		if missed := gaps.List(); len(claims) > 0 || len(missed) != 1 || missed[0].Part != host.PartDocker {
			t.Errorf("%s: claims %v, gaps %v", name, claims, missed)
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
	root := tree(t, ownedBy(t, proxies(id), rootIDs))
	var gaps host.Gaps
	found := Find(t.Context(), root, true, &gaps)
	if missed := gaps.List(); len(found.processes) != 6 || len(missed) > 0 {
		t.Fatalf("processes %v, gaps %v", found.processes, missed)
	}
	claims := found.In(id, true, nil)
	if len(claims) != 2 {
		t.Fatalf("claims %+v", claims)
	}
	if c := claims[0]; c.Who != "Docker container at 172.17.0.2" || c.Ports.String() != "20080,20443" || !strings.Contains(c.Evidence, "docker-proxy (pid 51)") {
		t.Errorf("claim %+v of %s", c, c.Ports)
	}
	if c := claims[1]; c.Who != "Docker container at fd00::3" || c.Ports.String() != "20053" {
		t.Errorf("claim %+v of %s", c, c.Ports)
	}
	docker(t, root, func(w http.ResponseWriter) {
		_, _ = w.Write([]byte(`[{"Id":"1","Names":["/web"],"Ports":[{"PublicPort":20080}]}]`))
	})
	found = Find(t.Context(), root, true, &gaps)
	if claims := found.In(id, true, nil); len(claims) != 1 || claims[0].Who != "Docker container web" {
		t.Errorf("Docker knows better than its proxies: %+v", claims)
	}
	if claims := found.In(id, false, nil); len(claims) != 2 {
		t.Errorf("Docker tells of its own namespace alone: %+v", claims)
	}
	if found = Find(t.Context(), root, false, &gaps); len(found.docker) > 0 {
		t.Errorf("Docker was asked for nothing: %+v", found.docker)
	}
}

// TestProxiesSpeakForContainers has Docker's sockets on published ports, and
// sockets of others there and elsewhere.
func TestProxiesSpeakForContainers(t *testing.T) {
	hold := func(p uint16, commands ...string) host.Hold {
		h := host.Hold{Port: p}
		for i, command := range commands {
			h.Processes = append(h.Processes, host.Process{PID: i + 1, Command: command})
		}
		return h
	}
	holds := []host.Hold{
		hold(1, "docker-proxy"), hold(2, "dockerd", "docker-proxy"), hold(3, "nginx"), hold(4), hold(5, "docker-proxy"),
	}
	ports, err := port.ParseSet("1-4,6")
	if err != nil {
		t.Fatal(err)
	}
	claims, holds := Settle([]host.Claim{{Kind: host.PublishedPorts, Who: "Docker container web", Ports: ports}}, holds)
	var left []uint16
	for _, h := range holds {
		left = append(left, h.Port)
	}
	if !slices.Equal(left, []uint16{3, 4, 5}) {
		t.Errorf("ports %v are still held", left)
	}
	if got := claims[0].Ports.String(); got != "1-2,6" {
		t.Errorf("the container claims %s", got)
	}
}

func TestNodePortRange(t *testing.T) {
	const own = 4026531840
	root := tree(t, ownedBy(t, map[string]string{
		"proc/41/comm":    "kube-apiserver\n",
		"proc/41/cmdline": "kube-apiserver\x00--v=2\x00--service-node-port-range=20000-22767\x00",
		"proc/41/ns/net":  "-> net:[" + uintText(own) + "]",
		"proc/42/comm":    "kubelet\n",
		"proc/42/cmdline": "kubelet\x00",
		"proc/42/ns/net":  "-> net:[1]",
		"proc/43/comm":    "bash\n",
		"proc/44/comm":    "k3s-server\n",
		"proc/44/cmdline": "k3s\x00server\x00--service-node-port-range\x0028000-29000\x00",
	}, rootIDs))
	var gaps host.Gaps
	agents := running(t.Context(), root, &gaps)
	if missed := gaps.List(); len(agents) != 3 || len(missed) > 0 {
		t.Fatalf("agents %v, gaps %v", agents, missed)
	}
	if here := inside(own, agents, nodeAgents...); len(here) != 1 || here[0].PID != 41 {
		t.Errorf("%v count, want the process in its own namespace and no other", here)
	}
	for i, want := range []string{"20000-22767", defaultNodePorts.Set().String(), "28000-29000"} {
		if got := kubernetes(agents[i:i+1], nil)[0].Ports.String(); got != want {
			t.Errorf("%s: range %s, want %s", agents[i].name, got, want)
		}
	}
	claims := Find(t.Context(), root, false, &gaps).In(own, false, nil)
	if len(claims) != 1 || claims[0].Kind != host.NodePorts || claims[0].Ports.String() != "20000-22767" {
		t.Fatalf("claims %+v", claims)
	}
	if left, _ := Settle(claims, []host.Hold{{Port: 20000, Proto: port.TCP}}); left[0].Ports.Len() != 2768 {
		t.Errorf("a listener takes a NodePort away: %s", left[0].Ports)
	}
}

// TestRulesOfKubeProxy: without an agent to be seen, its rules tell.
func TestRulesOfKubeProxy(t *testing.T) {
	other := host.NATRules{Backend: "nftables", Family: "ip", Table: "nat", Chain: "out", Count: 1}
	for _, rule := range []host.NATRules{
		{Backend: "nftables", Family: "ip", Table: "kube-proxy", Chain: "out", Count: 1},
		{Backend: "nftables", Family: "ip", Table: "nat", Chain: "KUBE-POSTROUTING", Count: 1},
	} {
		claims := (&Services{}).In(1, false, []host.NATRules{other, rule})
		if len(claims) != 1 || claims[0].Ports.String() != "30000-32767" || !strings.HasPrefix(claims[0].Evidence, rule.String()+" has rules;") {
			t.Errorf("%s: claims %+v", rule, claims)
		}
	}
	if claims := (&Services{}).In(1, true, []host.NATRules{other}); len(claims) > 0 {
		t.Errorf("rules of others: %+v", claims)
	}
}

func TestWithoutProcIsAGap(t *testing.T) {
	var gaps host.Gaps
	Find(t.Context(), t.TempDir(), false, &gaps)
	if missed := gaps.List(); len(missed) != 1 || missed[0].Part != host.PartProcesses {
		t.Errorf("gaps %v", missed)
	}
}

func uintText(n uint64) string {
	text, err := json.Marshal(n)
	if err != nil {
		return ""
	}
	return string(text)
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
