package cli

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"portrange/internal/report"
)

// build is the document of `portrange version`.
type build struct {
	SchemaVersion int    `json:"schema_version"`
	Version       string `json:"version"`
	Revision      string `json:"revision,omitempty"`
	Time          string `json:"time,omitempty"`
	Modified      bool   `json:"modified,omitempty"`
	Go            string `json:"go"`
	Platform      string `json:"platform"`
}

func newVersion(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version and what it was built from",
		Args:  noArgs,
		RunE:  func(*cobra.Command, []string) error { return printVersion(a) },
	}
}

func printVersion(a *app) error {
	info, _ := debug.ReadBuildInfo()
	b := readBuild(info)
	return a.print(b, func(w io.Writer, _ report.Style) error {
		_, err := fmt.Fprintln(w, b)
		return err
	})
}

// versionFlag is a flag of our own: cobra's takes a template for its words, and
// text/template in a program makes the linker keep every exported method of all
// its packages, a quarter of the whole.
const versionFlag = "version"

func readBuild(info *debug.BuildInfo) build {
	b := build{
		SchemaVersion: report.SchemaVersion, Version: "unknown",
		Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
	if info == nil {
		return b
	}
	if info.Main.Version != "" {
		b.Version = info.Main.Version
	}
	for _, setting := range info.Settings {
		switch setting.Key {
		case "vcs.revision":
			b.Revision = setting.Value
		case "vcs.time":
			b.Time = setting.Value
		case "vcs.modified":
			b.Modified = setting.Value == "true"
		}
	}
	return b
}

// String is one line for people.
func (b build) String() string {
	text := "portrange " + b.Version
	if b.Revision != "" {
		text += " (" + b.Revision
		if b.Modified {
			text += ", modified"
		}
		text += ")"
	}
	return text + " " + b.Go + " " + b.Platform
}
