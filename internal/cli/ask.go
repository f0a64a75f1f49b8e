package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"portrange/internal/report"
)

// preview shows what is to be agreed to. In JSON it is a part of the document,
// which comes last: then it is shown only to a person who is asked.
func (a *app) preview(asks bool, text func(io.Writer, report.Style) error) error {
	_, onTerminal := terminal(a.In)
	switch {
	case !a.json:
		return text(a.Out, a.style())
	case asks && onTerminal:
		return text(a.Err, report.Style{ASCII: !a.utf8()})
	}
	return nil
}

// agree asks whether to go on. Without a terminal to ask on, it is no where
// there are warnings.
func (a *app) agree(ctx context.Context, yes, warnings bool) (bool, error) {
	_, onTerminal := terminal(a.In)
	switch {
	case yes:
		return true, nil
	case !onTerminal && warnings:
		fmt.Fprintln(a.Err, "portrange: nothing was changed: there are warnings and no terminal to ask on; "+
			"--yes goes on in spite of them")
		return false, nil
	case !onTerminal:
		return true, nil
	}
	fmt.Fprint(a.Err, "Go on? [y/N] ")
	answer, err := a.readLine(ctx)
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(a.Err, "\nportrange: nothing was changed")
		return false, err
	case err != nil && !errors.Is(err, io.EOF): // Ctrl-D is no answer, and so no
		return false, err
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return true, nil
	}
	fmt.Fprintln(a.Err, "portrange: nothing was changed")
	return false, nil
}

// readLine reads a line of standard input until ctx is done, and no further than
// its end: there may be more questions. The read itself cannot be ended; the
// process ends before it.
func (a *app) readLine(ctx context.Context) (string, error) {
	type result struct {
		line string
		err  error
	}
	read := make(chan result, 1)
	go func() {
		var line []byte
		for one := make([]byte, 1); ; line = append(line, one[0]) {
			if _, err := io.ReadFull(a.In, one); err != nil {
				read <- result{err: err}
				return
			}
			if one[0] == '\n' {
				read <- result{line: string(line)}
				return
			}
		}
	}()
	select {
	case r := <-read:
		if r.err != nil {
			return "", fmt.Errorf("read the answer: %w", r.err)
		}
		return r.line, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}
