package act

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"portrange/internal/escape"
	"portrange/internal/port"
)

// DropIn is the one file that portrange writes for the next boot.
//
// All programs apply the files of sysctl.d in order of their names, and the
// last assignment wins. Distributions and people name theirs 10-foo.conf,
// 99-foo.conf, 99-sysctl.conf or local.conf. In byte order letters come after
// digits, and zz after other letters, so this name beats all of them; a 99- in
// front would lose to local.conf. procps reads /etc/sysctl.conf after every
// drop-in, which no name can beat: [NewPlan] reports it.
const (
	DropIn     = DropInDir + "/" + dropInName
	DropInDir  = "/etc/sysctl.d"
	dropInName = "zz-portrange.conf"
	dropInMode = 0o644
)

// headline is the first line of the drop-in, by which it is known.
const headline = "# Written by portrange. "

const header = headline + `Change it with ` + "`portrange set`" + ` or ` + "`portrange reserve`" + ` and --persist,
# take it back with ` + "`portrange undo`" + `.
# Why: %s ran ` + "`portrange %s`" + ` on %s.
# The name comes after those of other files, as the last assignment wins.
`

// dropInKeys are the settings the drop-in may hold, in their order there:
// ports are reserved before the range reaches them.
func dropInKeys() []string { return []string{port.KeyReserved, port.KeyRange} }

// renderDropIn prints the file.
func renderDropIn(origin Origin, values map[string]string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, header, escape.Line(origin.User), escape.Line(origin.Command), origin.At.UTC().Format(time.RFC3339))
	for _, key := range dropInKeys() {
		if value, set := values[key]; set {
			fmt.Fprintf(&b, "%s = %s\n", key, value)
		}
	}
	return b.Bytes()
}

// parseDropIn reads what renderDropIn printed. Lines that it would not have
// printed come back as strange: somebody has edited the file.
func parseDropIn(data []byte) (values map[string]string, strange []string) {
	values = map[string]string{}
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		key, value, assigns := strings.Cut(line, "=")
		key = strings.TrimSpace(key)
		if !assigns || !slices.Contains(dropInKeys(), key) {
			strange = append(strange, line)
			continue
		}
		values[key] = spaced(value)
	}
	return values, strange
}

// commentOut takes lines, counted from 1, out of a file of somebody else.
func commentOut(data []byte, lines []int) []byte {
	all := bytes.SplitAfter(data, []byte("\n"))
	for _, n := range lines {
		if n >= 1 && n <= len(all) {
			all[n-1] = append([]byte(takenOut), all[n-1]...)
		}
	}
	return bytes.Join(all, nil)
}

const takenOut = "# taken out by portrange, as it overrides " + DropIn + ": "
