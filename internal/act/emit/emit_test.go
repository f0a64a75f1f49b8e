package emit

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"portrange/internal/boot"
	"portrange/internal/port"
)

// samples hold what tempts a parser to read something other than text.
var samples = map[string][]Setting{
	"range":              {{port.KeyRange, "15000 64001"}},
	"one reserved port":  {{port.KeyReserved, "8080"}, {port.KeyRange, "15000 64001"}},
	"reserved list":      {{port.KeyReserved, "8080,9148-9150"}, {port.KeyRange, "1024 65535"}},
	"two reserved ports": {{port.KeyReserved, "1,20"}},
}

func each(t *testing.T, format Format, check func(t *testing.T, text string, want []Setting)) {
	for name, settings := range samples {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			if err := Write(&b, format, settings); err != nil {
				t.Fatal(err)
			}
			check(t, b.String(), settings)
		})
	}
}

func same(t *testing.T, text string, want, got []Setting) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s\n%s", text, diff)
	}
}

// strict decodes YAML and refuses fields that the type does not have.
func strict(t *testing.T, text string, into any) {
	t.Helper()
	decoder := yaml.NewDecoder(strings.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(into); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
}

// TestSysctlD has the text read by the forecast that is held against
// systemd-sysctl and sysctl, and by sysctl itself, which here only parses.
func TestSysctlD(t *testing.T) {
	each(t, SysctlD, func(t *testing.T, text string, want []Setting) {
		root := t.TempDir()
		dir := filepath.Join(root, "etc/sysctl.d")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "99-test.conf"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		var keys []string
		for _, s := range want {
			keys = append(keys, s.Key)
		}
		tree, err := boot.Read(root, keys)
		if err != nil {
			t.Fatal(err)
		}
		for i, s := range tree.Report(nil).Settings {
			for program, decision := range map[string]*boot.Decision{"systemd": s.Systemd, "procps": s.Procps} {
				if decision == nil || decision.Value != want[i].Value {
					t.Errorf("%s would set %s to %+v, want %q", program, s.Key, decision, want[i].Value)
				}
			}
		}
	})
}

// TestDocker parses the options as a shell and then docker run do.
func TestDocker(t *testing.T) {
	each(t, Docker, func(t *testing.T, text string, want []Setting) {
		out, err := exec.CommandContext(t.Context(), "sh", "-c", `printf '%s\n' `+text).Output()
		if err != nil {
			t.Fatal(err)
		}
		flags := pflag.NewFlagSet("docker run", pflag.ContinueOnError)
		values := flags.StringArray("sysctl", nil, "")
		if err := flags.Parse(strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")); err != nil || flags.NArg() > 0 {
			t.Fatalf("%v, words left %q in %q", err, flags.Args(), text)
		}
		var got []Setting
		for _, value := range *values {
			key, value, _ := strings.Cut(value, "=")
			got = append(got, Setting{key, value})
		}
		same(t, text, want, got)
	})
}

func TestCompose(t *testing.T) {
	each(t, Compose, func(t *testing.T, text string, want []Setting) {
		// services.*.sysctls of the compose specification: a map of scalars.
		var document struct {
			Services map[string]struct {
				Sysctls yaml.Node `yaml:"sysctls"`
			} `yaml:"services"`
		}
		strict(t, text, &document)
		for _, service := range document.Services {
			same(t, text, want, pairs(t, &service.Sysctls))
		}
		if len(document.Services) != 1 {
			t.Errorf("%d services", len(document.Services))
		}
	})
}

// pairs reads a mapping of text to text in its order.
func pairs(t *testing.T, node *yaml.Node) []Setting {
	t.Helper()
	var list []Setting
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		if key.ShortTag() != "!!str" || value.ShortTag() != "!!str" {
			t.Errorf("%s: %s is %s, want text", key.Value, value.Value, value.ShortTag())
		}
		list = append(list, Setting{key.Value, value.Value})
	}
	return list
}

// sysctlName is SysctlContainSlashFmt of Kubernetes (pkg/apis/core/validation).
var sysctlName = regexp.MustCompile(`^([a-z0-9][-_a-z0-9]*[./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$`)

func TestKubernetes(t *testing.T) {
	each(t, Kubernetes, func(t *testing.T, text string, want []Setting) {
		// PodSpec.securityContext (core/v1 PodSecurityContext): name and value
		// are strings, and an integer there is refused.
		var pod struct {
			Spec struct {
				SecurityContext struct {
					Sysctls []struct{ Name, Value yaml.Node }
				} `yaml:"securityContext"`
			}
		}
		strict(t, text, &pod)
		var got []Setting
		for _, s := range pod.Spec.SecurityContext.Sysctls {
			if s.Value.ShortTag() != "!!str" || !sysctlName.MatchString(s.Name.Value) {
				t.Errorf("name %q, value %q of type %s", s.Name.Value, s.Value.Value, s.Value.ShortTag())
			}
			got = append(got, Setting{s.Name.Value, s.Value.Value})
		}
		same(t, text, want, got)
	})
}

func TestAnsible(t *testing.T) {
	each(t, Ansible, func(t *testing.T, text string, want []Setting) {
		// The options of ansible.posix.sysctl.
		var tasks []struct {
			Name   string
			Sysctl struct {
				Name       string
				Value      string
				SysctlFile string `yaml:"sysctl_file"`
				State      string
				SysctlSet  bool `yaml:"sysctl_set"`
				Reload     bool
			} `yaml:"ansible.posix.sysctl"`
		}
		strict(t, text, &tasks)
		var got []Setting
		for _, task := range tasks {
			m := task.Sysctl
			if task.Name == "" || m.State != "present" || !m.SysctlSet || filepath.Ext(m.SysctlFile) != ".conf" {
				t.Errorf("task %+v", task)
			}
			got = append(got, Setting{m.Name, m.Value})
		}
		same(t, text, want, got)
	})
}

func TestUnknownFormat(t *testing.T) {
	var b strings.Builder
	if err := Write(&b, "toml", samples["range"]); err == nil || b.Len() > 0 {
		t.Errorf("error %v, output %q", err, &b)
	}
}
