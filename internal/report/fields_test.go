package report_test

import (
	"strings"
	"testing"

	"portrange/internal/report"
)

// TestEveryFieldIsDocumented: a field says in its tag what it means.
func TestEveryFieldIsDocumented(t *testing.T) {
	for _, document := range report.Documents() {
		seen := map[string]bool{}
		for _, field := range document.Fields {
			if field.Meaning == "" {
				t.Errorf("%s: %s has no meaning; give it a tag doc", document.Command, field.Path)
			}
			if seen[field.Path] || strings.ContainsAny(field.Path, " \t") || strings.HasSuffix(field.Path, ".") {
				t.Errorf("%s: path %q", document.Command, field.Path)
			}
			seen[field.Path] = true
		}
		if len(document.Fields) == 0 || document.Fields[0].Path != "schema_version" {
			t.Errorf("%s does not begin with schema_version", document.Command)
		}
	}
}

// TestFieldsOfEveryShape holds the walk against one field of each shape.
func TestFieldsOfEveryShape(t *testing.T) {
	documented := map[string]map[string]string{}
	for _, document := range report.Documents() {
		documented[document.Command] = map[string]string{}
		for _, field := range document.Fields {
			documented[document.Command][field.Path] = field.Meaning
		}
	}
	for _, tt := range []struct{ command, path, meaning string }{
		{"show", "namespaces[].range.low", "lowest port of ip_local_port_range"}, // an object of its own
		{"show", "namespaces[].pools[].states{}", "used by state"},               // a map
		{"show", "namespaces[].findings[].values{}", "the numbers behind it by name"},
		{"show", "namespaces[].findings[].subject.process.pid", "process id"}, // behind a pointer, embedded in none
		{"show", "namespaces[].findings[].actions[].predicted.share", "share of the pool then in use"},
		{"left", "used_ratio", "used / size"}, // embedded
		{"sockets", "sockets[].timer", "the pending timer; absent for none"},
		{"doctor", "taken_at", "when the check-up ended (RFC 3339, UTC)"}, // a struct that is one value
		{"set", "change", "number of the change in the journal; absent where nothing was changed"},
		{"set", "namespaces[].findings[].causes[]", "codes of the findings that explain it, which tell what to do about it"},
		{"boot", "settings[].loses[].file", "the file, as the program names it"},
		{"boot", "gaps[].netns", "inode number of the network namespace; absent for the whole host"},
	} {
		if got := documented[tt.command][tt.path]; got != tt.meaning {
			t.Errorf("%s: %s means %q, want %q", tt.command, tt.path, got, tt.meaning)
		}
	}
	for command, path := range map[string]string{
		"show":             "namespaces[].range", // nothing is said of it
		"plan":             "Ports",              // not printed
		"plan --from-live": "tuples[].plan.mean", // described elsewhere
	} {
		if meaning, known := documented[command][path]; known {
			t.Errorf("%s: %s is there and means %q", command, path, meaning)
		}
	}
}
