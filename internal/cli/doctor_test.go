package cli

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"portrange/internal/report"
)

func TestDoctorEndsCleanlyBetweenTwoLooks(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	code, stdout, stderr := run(ctx, nil, "doctor", "--json", "--interval", "1h")
	if code != ExitInterrupted || stdout != "" || stderr != "" {
		t.Errorf("exit code %d, standard output %q, standard error %q; want %d and no words", code, stdout, stderr, ExitInterrupted)
	}
}

func TestDoctorDocument(t *testing.T) {
	code, stdout, stderr := run(t.Context(), nil, "doctor", "--json")
	var document report.Doctor
	if err := json.Unmarshal([]byte(stdout), &document); code != ExitOK || err != nil {
		t.Fatalf("exit code %d, %v, standard error %q", code, err, stderr)
	}
	if document.SchemaVersion != report.SchemaVersion || document.Findings == nil || document.Gaps == nil || document.Kernel == "" {
		t.Errorf("document %+v", document)
	}
}

func TestCheckInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	code, stdout, stderr := run(ctx, nil, "check")
	if code != report.PluginUnknown || stdout != "PORTRANGE UNKNOWN: interrupted\n" || stderr != "" {
		t.Errorf("exit code %d, standard output %q, standard error %q", code, stdout, stderr)
	}
}

func TestCheckAsJSONWhenItFails(t *testing.T) {
	code, stdout, _ := run(t.Context(), nil, "check", "--json", "--tuple", "10.0.0.5")
	if code != report.PluginUnknown || !strings.Contains(stdout, `"state": "UNKNOWN"`) || !strings.Contains(stdout, "has no port") {
		t.Errorf("exit code %d, standard output %s", code, stdout)
	}
}
