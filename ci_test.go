package portrange_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// fakeGo stands in for the go command: what it builds runs as a fuzz target whose name says
// how it ends.
const fakeGo = `#!/bin/sh
[ "$1" = env ] && exec echo /nowhere
[ "$7" = ./internal/broken ] && exit 1
cat >"$6" <<'END'
#!/bin/sh
case "$4" in
*Fails*) echo 'Failing input written to testdata/fuzz'; exit 1 ;;
*Seed*) echo '--- FAIL'; exit 1 ;;
*Late*) echo 'context deadline exceeded'; exit 1 ;;
*Hangs*) sleep 30 ;;
esac
END
chmod +x "$6"
`

// TestFuzzStepFails: what a target finds fails the step, and neither the end of its time
// nor that of all does.
func TestFuzzStepFails(t *testing.T) {
	script, err := os.ReadFile(".ci/fuzz")
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		pkg, target string
		fails       bool
		says        string
	}{
		"a finding":              {"p", "FuzzFails", true, "Failing input"},
		"a seed that fails":      {"p", "FuzzSeed", true, "--- FAIL"},
		"does not compile":       {"broken", "FuzzFine", true, ""},
		"fine":                   {"p", "FuzzFine", false, "ok internal/p FuzzFine"},
		"the fuzzer's own end":   {"p", "FuzzLate", false, "ok internal/p FuzzLate"},
		"had no time to the end": {"p", "FuzzHangs", false, "or not to the end:\ninternal/p FuzzHangs"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for path, text := range map[string]string{
				".ci/fuzz": string(script), "bin/go": fakeGo, "cmd/none": "",
				"internal/" + test.pkg + "/p_test.go": "func " + test.target + "(f *testing.F) {}\n",
			} {
				path = filepath.Join(dir, path)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			command := exec.Command(filepath.Join(dir, ".ci/fuzz"))
			command.Dir = dir
			command.Env = append(os.Environ(), "PATH="+filepath.Join(dir, "bin")+":"+os.Getenv("PATH"), "FUZZLIMIT=2s")
			out, err := command.CombinedOutput()
			if (err != nil) != test.fails || !strings.Contains(string(out), test.says) {
				t.Errorf("ended with %v, should fail: %v, should say %q:\n%s", err, test.fails, test.says, out)
			}
		})
	}
}
