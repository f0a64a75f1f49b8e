package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"portrange/internal/nettest"
)

// image is a file system that its maker filled to hurt whoever looks at it.
type image struct {
	t    *testing.T
	root string
}

func newImage(t *testing.T) *image {
	m := &image{t: t, root: t.TempDir()}
	m.file("usr/lib/systemd/systemd-sysctl", "")
	return m
}

func (m *image) path(name string) string {
	path := filepath.Join(m.root, name)
	check(m.t, os.MkdirAll(filepath.Dir(path), 0o755))
	return path
}

func (m *image) file(name, text string) { check(m.t, os.WriteFile(m.path(name), []byte(text), 0o644)) }

func (m *image) fifo(name string) { check(m.t, unix.Mkfifo(m.path(name), 0o644)) }

// filled are four files, each a little shorter than what is read of one.
func (m *image) filled(line string) {
	for i := range 4 {
		m.file(fmt.Sprintf("etc/sysctl.d/%d.conf", i), strings.Repeat(line, (1<<20-1)/len(line)))
	}
}

// tuned makes tuned start with a profile.
func (m *image) tuned(profile string) {
	check(m.t, os.Symlink("/usr/lib/systemd/system/tuned.service",
		m.path("etc/systemd/system/multi-user.target.wants/tuned.service")))
	m.file("etc/tuned/tuned-main.conf", "")
	m.file("etc/tuned/active_profile", "bomb\n")
	m.file("etc/tuned/profile_mode", "manual\n")
	m.file("etc/tuned/bomb/tuned.conf", profile)
}

// bombs are images with the gap that is to tell of each; "" where all is read.
var bombs = map[string]struct {
	lay func(*image)
	gap string
}{
	"a FIFO for a directory": {func(m *image) { m.fifo("etc/sysctl.d") }, "/etc/sysctl.d: not a directory"},
	"a FIFO for a file":      {func(m *image) { m.fifo("etc/sysctl.d/50.conf") }, "50.conf: not opened"},
	"a FIFO for units":       {func(m *image) { m.fifo("etc/systemd/system") }, "/etc/systemd/system: not a directory"},
	"a FIFO for a credential": {func(m *image) { m.fifo("run/credentials/@system/sysctl.extra") },
		"sysctl.extra: not opened"},
	"a device": {func(m *image) {
		check(m.t, unix.Mknod(m.path("etc/sysctl.d/50.conf"), unix.S_IFCHR|0o644, int(unix.Mkdev(1, 5))))
	}, "50.conf: not opened"},
	"a device for a directory": {func(m *image) {
		check(m.t, unix.Mknod(m.path("etc/sysctl.d"), unix.S_IFBLK|0o644, int(unix.Mkdev(8, 0))))
	}, "/etc/sysctl.d: not a directory"},
	"a loop": {func(m *image) { check(m.t, os.Symlink("50.conf", m.path("etc/sysctl.d/50.conf"))) }, "too many levels"},
	"a sparse file": {func(m *image) {
		m.file("etc/sysctl.d/50.conf", "")
		check(m.t, os.Truncate(m.path("etc/sysctl.d/50.conf"), 8<<30))
	}, "50.conf: not read: it is over 1 MiB"},
	"hard links": {func(m *image) {
		m.file("etc/sysctl.d/0.conf", strings.Repeat("#\n", 1<<19))
		for i := range 300 {
			check(m.t, os.Link(m.path("etc/sysctl.d/0.conf"), m.path(fmt.Sprintf("etc/sysctl.d/1%d.conf", i))))
		}
	}, "not read: all files together are over 4 MiB"},
	"many files": {func(m *image) {
		for i := range 5000 {
			m.fifo(fmt.Sprintf("etc/sysctl.d/%d.conf", i))
		}
	}, "4900 more: for reasons as above"},
	"lines for one key":    {func(m *image) { m.filled("net.ipv4.ip_local_port_range=20000 30000\n") }, "0.conf:20001: not read"},
	"lines in turn":        {func(m *image) { m.filled("net.ipv4.tcp_tw_reuse=1\nnet.ipv4.tcp_tw_reuse=0\n") }, ":20001: not read"},
	"lines for other keys": {func(m *image) { m.filled("k=1\n") }, ""},
	"empty lines":          {func(m *image) { m.filled("\n") }, ""},
	"globs":                {func(m *image) { m.filled("*/*/*=\n") }, ":3334: not read"},
	"braces":               {func(m *image) { m.filled("net/ipv4/" + strings.Repeat("{a,b}", 13) + "*=1\n") }, "0.conf:1: not expanded"},
	"brackets":             {func(m *image) { m.filled("net/ipv4/" + strings.Repeat("[[:", 300_000) + "*=1\n") }, "not expanded"},
	"lists":                {func(m *image) { m.filled("net.ipv4.ip_local_reserved_ports=1-65535\n") }, ":20001: not read"},
	"long lists": {func(m *image) {
		m.filled("net.ipv4.ip_local_reserved_ports=" + strings.Repeat("1-65535,", 1<<17-10) + "\n")
	}, ""},
	"names that are patterns": {func(m *image) {
		for i := range 2000 {
			m.file(fmt.Sprintf("etc/sysctl.d/%s%d{a,b}{a,b}{a,b}.conf", strings.Repeat("*", 50), i), "net.ipv4.tcp_tw_reuse=1\n")
		}
	}, "taken by its name alone"},
	"variables that double": {func(m *image) {
		var lines strings.Builder
		for i := 1; i < 40; i++ {
			fmt.Fprintf(&lines, "a%d=${a%d}${a%d}\n", i, i-1, i-1)
		}
		m.tuned("[variables]\na0=xxxxxxxxxx\n" + lines.String() + "[sysctl]\nnet.ipv4.ip_local_port_range=${a39}\n")
	}, "tuned: variables not expanded any more"},
	"options":  {func(m *image) { m.tuned("[sysctl]\n" + strings.Repeat("k=1\n", 250_000)) }, "tuned.conf:8193: more than"},
	"a value":  {func(m *image) { m.tuned("[sysctl]\nx=1\n" + strings.Repeat(" y\n", 300_000)) }, "tuned.conf:8193: more than"},
	"includes": {func(m *image) { m.tuned("[main]\ninclude=" + strings.Repeat("-x,", 300_000) + "\n") }, "tuned: not read to the end"},
	"reapplied": {func(m *image) {
		var sections strings.Builder
		for i := range 2000 {
			fmt.Fprintf(&sections, "[s%d]\ntype=sysctl\nnet.ipv4.tcp_tw_reuse=1\n", i)
		}
		m.tuned(sections.String())
		m.file("etc/sysctl.d/50.conf", strings.Repeat("net.ipv4.tcp_tw_reuse=1\n", 2000))
	}, "tuned: not followed to the end"},
}

// maxResident is what a look at the worst image may take, the program included, of
// which some 15 MiB are there whatever it looks at.
const maxResident = 80 << 20

// TestBombs looks at each image with the program itself, which must come to an end,
// within its memory, and say what it did not read.
func TestBombs(t *testing.T) {
	nettest.NeedRoot(t) // for the devices
	if testing.Short() {
		t.Skip("it measures memory, to which the race detector adds")
	}
	for name, bomb := range bombs {
		t.Run(name, func(t *testing.T) {
			m := newImage(t)
			bomb.lay(m)
			var stdout, stderr strings.Builder
			command := exec.Command("portrange", "boot", "--root", m.root)
			command.Stdout, command.Stderr = &stdout, &stderr
			check(t, command.Start())
			late := time.AfterFunc(2*hangs, func() { _ = command.Process.Kill() })
			err := command.Wait()
			if !late.Stop() || err != nil {
				t.Fatalf("no end, or %v: %.300s", err, stderr.String())
			}
			usage := command.ProcessState.SysUsage().(*syscall.Rusage)
			if resident := usage.Maxrss << 10; resident > maxResident {
				t.Errorf("it took %d MiB", resident>>20)
			}
			if said := stderr.String(); (bomb.gap == "") != (said == "") || !strings.Contains(said, bomb.gap) {
				t.Errorf("standard error is %.500q, want %q in it", said, bomb.gap)
			}
			if !strings.Contains(stdout.String(), "net.ipv4.tcp_fin_timeout") {
				t.Errorf("no forecast: %.300s", stdout.String())
			}
		})
	}
}
