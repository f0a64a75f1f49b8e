package report

import (
	"bufio"
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"portrange/internal/escape"
	"portrange/internal/host"
	"portrange/internal/port"
	"portrange/internal/words"
)

// SocketsText prints the rows of `portrange sockets` while they come. A column
// grows with the widest cell so far, as nothing is held back to measure it.
type SocketsText struct {
	printer *printer
	table   table[Socket]
}

// NewSocketsText prints to w; with namespaces every row names its network namespace.
// Columns for which the terminal has no room are left out.
func NewSocketsText(w *bufio.Writer, namespaces bool, style Style) *SocketsText {
	columns := socketColumns(style)
	if namespaces {
		name := column[Socket]{title: "NETNS", width: 12, cell: textCell(func(s *Socket) string { return escape.Printable(s.Name) })}
		columns = append(table[Socket]{name}, columns...)
	}
	columns.fit(style.Width)
	p := &printer{w, style}
	columns.write(p, columns.titles())
	return &SocketsText{p, columns}
}

func socketColumns(style Style) table[Socket] {
	state := "BOUND_INACTIVE"
	if style.Width > 0 { // room is dear, and that state is rare
		state = "ESTABLISHED"
	}
	return table[Socket]{
		{title: "PROTO", width: 5, cell: textCell(func(s *Socket) string {
			if s.Family == "inet6" { // tcp6 as netstat has it, which can carry IPv4
				return s.Proto + "6"
			}
			return s.Proto
		})},
		{title: "LOCAL", width: 20, cell: textCell(func(s *Socket) string {
			if s.Device != "" {
				return s.Local + "%" + escape.Printable(s.Device)
			}
			return s.Local
		})},
		{title: "REMOTE", width: 20, cell: textCell(func(s *Socket) string { return cmp.Or(s.Remote, "*") })},
		{title: "STATE", width: style.cells(state), cell: textCell(func(s *Socket) string {
			if s.Proto == port.UDP.String() && s.State == port.Close.String() { // UDP without a peer has no state
				return "-"
			}
			return strings.ToUpper(s.State)
		})},
		{title: "TIMER", width: 18, yields: 3, cell: textCell(timerText)},
		{title: "USER", width: 8, yields: 2, cell: textCell(func(s *Socket) string {
			switch {
			case s.UID == nil:
				return "-"
			case s.User != "":
				return escape.Printable(s.User)
			}
			return strconv.FormatUint(uint64(*s.UID), 10)
		})},
		{title: "PROCESS", width: 15, yields: 1, cell: textCell(processesText)},
	}
}

// Write prints one socket.
func (t *SocketsText) Write(s *Socket) error {
	line := t.table.line(s)
	for i := range t.table {
		if c := &t.table[i]; c.width > 0 {
			c.width = max(c.width, t.printer.cells(line[i].text))
		}
	}
	t.table.write(t.printer, line)
	if _, err := t.printer.out.Write(nil); err != nil { // an earlier error sticks
		return fmt.Errorf("write the sockets: %w", err)
	}
	return nil
}

// Close ends the list; with more, --limit has left sockets out. What could not be read
// is not part of the text.
func (t *SocketsText) Close(_ []host.Gap, more bool) error {
	if more {
		t.printer.text(bold, "More sockets match (--limit 0 shows all)")
	}
	return nil
}

func timerText(s *Socket) string {
	if s.Timer == nil {
		return "-"
	}
	text := s.Timer.Kind + " " + words.Countdown(time.Duration(s.Timer.ExpiresMS)*time.Millisecond)
	if s.Timer.Retries > 0 {
		text += " retry " + strconv.Itoa(int(s.Timer.Retries))
	}
	return text
}

// processesText names every process that has the socket open.
func processesText(s *Socket) string {
	if len(s.Processes) == 0 {
		return "-"
	}
	names := make([]string, len(s.Processes))
	for i, process := range s.Processes {
		names[i] = fmt.Sprintf("%s (%d)", escape.Printable(process.Command), process.PID)
	}
	return strings.Join(names, ", ")
}
