// Command manpages writes the man pages of portrange into a directory.
//
// It knows the form of a man page, and takes what is in it from the command tree
// and from the documentation of the JSON fields. It is a program apart because
// what turns text into man pages has no place in what runs on a server.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"portrange/internal/cli"
	"portrange/internal/report"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "manpages:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return errors.New("want one directory to write into")
	}
	dir := args[0]
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("write man pages: %w", err)
	}
	root := cli.NewCommand(cli.Streams{
		In: strings.NewReader(""), Out: io.Discard, Err: io.Discard,
		Getenv: func(string) string { return "" }, // no variables: pages are the same everywhere
	})
	if err := describeJSON(root, report.Documents()); err != nil {
		return err
	}
	root.DisableAutoGenTag = true
	header := &doc.GenManHeader{Section: "8", Source: "portrange", Manual: "System Administration"}
	if err := doc.GenManTree(root, header, dir); err != nil {
		return fmt.Errorf("write man pages into %s: %w", dir, err)
	}
	return nil
}

// describeJSON adds to each command's text the fields of its document, in the
// Markdown that cobra turns into a man page.
func describeJSON(root *cobra.Command, documents []report.Document) error {
	for _, document := range documents {
		cmd, _, err := root.Find(strings.Fields(document.Command)) // may end in flags
		if err == nil && cmd == root {
			err = errors.New("no such command")
		}
		if err != nil {
			return fmt.Errorf("document the JSON of %s: %w", document.Command, err)
		}
		cmd.Long += "\n\n# JSON\n\n" + document.About + "\n\n"
		for _, field := range document.Fields {
			cmd.Long += fmt.Sprintf("**%s**: %s\n\n", field.Path, field.Meaning)
		}
	}
	return nil
}
