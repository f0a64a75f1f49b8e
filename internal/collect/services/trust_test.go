package services

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"portrange/internal/host"
	"portrange/internal/port"
)

// agent is kube-apiserver with NodePorts of its own, as a user has it.
func agent(t *testing.T, uids string) map[string]string {
	t.Helper()
	return ownedBy(t, map[string]string{
		"proc/41/comm":    "kube-apiserver\n",
		"proc/41/cmdline": "kube-apiserver\x00--service-node-port-range=15000-32000\x00",
		"proc/41/ns/net":  "-> net:[7]",
	}, uids)
}

// TestRootAloneIsBelieved has each user id of a process in turn be another's, and
// whatever else lets somebody other than root choose the command line.
func TestRootAloneIsBelieved(t *testing.T) {
	elsewhere := agent(t, rootIDs)
	elsewhere["proc/41/ns/user"] = "-> user:[4026599999]"
	for want, files := range map[string]map[string]string{
		"":                                    agent(t, rootIDs),
		"a process of uid 65534":              agent(t, "65534\t65534\t65534\t65534"),
		"a process of uid 1":                  agent(t, "1\t0\t0\t0"),
		"a process of uid 2":                  agent(t, "0\t2\t0\t0"),
		"a process of uid 3":                  agent(t, "0\t0\t3\t0"),
		"a process of uid 4":                  agent(t, "0\t0\t0\t4"),
		"a process of another user namespace": elsewhere,
	} {
		var gaps host.Gaps
		claims := Find(t.Context(), tree(t, files), false, &gaps).In(7, false, nil)
		if len(claims) != 1 || claims[0].By != want || claims[0].Ports.String() != "15000-32000" {
			t.Fatalf("%q: claims %+v", want, claims)
		}
		if said := strings.HasPrefix(claims[0].Evidence, "claimed by "+want+": kube-apiserver (pid 41) runs"); said != (want != "") {
			t.Errorf("%q: evidence %q", want, claims[0].Evidence)
		}
	}
}

// TestAProcessThatIsNeverRead is a gap, and takes nothing from those before it.
func TestAProcessThatIsNeverRead(t *testing.T) {
	files := agent(t, rootIDs)
	files["proc/42/comm"] = "kubelet\n"
	root := tree(t, files)
	arguments := filepath.Join(root, "proc/42/cmdline")
	if err := unix.Mkfifo(arguments, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // lets the reader go
		if writer, err := os.OpenFile(arguments, os.O_RDWR, 0); err == nil {
			_ = writer.Close()
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	var gaps host.Gaps
	agents := running(ctx, root, &gaps)
	if len(agents) != 1 || agents[0].PID != 41 {
		t.Errorf("agents %+v, want the first alone", agents)
	}
	if missed := gaps.List(); len(missed) != 1 || missed[0].Part != host.PartProcesses {
		t.Errorf("gaps %v, want one of the processes", missed)
	}
}

// TestSetuidProgramsAreNotRoots: sudo that waits for a password is root's in all but
// its name and its arguments.
func TestSetuidProgramsAreNotRoots(t *testing.T) {
	files := agent(t, rootIDs)
	files["proc/41/exe"] = "-> ../../sudo"
	files["sudo"] = ""
	root := tree(t, files)
	if err := os.Chmod(filepath.Join(root, "sudo"), 0o755|fs.ModeSetuid); err != nil {
		t.Fatal(err)
	}
	agents := running(t.Context(), root, &host.Gaps{})
	if len(agents) != 1 || agents[0].by != "a program that any user may start as root" {
		t.Errorf("agents %+v", agents)
	}
	if err := os.Chmod(filepath.Join(root, "sudo"), 0o755); err != nil {
		t.Fatal(err)
	}
	if agents = running(t.Context(), root, &host.Gaps{}); len(agents) != 1 || agents[0].by != "" {
		t.Errorf("another program: %+v", agents)
	}
}

// TestEachUserSpeaksForHimself: what one says changes nothing of what root says.
func TestEachUserSpeaksForHimself(t *testing.T) {
	all := []process{
		{name: "kube-apiserver", args: []string{"", "--service-node-port-range=1024-65535"}, by: "a process of uid 5"},
		{name: "kube-apiserver", args: []string{"", "--service-node-port-range=20000-20999"}},
		{name: "kubelet", by: "a process of uid 5"},
	}
	claims := kubernetes(all, []host.NATRules{{Table: "kube-proxy"}})
	if len(claims) != 2 || claims[0].By != "" || claims[0].Ports.Len() != 1000 || claims[1].By != "a process of uid 5" || claims[1].Ports.Len() != 64512 {
		t.Errorf("claims %+v", claims)
	}
	proxy := func(by string) process {
		return process{name: dockerProxy, args: []string{"", "-host-port", "20080", "-container-ip", "172.17.0.2"}, by: by}
	}
	if claims := proxied([]process{proxy(""), proxy("a process of uid 5")}); len(claims) != 2 || claims[0].By != "" || claims[1].By == "" {
		t.Errorf("claims %+v", claims)
	}
}

// TestALyingProxyHidesNoListener: its socket is the kernel's word.
func TestALyingProxyHidesNoListener(t *testing.T) {
	for _, by := range []string{"", "a process of uid 5"} {
		holds := []host.Hold{{Port: 20080, Proto: port.TCP, State: port.Listen, Processes: []host.Process{{PID: 9, Command: dockerProxy}}}}
		ports := port.Range{Low: 20080, High: 20080}
		_, left := Settle([]host.Claim{{Kind: host.PublishedPorts, Ports: ports.Set(), By: by}}, holds)
		if hidden := len(left) == 0; hidden != (by == "") {
			t.Errorf("claimed by %q: holds %+v", by, left)
		}
	}
}

// TestUnitsOfOthers has a unit, a drop-in and a daemon's service that others than the
// owner may write.
func TestUnitsOfOthers(t *testing.T) {
	root := tree(t, map[string]string{
		"etc/systemd/system/own.socket":               "[Socket]\nListenStream=7001\n",
		"etc/systemd/system/open.socket":              "[Socket]\nListenStream=7002\n",
		"etc/systemd/system/extended.socket":          "[Socket]\nListenStream=7003\n",
		"etc/systemd/system/extended.socket.d/a.conf": "[Socket]\nListenStream=7004\n",
		"etc/systemd/system/redis.service":            "",
	})
	for _, name := range []string{"open.socket", "extended.socket.d/a.conf", "redis.service"} {
		if err := os.Chmod(filepath.Join(root, "etc/systemd/system", name), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	const everybody = "a file that every user may write"
	want := map[string]string{"own.socket": "", "open.socket": everybody, "extended.socket": everybody, "Redis or Valkey": everybody}
	claims := Find(t.Context(), root, true, &host.Gaps{}).installed
	if len(claims) != len(want) {
		t.Errorf("claims %+v", claims)
	}
	for _, claim := range claims {
		if claim.By != want[claim.Who] || strings.HasPrefix(claim.Evidence, "claimed by ") != (claim.By != "") {
			t.Errorf("claim %+v, want it by %q", claim, want[claim.Who])
		}
	}
}

// TestOwners has files of other users, which only root can make.
func TestOwners(t *testing.T) {
	dir := t.TempDir()
	root, path := opened(t, dir), filepath.Join(dir, "unit")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if by := ownerOf(root.Stat("/unit"), root.Stat("/gone")); by != "" {
		t.Errorf("one's own file is by %q", by)
	}
	if os.Geteuid() != 0 {
		return
	}
	for _, test := range []struct {
		uid, gid int
		mode     fs.FileMode
		want     string
	}{
		{0, 0, 0o664, ""}, {0, 5, 0o644, ""}, {0, 5, 0o664, "a file that gid 5 may write"}, {65534, 0, 0o644, "a file of uid 65534"},
		{0, 0, 0o646, "a file that every user may write"},
	} {
		if err := os.Chown(path, test.uid, test.gid); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, test.mode); err != nil {
			t.Fatal(err)
		}
		if by := ownerOf(root.Stat("/unit")); by != test.want {
			t.Errorf("%d:%d %v is by %q, want %q", test.uid, test.gid, test.mode, by, test.want)
		}
	}
}

// TestUnreadableProcessIsAGap: one that ended is none.
func TestUnreadableProcessIsAGap(t *testing.T) {
	root := tree(t, map[string]string{
		"proc/41/comm":     "kubelet\n",
		"proc/41/status/x": "", // reading it fails, as EIO would
		"proc/42/comm":     "kubelet\n",
	})
	var gaps host.Gaps
	if agents := running(t.Context(), root, &gaps); len(agents) != 0 {
		t.Errorf("agents %+v", agents)
	}
	if missed := gaps.List(); len(missed) != 1 || missed[0].Object != "process 41" {
		t.Errorf("gaps %v, want process 41", missed)
	}
}
