package cure

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"portrange/internal/finding"
)

// row is one proof as the table has it.
type row struct {
	*cause
	did                 advice
	before, after       tally
	what                string
	predicted, measured float64
}

// table collects rows from proofs that run at the same time.
type table struct {
	mu   sync.Mutex
	rows map[string]row
}

func newTable() *table { return &table{rows: map[string]row{}} }

func (t *table) add(r row) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rows[r.name] = r
}

const preface = `# Cures

What the first advice does. Each line is a way to run out of ports, made with real
sockets in namespaces of its own: the doctor is asked, its first action for "now" is
carried out to the letter (two lines carry out the first one "in the program"), and
the same load is counted again. What it is predicted to bring is measured too.
Written by ` + "`make cure ARGS=-update`" + ` on Linux %s.

| cause | advice of | first action | fails before | fails after | predicted | measured |
|---|---|---|---|---|---|---|
`

const afterword = `
The ranges are small, so that they fill fast. What fails is a share of the requests
that a program makes, each of which wants a port. In the line about a pool that is
half full nothing fails; there it is the median time to get a connection. "Ports
left" are counted by opening connections until one fails, "connections a second" by
asking as fast as can be, and where each port is kept for a minute by the ports in
use under a steady load; "ports in use" are those of ss(8).

A program that is changed needs a port to begin with, and those of before may wait for
60 seconds, bind-held ones withheld from every connect(): the two lines "in the
program" are counted after that.
`

// write writes the table; a test that did not run leaves no line.
func (t *table) write(path string) error {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, preface, unix.ByteSliceToString(name.Release[:]))
	for _, c := range causes() {
		if r, ran := t.rows[c.name]; ran {
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n",
				r.name, r.did.Code, r.action(), r.told(r.before), r.told(r.after), r.held())
		}
	}
	b.WriteString(afterword)
	return os.WriteFile(path, []byte(b.String()), 0o644)
}

func (r *row) action() string {
	text := r.did.String()
	if r.step == finding.InProgram {
		return text
	}
	return strings.TrimPrefix(text, string(finding.Now)+": ")
}

// held is what was predicted, and what was measured of it.
func (r *row) held() string {
	if r.hold == nil {
		return "nothing | "
	}
	return fmt.Sprintf("%s: %.0f | %.0f", r.what, r.predicted, r.measured)
}

// told is the tally of one side of a proof: what failed or, where nothing does, how
// long a connection took.
func (r *row) told(t tally) string {
	if r.slow {
		return t.Median.Round(time.Microsecond).String()
	}
	return fmt.Sprintf("%.0f %% of %d", 100*t.share(), t.Requests)
}
