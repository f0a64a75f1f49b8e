package emit

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"portrange/internal/escape"
)

// Setting is a sysctl key, written with dots, and its value.
type Setting struct{ Key, Value string }

// Format names a form of output.
type Format string

// The formats.
const (
	SysctlD    Format = "sysctl.d"   // sysctl.d(5)
	Docker     Format = "docker"     // options of docker run
	Compose    Format = "compose"    // the sysctls of a service, compose-spec
	Kubernetes Format = "kubernetes" // a pod's securityContext.sysctls
	Ansible    Format = "ansible"    // tasks with ansible.posix.sysctl
)

// Formats are all formats.
func Formats() []Format { return []Format{SysctlD, Docker, Compose, Kubernetes, Ansible} }

// Write prints the settings.
func Write(w io.Writer, format Format, settings []Setting) error {
	var text string
	var err error
	settings = slices.Clone(settings)
	for i, s := range settings {
		settings[i] = Setting{escape.Line(s.Key), escape.Line(s.Value)}
	}
	switch format {
	case SysctlD:
		for _, s := range settings {
			text += fmt.Sprintf("%s = %s\n", s.Key, s.Value)
		}
	case Docker:
		// Options for a shell. Values hold digits, commas, hyphens and spaces only,
		// which double quotes keep together.
		options := make([]string, len(settings))
		for i, s := range settings {
			options[i] = fmt.Sprintf("--sysctl %s=%q", s.Key, s.Value)
		}
		text = strings.Join(options, " ") + "\n"
	case Compose:
		text, err = inYAML(compose(settings))
	case Kubernetes:
		text, err = inYAML(kubernetes(settings))
	case Ansible:
		text, err = inYAML(ansible(settings))
	default:
		err = errors.New("no such format")
	}
	if err != nil {
		return fmt.Errorf("print settings as %s: %w", format, err)
	}
	_, err = io.WriteString(w, text)
	return err
}

func inYAML(document any) (string, error) {
	var b strings.Builder
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	if err := encoder.Encode(document); err != nil {
		return "", err
	}
	return b.String(), encoder.Close()
}

// text is a YAML string in quotes, so that a list of one port stays text.
func text(value string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Style: yaml.DoubleQuotedStyle, Value: value}
}

func word(value string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value}
}

// mapping is a YAML mapping in the order given: key, value, key, value.
func mapping(pairs ...*yaml.Node) *yaml.Node {
	return &yaml.Node{Kind: yaml.MappingNode, Content: pairs}
}

func sequence(items []*yaml.Node) *yaml.Node {
	return &yaml.Node{Kind: yaml.SequenceNode, Content: items}
}

// example is the name to be replaced in what cannot do without one.
const example = "my-service"

func compose(settings []Setting) *yaml.Node {
	sysctls := mapping()
	for _, s := range settings {
		sysctls.Content = append(sysctls.Content, word(s.Key), text(s.Value))
	}
	service := mapping(word("sysctls"), sysctls)
	return mapping(word("services"), mapping(word(example), service))
}

// kubernetes prints a part of a pod, to be merged into its manifest or into the
// template of a deployment. Both settings are on the kubelet's list of safe
// ones, ip_local_reserved_ports since Kubernetes 1.27.
func kubernetes(settings []Setting) *yaml.Node {
	var list []*yaml.Node
	for _, s := range settings {
		list = append(list, mapping(word("name"), word(s.Key), word("value"), text(s.Value)))
	}
	context := mapping(word("sysctls"), sequence(list))
	return mapping(word("spec"), mapping(word("securityContext"), context))
}

func ansible(settings []Setting) *yaml.Node {
	var tasks []*yaml.Node
	for _, s := range settings {
		module := mapping(
			word("name"), word(s.Key),
			word("value"), text(s.Value),
			word("sysctl_file"), word("/etc/sysctl.d/zz-local-ports.conf"),
			word("state"), word("present"),
			word("sysctl_set"), &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: "true"},
			word("reload"), &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: "true"},
		)
		tasks = append(tasks, mapping(word("name"), word("Set "+s.Key), word("ansible.posix.sysctl"), module))
	}
	return sequence(tasks)
}
