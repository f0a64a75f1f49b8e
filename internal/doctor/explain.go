package doctor

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// pages holds one page for each code.
//
//go:embed pages/*.md
var pages embed.FS

// Explain returns the page on a code, in Markdown that reads well as it is. The
// error of an unknown code names the nearest ones, or else all.
func Explain(code string) (string, error) {
	page, err := pages.ReadFile("pages/" + code + ".md")
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) {
		return "", unknownCode(code)
	}
	if err != nil {
		return "", fmt.Errorf("explain %s: %w", code, err)
	}
	return string(page), nil
}

func unknownCode(code string) error {
	near := slices.DeleteFunc(Codes(), func(known string) bool { return code == "" || !strings.Contains(known, code) })
	if len(near) == 0 {
		near = Codes()
	}
	return fmt.Errorf("no finding has the code %q; there are %s", code, strings.Join(near, ", "))
}
