package services

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/procfs"

	"portrange/internal/host"
	"portrange/internal/port"
)

// FuzzDocker compares with the same answer read without types: each port that a
// container publishes is claimed, and no other. An answer that is none is an error.
func FuzzDocker(f *testing.F) {
	f.Add([]byte(`[{"Id": "0123456789abcdef", "Names": ["/web"], "Ports": [{"PublicPort": 8080}, {"PrivatePort": 80}]}]`))
	f.Add([]byte(`[{"Ports": [{"PublicPort": 65536}]}]`))
	f.Add([]byte(`[{"Ports": [{"PublicPort": -1}]}, {"Ports": null}]`))
	f.Add([]byte(`[{"Ports": [{"PublicPort": 1}, {"PublicPort": 1.5}]}]`))
	f.Add([]byte(`[] []`))
	f.Add([]byte(`{"message": "no"}`))
	f.Fuzz(func(t *testing.T, answer []byte) {
		containers, err := parseContainers(bytes.NewReader(answer))
		if !json.Valid(answer) && err == nil {
			t.Fatalf("%q is taken for an answer", answer)
		}
		if err != nil {
			return
		}
		claimed := &port.Set{}
		for _, claim := range publishedBy(containers) {
			if claim.Ports.Len() == 0 || claim.Ports.Contains(0) || !strings.HasPrefix(claim.Who, "Docker container ") {
				t.Errorf("claim %+v", claim)
			}
			claimed.Union(claim.Ports)
		}
		if want, plain := untyped(t, answer); plain && *claimed != *want {
			t.Errorf("claims %s of %s, which publishes %s", claimed, answer, want)
		}
	})
}

// untyped reads the ports that an answer publishes. plain is false for one with names
// that stand twice or in another case: the decoder has rules of its own for those.
func untyped(t *testing.T, answer []byte) (ports *port.Set, plain bool) {
	t.Helper()
	for _, name := range []string{"ports", "publicport"} {
		if strings.Count(strings.ToLower(string(answer)), name) > 1 {
			return nil, false
		}
	}
	var containers []map[string]any
	if err := json.Unmarshal(answer, &containers); err != nil {
		t.Fatalf("%q is not for everybody an answer: %v", answer, err)
	}
	ports = &port.Set{}
	for _, c := range containers {
		list, _ := c["Ports"].([]any)
		for _, p := range list {
			fields, _ := p.(map[string]any)
			if number, _ := fields["PublicPort"].(float64); number > 0 {
				ports.Add(uint16(number))
			}
		}
	}
	other := strings.ReplaceAll(string(answer), `"PublicPort"`, "")
	return ports, !strings.Contains(strings.ToLower(other), "publicport")
}

// FuzzUnit: a socket unit claims what its lines say, the last empty one aside, and its
// drop-in goes on where it ends. A unit without a list claims nothing.
func FuzzUnit(f *testing.F) {
	f.Add("[Socket]\nListenStream=8080\n", "[Socket]\nListenStream=\nListenStream=[::1]:9090\n")
	f.Add("[Unit]\nDescription=x\n[Socket]\nListenDatagram=0.0.0.0:53\\\n4\n", "")
	f.Add("[Socket]\n# ListenStream=1\n;ListenStream=2\nListenStream = 3\n", "[Service]\nListenStream=4\n")
	f.Add("ListenStream=5\n", "[Socket\nListenStream=6")
	f.Add("[Socket]\nListenStream=@x:7\nListenStream=vsock:2:8\nListenStream=/run/9\n", "\x00")
	f.Fuzz(func(t *testing.T, text, dropIn string) {
		root := tree(t, map[string]string{
			"etc/systemd/system/x.socket":           text,
			"etc/systemd/system/x.socket.d/10.conf": dropIn,
		})
		var gaps host.Gaps
		claims := readUnits(opened(t, root), &gaps).sockets(&gaps)
		if len(claims) > 0 && len(gaps.List()) > 0 {
			t.Errorf("claims %+v and gaps %v of one unit", claims, gaps.List())
		}
		for _, claim := range claims {
			if claim.Ports.Len() == 0 || claim.Ports.Contains(0) || claim.Who != "x.socket" {
				t.Errorf("claim %+v", claim)
			}
			for p := range claim.Ports.All() {
				digits := fmt.Sprint(p) // a line may go on behind a backslash
				if both := strings.ReplaceAll(text+"\n"+dropIn, "\\\n", ""); !strings.Contains(both, digits) &&
					!strings.Contains(text+dropIn, "\\") {
					t.Errorf("port %d of %q and %q", p, text, dropIn)
				}
			}
		}
		again := tree(t, map[string]string{
			"etc/systemd/system/x.socket":           text,
			"etc/systemd/system/x.socket.d/10.conf": dropIn,
			"etc/systemd/system/x.socket.d/90.conf": "[Socket]\nListenStream=\nListenDatagram=\nListenStream=65432\n",
		})
		reset := readUnits(opened(t, again), &host.Gaps{}).sockets(&host.Gaps{})
		if len(gaps.List()) == 0 && (len(reset) != 1 || reset[0].Ports.String() != "65432" || reset[0].Proto != port.TCP) {
			t.Errorf("%q and %q, taken back, claim %+v", text, dropIn, reset)
		}
	})
}

// FuzzCommandLine: an option is found in either form, wherever it stands behind words
// that are none, and what is found is on the command line.
func FuzzCommandLine(f *testing.F) {
	f.Add("kube-apiserver\x00--service-node-port-range=1-2\x00", "20000-22767")
	f.Add("docker-proxy\x00-host-port\x008080\x00", "7")
	f.Add("a\x00--service-node-port-range\x00", "")
	f.Add("\x00\x00-\x00--\x00=\x00", "x=y")
	root := f.TempDir()
	if err := os.Mkdir(filepath.Join(root, "7"), 0o755); err != nil {
		f.Fatal(err)
	}
	fs, err := procfs.NewFS(root)
	if err != nil {
		f.Fatal(err)
	}
	const name = "service-node-port-range"
	option := func(t *testing.T, text string) (string, bool) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(root, "7", "cmdline"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		proc, err := fs.Proc(7)
		if err != nil {
			t.Fatal(err)
		}
		return process{Proc: proc}.option(name)
	}
	f.Fuzz(func(t *testing.T, line, value string) {
		words := strings.Split(line, "\x00")
		found, is := option(t, line)
		if is && !strings.Contains(line, found) || !is && found != "" {
			t.Errorf("%q of %q", found, line)
		}
		if slices.ContainsFunc(words, func(word string) bool { return strings.Contains(word, name) }) ||
			strings.Contains(value, "\x00") || value == "" {
			return
		}
		for _, form := range []string{"--" + name + "=" + value, "-" + name + "=" + value, "--" + name + "\x00" + value} {
			if found, is := option(t, line+"\x00"+form+"\x00--last\x00"); !is || found != value {
				t.Errorf("%q behind %q gives %q, %v", form, line, found, is)
			}
		}
	})
}
