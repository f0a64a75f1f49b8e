package report_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/report"
)

func TestJSONGoldens(t *testing.T) {
	origin := report.Origin{NetNS: 4026531840, Name: "host", Source: "bpf"}
	tcp := &report.Left{SchemaVersion: report.SchemaVersion, Pools: []report.LeftPool{{Origin: origin, Pool: busyNamespace().Pools[0]}}, LocalPools: []report.LeftLocal{}, Gaps: []host.Gap{}}
	udp := &report.Left{SchemaVersion: report.SchemaVersion, Pools: []report.LeftPool{}, LocalPools: []report.LeftLocal{{Origin: origin, LocalPool: busyNamespace().LocalPools[1]}}, Gaps: []host.Gap{}}
	summary := &report.Summary{SchemaVersion: report.SchemaVersion, Namespaces: []host.Totals{someTotals()}, Gaps: []host.Gap{}}
	for name, document := range map[string]any{
		"show.json": busyHost(), "left-tcp.json": tcp.Single(), "left-udp.json": udp.Single(), "left-all.json": tcp, "summary.json": summary,
	} {
		var out bytes.Buffer
		if err := report.WriteJSON(&out, document); err != nil {
			t.Fatal(err)
		}
		golden(t, name, out.String())
	}
	golden(t, "sockets.json", streamed(t, someSockets(), []host.Gap{{Part: "owners", Why: "operation not permitted"}}))
}

// TestShowIsPrintedInParts: the pools, which are printed apart, stand where they
// would stand in one piece.
func TestShowIsPrintedInParts(t *testing.T) {
	pool := busyNamespace().Pools[0]
	for _, verdicts := range [][]judge.Verdict{
		nil, {}, {{}}, {{Pools: []judge.Pool{}}}, {{Pools: []judge.Pool{pool}}},
		{{Name: "\n      \"pools\": []", Pools: []judge.Pool{pool, pool}}, {Pools: nil}, {Pools: []judge.Pool{pool}}},
	} {
		doc := &report.Show{Namespaces: namespaces(verdicts, busyFindings())}
		var parts, whole bytes.Buffer
		if err := report.WriteJSON(&parts, doc); err != nil {
			t.Fatal(err)
		}
		if err := report.WriteJSON(&whole, *doc); err != nil { // no pointer: the plain way
			t.Fatal(err)
		}
		want := strings.ReplaceAll(whole.String(), `"pools": null`, `"pools": []`)
		if diff := cmp.Diff(want, parts.String()); diff != "" {
			t.Errorf("%d namespaces:\n%s", len(verdicts), diff)
		}
	}
}

func streamed(t *testing.T, sockets []report.Socket, gaps []host.Gap) string {
	t.Helper()
	var out bytes.Buffer
	printer := report.NewSocketsJSON(&out)
	for _, s := range sockets {
		if err := printer.Write(&s); err != nil {
			t.Fatal(err)
		}
	}
	if err := printer.Close(gaps, false); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestStreamIsOneDocument(t *testing.T) {
	for n := range 3 {
		text := streamed(t, someSockets()[:n], []host.Gap{})
		var document struct {
			Version int             `json:"schema_version"`
			Sockets []report.Socket `json:"sockets"`
			Gaps    []host.Gap      `json:"gaps"`
		}
		if err := json.Unmarshal([]byte(text), &document); err != nil {
			t.Fatalf("%d sockets: %v in\n%s", n, err, text)
		}
		if document.Version != report.SchemaVersion || document.Gaps == nil {
			t.Errorf("%d sockets: version %d, gaps %v", n, document.Version, document.Gaps)
		}
		if diff := cmp.Diff(someSockets()[:n], document.Sockets); diff != "" {
			t.Errorf("%d sockets (-written +read):\n%s", n, diff)
		}
	}
}

func TestStreamSaysThatMoreMatch(t *testing.T) {
	for more, want := range map[bool]string{
		true:  "{\"schema_version\":1,\"sockets\":[\n\n],\"more\":true,\"gaps\":[]}\n",
		false: "{\"schema_version\":1,\"sockets\":[\n\n],\"gaps\":[]}\n",
	} {
		var out bytes.Buffer
		if err := report.NewSocketsJSON(&out).Close([]host.Gap{}, more); err != nil {
			t.Fatal(err)
		}
		if strings.ReplaceAll(out.String(), "\n\n", "\n") != strings.ReplaceAll(want, "\n\n", "\n") {
			t.Errorf("more %t: %q", more, out.String())
		}
	}
}

// promised are the names that the documents had in their first version: none
// may go away within schema version 1.
var promised = []string{
	"schema_version", "taken_at", "host", "kernel",
	"namespaces[].netns", "namespaces[].name", "namespaces[].source", "namespaces[].exact",
	"namespaces[].range.low", "namespaces[].range.high", "namespaces[].range.size", "namespaces[].range.default",
	"namespaces[].reserved", "namespaces[].reserved_in_range", "namespaces[].bind_held", "namespaces[].usable", "namespaces[].outside_range",
	"namespaces[].settings.tcp_tw_reuse", "namespaces[].settings.tcp_tw_reuse_delay_ms", "namespaces[].settings.ip_unprivileged_port_start",
	"namespaces[].pools[].proto", "namespaces[].pools[].local", "namespaces[].pools[].remote",
	"namespaces[].pools[].size", "namespaces[].pools[].used", "namespaces[].pools[].left", "namespaces[].pools[].reusable", "namespaces[].pools[].used_ratio",
	"namespaces[].pools[].states{}",
	"namespaces[].pools[].owners[].pid", "namespaces[].pools[].owners[].command", "namespaces[].pools[].owners[].used",
	"namespaces[].local_pools[].proto", "namespaces[].local_pools[].local", "namespaces[].local_pools[].size", "namespaces[].local_pools[].used", "namespaces[].local_pools[].left",
	"namespaces[].findings[].code", "namespaces[].findings[].severity", "namespaces[].findings[].netns", "namespaces[].findings[].name",
	"namespaces[].findings[].subject.proto", "namespaces[].findings[].subject.local", "namespaces[].findings[].subject.remote",
	"namespaces[].findings[].values{}", "namespaces[].findings[].causes[]", "namespaces[].findings[].evidence",
	"namespaces[].findings[].actions[].step", "namespaces[].findings[].actions[].command", "namespaces[].findings[].actions[].text", "namespaces[].findings[].actions[].effect",
	"namespaces[].findings[].actions[].predicted.size", "namespaces[].findings[].actions[].predicted.left", "namespaces[].findings[].actions[].predicted.share",
	"namespaces[].findings[].actions[].predicted.rate", "namespaces[].findings[].actions[].predicted.ceiling",
	"gaps[].part", "gaps[].netns", "gaps[].why",
}

func TestShowKeepsItsPromise(t *testing.T) {
	var out bytes.Buffer
	if err := report.WriteJSON(&out, busyHost()); err != nil {
		t.Fatal(err)
	}
	var document any
	if err := json.Unmarshal(out.Bytes(), &document); err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	leaves(document, "", there)
	for _, path := range promised {
		if !there[path] {
			t.Errorf("show --json has no %s; it has %q", path, slices.Sorted(maps.Keys(there)))
		}
	}
}

// leaves notes the path of every field that is no list or object.
func leaves(value any, path string, there map[string]bool) {
	switch value := value.(type) {
	case map[string]any:
		for name, field := range value {
			next := strings.TrimPrefix(path+"."+name, ".")
			if strings.HasSuffix(path, ".states") || strings.HasSuffix(path, ".values") {
				next = path + "{}"
			}
			leaves(field, next, there)
		}
	case []any:
		for _, element := range value {
			leaves(element, path+"[]", there)
		}
	default:
		there[path] = true
	}
}

func TestDocsListEveryField(t *testing.T) {
	const path = "../../docs/json.md"
	if *update {
		if err := os.WriteFile(path, []byte(report.Markdown()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(text), report.Markdown()); diff != "" {
		t.Errorf("docs/json.md is stale, `go test ./internal/report -update` writes it:\n%s", diff)
	}
}
