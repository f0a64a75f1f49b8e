package boot

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"portrange/internal/port"
)

// randomFS is a random file system: what lies in the directories of settings.
type randomFS struct {
	seed  uint64
	split bool // /lib is no link into /usr
	weak  bool // the programs are bound by file modes
	nodes []node
}

// node is a file, a link or a directory.
type node struct {
	path string
	link string // for a link, where it points to
	dir  bool
	mode os.FileMode
	data string
}

func (n node) String() string {
	switch {
	case n.dir:
		return n.path + "/"
	case n.link != "":
		return n.path + " -> " + n.link
	case len(n.data) > 2000:
		return fmt.Sprintf("%s %v %.300q... (%d bytes)", n.path, n.mode, n.data, len(n.data))
	}
	return fmt.Sprintf("%s %v %q", n.path, n.mode, n.data)
}

func (f *randomFS) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "tree %d, split %v, weak %v\n", f.seed, f.split, f.weak)
	for _, n := range f.nodes {
		fmt.Fprintln(&b, " ", n)
	}
	return b.String()
}

// build replaces what the last tree left below root.
func (f *randomFS) build(root string) error {
	for _, dir := range []string{"etc", "run", "opt", "usr/lib/sysctl.d", "usr/local/lib"} {
		if err := empty(filepath.Join(root, dir)); err != nil {
			return err
		}
	}
	if f.split {
		if err := empty(filepath.Join(root, "lib/sysctl.d")); err != nil {
			return err
		}
	}
	for _, n := range f.nodes {
		if err := n.build(root); err != nil {
			return err
		}
	}
	return nil
}

func empty(dir string) error {
	entries, err := os.ReadDir(dir)
	if os.IsNotExist(err) {
		return os.MkdirAll(dir, 0o755)
	}
	for _, entry := range entries {
		if err := os.RemoveAll(filepath.Join(dir, entry.Name())); err != nil {
			return err
		}
	}
	return err
}

func (n node) build(root string) error {
	path := filepath.Join(root, n.path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	switch {
	case n.dir:
		return os.MkdirAll(path, 0o755)
	case n.link != "":
		return os.Symlink(n.link, path)
	}
	if err := os.WriteFile(path, []byte(n.data), 0o644); err != nil {
		return err
	}
	return os.Chmod(path, n.mode)
}

// dice throws the tree. Most trees are about few keys, so that their lines meet.
type dice struct {
	*rand.Rand
	keys []string
	said []string // lines thrown before
}

func (d *dice) chance(percent int) bool { return d.IntN(100) < percent }

func (d *dice) of(choices ...string) string { return choices[d.IntN(len(choices))] }

func randomTree(seed uint64) *randomFS {
	d := newDice(seed)
	f := &randomFS{seed: seed, split: d.chance(25), weak: d.chance(15)}
	for _, dir := range d.directories(f.split) {
		f.addDir(d, dir)
	}
	if d.chance(70) {
		f.nodes = append(f.nodes, d.node("/etc/sysctl.conf"))
	}
	if d.chance(40) && !f.linked("/etc/sysctl.d") {
		f.add(node{path: "/etc/sysctl.d/99-sysctl.conf", link: d.of("../sysctl.conf", "/etc/sysctl.conf", "../../../../etc/sysctl.conf")})
	}
	f.add(node{path: "/opt/other", mode: 0o644, data: d.content()})
	return f
}

func newDice(seed uint64) *dice {
	d := &dice{Rand: rand.New(rand.NewPCG(seed, 0)), keys: Keys()}
	switch d.IntN(10) {
	case 0, 1, 2:
		d.keys = []string{port.KeyRange, port.KeyUnprivilegedStart}
	case 3:
		d.keys = []string{port.KeyReserved}
	case 4, 5:
		d.keys = []string{port.KeyFinTimeout, port.KeyTWReuse}
	}
	return d
}

// directories are those of the tree. Where /lib is a link, its sysctl.d is the
// one of /usr.
func (d *dice) directories(split bool) []string {
	all := []string{"/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d"}
	if !split {
		all = all[:len(all)-1]
	}
	return slices.DeleteFunc(all, func(string) bool { return d.chance(30) })
}

func (f *randomFS) addDir(d *dice, dir string) {
	switch {
	case dir == "/run/sysctl.d" && d.chance(5):
		f.add(node{path: dir, link: "/etc/sysctl.d"})
		return
	case dir == "/etc/sysctl.d" && d.chance(5):
		f.add(node{path: dir, link: d.of("/opt/sysctl.d", "../opt/sysctl.d", "/nowhere")})
		dir = "/opt/sysctl.d"
	case dir == "/usr/local/lib/sysctl.d" && d.chance(5):
		f.add(node{path: dir, mode: 0o644, data: d.content()})
		return
	}
	f.add(node{path: dir, dir: true})
	for range d.IntN(5) {
		f.add(d.node(dir + "/" + d.name()))
	}
}

// add keeps the first node of each path.
func (f *randomFS) add(n node) {
	if !f.has(n.path) {
		f.nodes = append(f.nodes, n)
	}
}

func (f *randomFS) has(path string) bool {
	return slices.ContainsFunc(f.nodes, func(n node) bool { return n.path == path })
}

// linked reports whether a path is a link, behind which nothing is to be built.
func (f *randomFS) linked(path string) bool {
	return slices.ContainsFunc(f.nodes, func(n node) bool { return n.path == path && n.link != "" })
}

func (d *dice) name() string {
	if d.chance(20) {
		return d.of(".hidden.conf", ".conf", "README", "README~", "x.conf.bak", "x.conf~", ".x.swp", "50-plain",
			"a[bc].conf", "{ab,ac}.conf", "a*.conf", "*.conf", `a\b.conf`, "a?.conf", "[!x]*.conf", "a{b.conf",
			"ä.conf", "A.conf", "conf", "x.CONF", "[z-a].conf", "[[:alpha:]]b.conf")
	}
	return d.of("10-a.conf", "10-b.conf", "50-c.conf", "50-default.conf", "99-portrange.conf", "99-sysctl.conf", "99-z.conf", "ab.conf", "ac.conf", "zz.conf")
}

func (d *dice) node(path string) node {
	switch n := d.IntN(100); {
	case n < 72:
		return node{path: path, mode: 0o644, data: d.content()}
	case n < 78:
		return node{path: path, mode: 0o000, data: d.content()}
	case n < 82:
		return node{path: path, mode: 0o644}
	case n < 88:
		return node{path: path, link: "/dev/null"}
	case n < 92:
		return node{path: path, link: d.of("/opt/other", "../../opt/other", "/../../../opt/other", "10-a.conf", "/etc/sysctl.d/50-c.conf")}
	case n < 96:
		return node{path: path, link: d.of("/nowhere", "dangling", filepath.Base(path))}
	}
	return node{path: path, dir: true}
}

func (d *dice) content() string {
	var b strings.Builder
	eol := "\n"
	if d.chance(20) {
		eol = d.of("\r\n", "\r", "\n\r", "\x00", "\n\n", "\n\x00")
	}
	for range d.IntN(7) {
		b.WriteString(d.line())
		b.WriteString(eol)
	}
	if d.chance(15) {
		return strings.TrimSuffix(b.String(), eol)
	}
	return b.String()
}

// line is a new line or one that was said before.
func (d *dice) line() string {
	if len(d.said) > 0 && d.chance(15) {
		return d.of(d.said...)
	}
	line := d.newLine()
	d.said = append(d.said, line)
	return line
}

func (d *dice) newLine() string {
	switch n := d.IntN(100); {
	case n < 72:
		return d.indent() + d.spelling(d.of(d.keys...)) + d.space() + "=" + d.space() + d.aValue()
	case n < 80:
		return d.indent() + d.glob() + d.space() + "=" + d.space() + d.aValue()
	case n < 88:
		return d.of("-", "-", "-", "--", "- ", "-\t") + d.of(d.spelling(d.of(d.keys...)), d.glob()) + d.space()
	case n < 92:
		return d.space() + d.of("#", ";", "# ", ";;") + d.of("net.ipv4.tcp_fin_timeout = 7", "words", "")
	case n < 97:
		return d.of("", " ", "\t", "=", "= 5", "-", "-=5", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_fin_timeout 9", "words = ", "net.ipv4 = 3", "/ = 1",
			"\v", "\f net.ipv4.tcp_fin_timeout = 8", "\vnet.ipv4.tcp_tw_reuse=1\v", "a\x00net.ipv4.tcp_tw_reuse = 1", "net.ipv4.tcp_fin_timeout = 11\x00 = 12")
	case n < 99:
		return "# " + strings.Repeat("long ", 300+d.IntN(2000))
	}
	return d.of(port.KeyReserved, port.KeyFinTimeout) + d.huge()
}

// huge is the rest of a line that is longer than any buffer of the programs. One at
// systemd's limit is in no file that is short enough to be read.
func (d *dice) huge() string { return " = 77" + strings.Repeat(" ", 1<<16+d.IntN(128)) }

func (d *dice) indent() string {
	return d.of("", "", "", "", "", " ", "\t", "-", "-", " -", "- ", "--", "\ufeff")
}

func (d *dice) space() string { return d.of("", "", " ", " ", "\t", "  ", " \t ", "\v", "\f") }

// spelling writes a key in one of the ways that may reach it.
func (d *dice) spelling(key string) string {
	path := swapped(key)
	if d.chance(70) {
		return d.of(key, path)
	}
	dot := strings.Replace(key, ".", "..", 1)
	return d.of("/"+path, "."+key, dot, key+".", path+"/", "net/ipv4//"+filepath.Base(path), "./"+path, "net/./"+path[4:], "net/ipv4/../ipv4/"+filepath.Base(path),
		"net/core/../ipv4/"+filepath.Base(path), "net.ipv4/"+filepath.Base(path), "net/ipv4."+filepath.Base(path), "//"+path, "proc/sys/"+path,
		"/proc/sys/"+path, strings.ToUpper(key), key+"x", path+"/.", path+"/x", ".."+key, path+"/../"+filepath.Base(path))
}

// glob matches keys of the network namespace alone.
func (d *dice) glob() string {
	g := d.of("net.ipv4.tcp_fin_*", "net.ipv4.ip_local_*", "net.ipv4.ip_local_[pr]*", "net.ipv4.tcp_tw_reus?", "net.ipv4.tcp_tw_*", "net.ipv4.tcp_max_tw_*",
		"net.ipv4.tcp_fin_["+strings.Repeat("t", 200+d.IntN(100))+"]imeout"+d.of("", ".", "//"), "net.ipv4.ip_unpriv*", "net.*.tcp_fin_timeout", "net.ipv[46].ip_local_port_range", "net.ipv4.ip_*_port_*", "net.ipv4.{tcp_fin_timeout,tcp_tw_reuse}*",
		"net.ipv4.{tcp_fin_timeou?,tcp_tw_reuse,nothing}", "net.ipv4.[[:alpha:]]*_fin_timeout", "net.ipv4.[!i]*_fin_timeout", "net.ipv4.[^a-s]cp_fin_timeout",
		"net.ipv4.tcp_fin_[timeout", "net.ipv4.tcp_fin_timeout[]", "net.ipv4.tcp_[]f]in_timeout", "net.ipv4.tcp_fin[_-_]timeout", `net.ipv4.tcp\_fin_*`, "net.ipv?.tcp_fin_timeout",
		"net.ipv4..tcp_fin_*", "net.ipv4.tcp_fin_*.", "?et.ipv4.tcp_fin_timeout", "net.ipv4.tcp_{fin,tw_*", "net.ipv4.*tw_{reuse,buckets}", "net.ipv4.tcp_fin_timeout*", "net.ipv4.ip_local_port_range*",
		"net.ipv4.[[:digit:]]*fin_timeout", "net.ipv4.tcp_fin_timeou[s-u]", "net.ipv4.tcp_fin_timeou[t-", "net.ipv4.nothing*", "net.ipv4.ip_{local,unprivileged}_port_*", "net.ipv4.{ip_unprivileged_port_*,ip_local_port_*}")
	if d.chance(40) {
		return swapped(g)
	}
	if d.chance(10) {
		return d.of("net/ipv4/../ipv4/tcp_fin_*", "net/ipv4//tcp_fin_*", "/net/ipv4/tcp_fin_*", "net//ipv?//tcp_fin_timeout", "net/./ipv?/tcp_fin_timeout", "net/ipv?/./tcp_tw_reus?", "net/ipv4/[a/b]")
	}
	return g
}

// aValue is one that some key takes, or none does.
func (d *dice) aValue() string {
	if len(d.keys) < len(Keys()) && d.chance(70) {
		return d.fitting()
	}
	switch d.IntN(10) {
	case 0, 1, 2:
		return fmt.Sprint(d.IntN(70000)-200) + d.space() + fmt.Sprint(d.IntN(70000))
	case 3, 4:
		return fmt.Sprint(d.IntN(3000))
	case 5:
		return fmt.Sprint(d.IntN(4))
	case 6:
		return d.list(d.IntN(6))
	case 7:
		if d.chance(20) {
			return d.longList()
		}
		return fmt.Sprintf("%d\t%d", 1024+d.IntN(30000), 30000+d.IntN(35000))
	case 8:
		return fmt.Sprintf("%d %d", 900+d.IntN(3000), 3000+d.IntN(3000))
	}
	return d.of("", "-1", "-0", "0", "00", "010", "08", "0x10", "0x", "0xfffff", "0x4000 0xC000", "1024 65535", "1 65535", "0 65535", "1024 65536", "15000", "65535", "1024", "1023", "500", "8080,9148-9150",
		"8080, 9148", "8080,,9148", "8080,", ",8080", "9150-9148", "8080-", "-8080", "65535,65536", "32768 60999 # comment", "30 # comment", "2#", "words", "\"15000 64000\"", "15000-64000", "15000,64000",
		"15000  \t 64000", "15000 64000 7", "2147483647", "2147483648", "-2147483648", "-2147483649", "8589934", "8589935", "99999999999999999999", "000000000000000000005", "00000000000000000005", "0000000000000000005",
		"1 2 3", "20000 = 30000", "20000\v30000", "20000\r30000", "5\x006", "5\u00a06", "5\xa06", "+5", "1e3")
}

// fitting is one of few values for the keys of the tree, so that lines repeat
// what others say, and what one key holds decides what the other may.
func (d *dice) fitting() string {
	switch d.keys[0] {
	case port.KeyRange:
		return d.of("1024", "2000", "2000 30000", "2000 40000", "1500", "1500 1600", "30000", "40000 50000", "900", "900 2000", "0", "40000")
	case port.KeyReserved:
		if d.chance(40) {
			return d.longList()
		}
		return d.list(d.IntN(4))
	}
	return d.of("0", "1", "2", "3", "30")
}

func (d *dice) list(n int) string {
	items := make([]string, n)
	for i := range items {
		low := d.IntN(65000)
		items[i] = fmt.Sprint(low)
		if d.chance(30) {
			items[i] += "-" + fmt.Sprint(low+d.IntN(500))
		}
	}
	return strings.Join(items, ",")
}

// longList is longer than a page, and perhaps wrong somewhere.
func (d *dice) longList() string {
	list := d.list(600 + d.IntN(2500))
	if d.chance(40) {
		at := d.IntN(len(list))
		list = list[:at] + d.of("x", ",,", "-", " ", strings.Repeat(" ", 200), strings.Repeat("1", 30)) + list[at:]
	}
	return list
}
