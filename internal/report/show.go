package report

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"portrange/internal/escape"
	"portrange/internal/judge"
	"portrange/internal/port"
	"portrange/internal/words"
)

// fullEnough is the share in use from which a local pool gets a line in text.
const fullEnough = 0.1

// maxBlocks is how many blocks of findings text prints of one namespace.
const maxBlocks = 10

// WriteShow prints the text of `portrange show`: for each namespace its range,
// the fullest limit pools (0 for all of them) in the document's order, and what
// is wrong; at the end whether all is well.
func WriteShow(w io.Writer, doc *Show, limit int, style Style) error {
	p := newPrinter(w, style)
	p.origin(doc.Host, doc.Kernel, doc.TakenAt)
	for i := range doc.Namespaces {
		ns := &doc.Namespaces[i]
		p.line("")
		title := fmt.Sprintf("Network namespace %s (%d)", escape.Printable(ns.Name), ns.NetNS)
		idle := len(ns.Pools)+len(ns.Findings)+ns.BindHeld+ns.ReservedInRange+ns.OutsideRange == 0 && ns.Exact &&
			!slices.ContainsFunc(ns.LocalPools, worthShowing)
		if idle && len(doc.Namespaces) > 1 { // among many most are idle, of which one line says enough
			text := fmt.Sprintf(": range %s, none in use", rangeText(ns.Range))
			p.line("%s%s", p.paint(bold, title), p.wrap(text, p.cells(title), 2))
			continue
		}
		p.line("%s", p.paint(bold, title))
		p.portFields(&ns.Verdict)
		if len(ns.Pools) > 0 {
			p.line("")
			p.pools(ns.Pools, limit, ns.InUse)
		}
		p.localPools(ns.LocalPools, limit)
		p.blocks(blocksOf(ns.Findings), maxBlocks, false)
	}
	p.line("")
	p.closing(doc)
	return p.flush()
}

// portFields prints the range of a namespace, and what of it connect() may use.
func (p *printer) portFields(v *judge.Verdict) {
	reserved, held := "none", "none"
	if v.Reserved != "" {
		list := strings.ReplaceAll(v.Reserved, ",", ", ")
		reserved = fmt.Sprintf("%s (%s in the range)", list, words.Thousands(v.ReservedInRange))
	}
	if v.BindHeld > 0 {
		held = words.Count(v.BindHeld, "port") + " of the range taken through bind(), withheld from every connect()"
	}
	p.field("Range", rangeText(v.Range))
	p.field("Reserved", reserved)
	p.field("Bind-held", held)
	p.field("Usable", words.Count(v.Usable, "port")+" to each destination")
	if v.OutsideRange > 0 {
		p.field("Outside", words.Count(v.OutsideRange, "connection")+" on ports outside the range")
	}
	if !v.Exact {
		p.field("Source", notExact(v.Source, v.Doubts))
	}
}

func rangeText(r judge.RangeInfo) string {
	text := fmt.Sprintf("%d-%d, %s", r.Low, r.High, words.Count(r.Size, "port"))
	if r.Default {
		text += ", the kernel's default"
	}
	if ends := (port.Range{Low: r.Low, High: r.High}); ends.SameParity() {
		text += "; ends of the same parity: a search can miss one port"
	}
	return text
}

func (p *printer) pools(pools []judge.Pool, limit, inUse int) {
	shown := pools
	if limit > 0 && len(pools) > limit {
		shown = pools[:limit]
	}
	taken := func(pool *judge.Pool) ink { return shareInk(1 - share(pool.Left, pool.Size)) }
	writeTable(p, []column[judge.Pool]{
		{title: "PROTO", yields: 1, cell: textCell(func(pool *judge.Pool) string { return pool.Proto })},
		{title: "LOCAL", yields: 2, cell: textCell(func(pool *judge.Pool) string { return escape.Printable(pool.Source()) })},
		{title: "REMOTE", cell: textCell(func(pool *judge.Pool) string { return pool.Remote })},
		{title: "USED", right: true, cell: textCell(func(pool *judge.Pool) string { return words.Thousands(pool.Used) })},
		{title: "LEFT", right: true, cell: func(pool *judge.Pool) cell { return cell{words.Thousands(pool.Left), taken(pool)} }},
		{title: "SHARE", right: true, cell: func(pool *judge.Pool) cell { return cell{words.Percent(pool.UsedRatio), taken(pool)} }},
		{yields: 5, cell: func(pool *judge.Pool) cell { return p.bar(pool.UsedRatio, taken(pool)) }},
		{title: "STATES", yields: 4, cell: textCell(func(pool *judge.Pool) string { return statesText(pool.States) })},
		{title: "TOP PROCESS", yields: 3, cell: textCell(func(pool *judge.Pool) string { return ownersText(pool.Owners) })},
	}, shown)
	text := fmt.Sprintf("Total: %s with %s", words.Count(len(pools), "pool"), words.Count(inUse, "connection"))
	if hidden := len(pools) - len(shown); hidden > 0 {
		text += fmt.Sprintf("; %s not shown (--limit 0 shows all)", words.Count(hidden, "pool"))
	}
	p.text(bold, text)
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
		names[i] = words.Thousands(states[name]) + " " + name
	}
	return strings.Join(names, ", ")
}

// ownersText names the process with most ports, and how many there are besides.
func ownersText(owners []judge.Owner) string {
	if len(owners) == 0 {
		return ""
	}
	text := fmt.Sprintf("%s (%d)", escape.Printable(owners[0].Command), owners[0].PID)
	if more := len(owners) - 1; more > 0 {
		text += " +" + strconv.Itoa(more)
	}
	return text
}

// localPools prints those that are somewhat full. An idle one says nothing, and
// every host has a few.
func (p *printer) localPools(pools []judge.LocalPool, limit int) {
	full := slices.DeleteFunc(judge.Distinct(pools), func(pool judge.LocalPool) bool { return !worthShowing(pool) })
	if len(full) == 0 {
		return
	}
	slices.SortStableFunc(full, func(a, b judge.LocalPool) int { return cmp.Compare(b.Used, a.Used) })
	shown := full
	if limit > 0 && len(full) > limit {
		shown = full[:limit]
	}
	p.line("")
	p.text(plain, "Shared by all destinations, drawn on by bind() to port 0 and by UDP:")
	used := func(pool *judge.LocalPool) float64 { return share(pool.Used, pool.Size) }
	taken := func(pool *judge.LocalPool) ink { return shareInk(used(pool)) }
	writeTable(p, []column[judge.LocalPool]{
		{title: "PROTO", cell: textCell(func(pool *judge.LocalPool) string { return pool.Proto })},
		{title: "LOCAL", cell: textCell(func(pool *judge.LocalPool) string { return escape.Printable(pool.Source()) })},
		{title: "USED", right: true, cell: textCell(func(pool *judge.LocalPool) string { return words.Thousands(pool.Used) })},
		{title: "LEFT", right: true, cell: func(pool *judge.LocalPool) cell { return cell{words.Thousands(pool.Left), taken(pool)} }},
		{title: "SHARE", right: true, cell: func(pool *judge.LocalPool) cell { return cell{words.Percent(used(pool)), taken(pool)} }},
		{yields: 1, cell: func(pool *judge.LocalPool) cell { return p.bar(used(pool), taken(pool)) }},
	}, shown)
	if hidden := len(full) - len(shown); hidden > 0 {
		p.text(plain, words.Count(hidden, "local pool")+" not shown (--limit 0 shows all)")
	}
}

func worthShowing(pool judge.LocalPool) bool { return share(pool.Used, pool.Size) >= fullEnough }
