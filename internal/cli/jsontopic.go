package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"portrange/internal/report"
)

// newJSONTopic is what `portrange help json` prints.
func newJSONTopic() *cobra.Command {
	var b strings.Builder
	b.WriteString("Fields may be added; what a field means does not change within one schema_version.\n" +
		"[] stands for each element of a list, {} for each member of an object.\n")
	for _, document := range report.Documents() {
		fmt.Fprintf(&b, "\nportrange %s --json\n  %s\n", document.Command, document.About)
		for _, field := range document.Fields {
			fmt.Fprintf(&b, "  %-50s %s\n", field.Path, field.Meaning)
		}
	}
	return &cobra.Command{
		Use:   "json",
		Short: "The JSON documents and the meaning of every field",
		Long:  strings.TrimRight(b.String(), "\n"),
	}
}
