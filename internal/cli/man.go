package cli

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"portrange/internal/report"
)

// newMan writes the man pages; only packagers call it.
func newMan() *cobra.Command {
	return &cobra.Command{
		Use:    "man DIR",
		Short:  "Write the man pages into a directory",
		Hidden: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("man: want one directory to write into")
			}
			return writeMan(cmd.Root(), args[0])
		},
	}
}

func writeMan(root *cobra.Command, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("write man pages: %w", err)
	}
	for _, document := range report.Documents() {
		cmd, _, err := root.Find(strings.Fields(document.Command))
		if err != nil {
			return fmt.Errorf("document the JSON of %s: %w", document.Command, err)
		}
		cmd.Long += "\n\n# JSON\n\n" + manFields(&document)
	}
	root.DisableAutoGenTag = true
	header := &doc.GenManHeader{Section: "8", Source: "portrange", Manual: "System Administration"}
	if err := doc.GenManTree(root, header, dir); err != nil {
		return fmt.Errorf("write man pages into %s: %w", dir, err)
	}
	return nil
}

// manFields is the description of a JSON document in the Markdown that cobra
// turns into a man page.
func manFields(document *report.Document) string {
	var b strings.Builder
	b.WriteString(document.About + "\n\n")
	for _, field := range document.Fields {
		fmt.Fprintf(&b, "**%s**: %s\n\n", field.Path, field.Meaning)
	}
	return b.String()
}

// newJSONTopic is what `portrange help json` prints.
func newJSONTopic() *cobra.Command {
	return &cobra.Command{
		Use:   "json",
		Short: "The JSON documents and the meaning of every field",
		Long:  jsonTopic(),
	}
}

func jsonTopic() string {
	var b strings.Builder
	b.WriteString("Fields may be added; what a field means does not change within one schema_version.\n" +
		"[] stands for each element of a list, {} for each member of an object.\n")
	for _, document := range report.Documents() {
		fmt.Fprintf(&b, "\nportrange %s --json\n  %s\n", document.Command, document.About)
		for _, field := range document.Fields {
			fmt.Fprintf(&b, "  %-50s %s\n", field.Path, field.Meaning)
		}
	}
	return strings.TrimRight(b.String(), "\n")
}
