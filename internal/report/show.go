package report

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"portrange/internal/judge"
)

// fullEnough is the share in use from which a local pool gets a line in text.
const fullEnough = 0.1

// maxFindings is how many findings of one namespace text prints.
const maxFindings = 10

// WriteShow prints the text of `portrange show`: for each namespace its range,
// the fullest limit pools (0 for all of them) in the document's order, and what
// is wrong; at the end whether all is well.
func WriteShow(w io.Writer, doc *Show, limit int, style Style) error {
	p := newPrinter(w, style)
	p.line("%s, Linux %s, %s", p.paint(bold, Printable(doc.Host)), Printable(doc.Kernel),
		timeText(doc.TakenAt))
	worst := worstFinding(doc.Namespaces)
	for i := range doc.Namespaces {
		v := &doc.Namespaces[i].Verdict
		p.line("")
		if len(doc.Namespaces) > 1 && idle(v) {
			p.idle(v)
			continue
		}
		p.namespace(v, limit, worst.in(v))
	}
	p.line("")
	p.closing(doc, worst)
	return p.flush()
}

// idle reports whether there is nothing to say of a namespace but its range.
func idle(v *judge.Verdict) bool {
	return len(v.Pools)+len(v.Findings)+v.BindHeld+v.ReservedInRange+v.OutsideRange == 0 && v.Exact &&
		!slices.ContainsFunc(v.LocalPools, worthShowing)
}

// idle prints one line. Among many namespaces most are idle.
func (p *printer) idle(v *judge.Verdict) {
	title := title(v)
	text := fmt.Sprintf(": range %s, none in use", rangeText(v.Range))
	p.line("%s%s", p.paint(bold, title), p.wrap(text, cells(title), 2))
}

func title(v *judge.Verdict) string {
	return fmt.Sprintf("Network namespace %s (%d)", Printable(v.Name), v.NetNS)
}

func (p *printer) namespace(v *judge.Verdict, limit int, closing *judge.Finding) {
	p.header(v)
	if len(v.Pools) > 0 {
		p.line("")
		p.pools(v.Pools, limit, v.InUse)
	}
	p.localPools(v.LocalPools, limit)
	p.findings(v.Findings, closing)
}

func (p *printer) header(v *judge.Verdict) {
	p.line("%s", p.paint(bold, title(v)))
	p.field("Range", rangeText(v.Range))
	p.field("Reserved", reservedText(v))
	p.field("Bind-held", bindHeldText(v))
	p.field("Usable", count(v.Usable, "port")+" to each destination")
	if v.OutsideRange > 0 {
		p.field("Outside", count(v.OutsideRange, "connection")+" on ports outside the range")
	}
	if !v.Exact {
		p.field("Source", notExact(v.Source, v.Inexact))
	}
}

func rangeText(r judge.Range) string {
	text := fmt.Sprintf("%d-%d, %s", r.Low, r.High, count(r.Size, "port"))
	if r.Default {
		text += ", the kernel's default"
	}
	if r.Low%2 == r.High%2 && r.Size > 1 {
		text += "; ends of the same parity: a search can miss one port"
	}
	return text
}

func reservedText(v *judge.Verdict) string {
	if v.Reserved == "" {
		return "none"
	}
	return fmt.Sprintf("%s (%s in the range)", strings.ReplaceAll(v.Reserved, ",", ", "), thousands(v.ReservedInRange))
}

func bindHeldText(v *judge.Verdict) string {
	if v.BindHeld == 0 {
		return "none"
	}
	return count(v.BindHeld, "port") + " of the range taken through bind(), withheld from every connect()"
}

func (p *printer) pools(pools []judge.Pool, limit, inUse int) {
	shown := pools
	if limit > 0 && len(pools) > limit {
		shown = pools[:limit]
	}
	t := table{columns: []column{
		{title: "PROTO", yields: 1}, {title: "LOCAL", yields: 2}, {title: "REMOTE"},
		{title: "USED", right: true}, {title: "LEFT", right: true},
		{title: "SHARE", right: true}, {yields: 5}, {title: "STATES", yields: 4}, {title: "TOP PROCESS", yields: 3},
	}}
	for i := range shown {
		t.rows = append(t.rows, p.poolRow(&shown[i]))
	}
	p.table(&t)
	p.total(len(pools), len(shown), inUse)
}

func (p *printer) poolRow(pool *judge.Pool) []cell {
	ink := shareInk(1 - share(pool.Left, pool.Size))
	return []cell{
		{text: pool.Proto}, {text: onDevice(pool)}, {text: pool.Remote},
		{text: thousands(pool.Used)}, {text: thousands(pool.Left), ink: ink},
		{text: percent(pool.UsedRatio), ink: ink}, p.barCell(pool.UsedRatio, ink),
		{text: statesText(pool.States)}, {text: ownersText(pool.Owners)},
	}
}

func (p *printer) barCell(share float64, in ink) cell {
	if !p.Bars {
		return cell{}
	}
	return cell{bar(share), cmp.Or(in, green)}
}

func share(part, whole int) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

// statesText lists the states, most frequent first.
func statesText(states map[string]int) string {
	names := slices.SortedFunc(maps.Keys(states), func(a, b string) int {
		return cmp.Or(cmp.Compare(states[b], states[a]), cmp.Compare(a, b))
	})
	for i, name := range names {
		names[i] = thousands(states[name]) + " " + name
	}
	return strings.Join(names, ", ")
}

// ownersText names the process with most ports, and how many there are besides.
func ownersText(owners []judge.Owner) string {
	if len(owners) == 0 {
		return ""
	}
	text := fmt.Sprintf("%s (%d)", Printable(owners[0].Command), owners[0].PID)
	if more := len(owners) - 1; more > 0 {
		text += " +" + strconv.Itoa(more)
	}
	return text
}

func (p *printer) total(pools, shown, inUse int) {
	text := fmt.Sprintf("Total: %s with %s", count(pools, "pool"), count(inUse, "connection"))
	if hidden := pools - shown; hidden > 0 {
		text += fmt.Sprintf("; %s not shown (--limit 0 shows all)", count(hidden, "pool"))
	}
	p.line("%s", p.paint(bold, p.wrap(text, 0, 2)))
}

// localPools prints those that are somewhat full. An idle one says nothing, and
// every host has a few.
func (p *printer) localPools(pools []judge.LocalPool, limit int) {
	full := slices.DeleteFunc(slices.Clone(pools), func(pool judge.LocalPool) bool { return !worthShowing(pool) })
	if len(full) == 0 {
		return
	}
	slices.SortStableFunc(full, func(a, b judge.LocalPool) int { return cmp.Compare(b.Used, a.Used) })
	shown := full
	if limit > 0 && len(full) > limit {
		shown = full[:limit]
	}
	p.line("")
	p.line("%s", p.wrap("Shared by all destinations, drawn on by bind() to port 0 and by UDP:", 0, 2))
	p.localTable(shown)
	if hidden := len(full) - len(shown); hidden > 0 {
		p.line("%s", p.wrap(count(hidden, "local pool")+" not shown (--limit 0 shows all)", 0, 2))
	}
}

func worthShowing(pool judge.LocalPool) bool { return share(pool.Used, pool.Size) >= fullEnough }

func (p *printer) localTable(pools []judge.LocalPool) {
	t := table{columns: []column{
		{title: "PROTO"}, {title: "LOCAL"}, {title: "USED", right: true}, {title: "LEFT", right: true},
		{title: "SHARE", right: true}, {yields: 1},
	}}
	for i := range pools {
		pool := &pools[i]
		used := share(pool.Used, pool.Size)
		ink := shareInk(used)
		t.rows = append(t.rows, []cell{
			{text: pool.Proto}, {text: pool.Local}, {text: thousands(pool.Used)}, {text: thousands(pool.Left), ink: ink},
			{text: percent(used), ink: ink}, p.barCell(used, ink),
		})
	}
	p.table(&t)
}
