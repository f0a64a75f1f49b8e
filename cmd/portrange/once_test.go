package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"portrange/internal/nettest"
)

// TestAFactIsReadOnce watches the system calls of an examination: it opens each
// setting of a namespace once, walks the table of bind buckets, and makes two
// iterators, over UDP sockets and over open files. Two looks cost twice that, and
// load nothing again.
func TestAFactIsReadOnce(t *testing.T) {
	box := nettest.New(t)
	for looks, arguments := range map[int][]string{1: nil, 2: {"--interval", "100ms"}} {
		trace := traced(t, append([]string{"doctor", "--netns", box.Path()}, arguments...)...)
		want := map[string]int{
			"BPF_ITER_CREATE": 2 * looks, "BPF_LINK_CREATE": 2, "/sys/kernel/btf/vmlinux": 1,
			"ip_local_port_range":     2 * looks, // of the namespace and of the host, which it is compared with
			"ip_local_reserved_ports": looks, "ip_unprivileged_port_start": looks, `tcp_tw_reuse"`: looks, "tcp_tw_reuse_delay": looks,
			"tcp_timestamps": looks, "tcp_max_tw_buckets": looks, "tcp_fin_timeout": looks, "ip_local_port_step_width": looks,
			"nf_conntrack_max": looks, "nf_conntrack_count": looks, "fs/file-nr": looks, "tcp_mem": looks,
		}
		for call, n := range want {
			if got := strings.Count(trace, call); got != n {
				t.Errorf("%d looks: %s %d times, want %d", looks, call, got, n)
			}
		}
		if runs := strings.Count(trace, "BPF_PROG_TEST_RUN"); runs == 0 {
			t.Errorf("%d looks: the table of bind buckets was not walked", looks)
		}
	}
}

// TestSettingsAloneLoadNothing: whoever asks for settings gets no more.
func TestSettingsAloneLoadNothing(t *testing.T) {
	box := nettest.New(t)
	trace := traced(t, "reserve", "list", "--netns", box.Path())
	if n := strings.Count(trace, "ip_local_reserved_ports"); n != 1 || strings.Contains(trace, "bpf(") {
		t.Errorf("reserved ports opened %d times, want once and no bpf() in\n%s", n, trace)
	}
}

// traced runs portrange and returns what it opened, and its bpf() calls.
func traced(t *testing.T, arguments ...string) string {
	t.Helper()
	into := filepath.Join(t.TempDir(), "trace")
	command := exec.Command("strace", append([]string{"-f", "-o", into, "-e", "trace=openat,bpf", "portrange"}, arguments...)...)
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", command.Args, err, out)
	}
	trace, err := os.ReadFile(into)
	if err != nil {
		t.Fatal(err)
	}
	return string(trace)
}
