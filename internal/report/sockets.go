package report

import (
	"bufio"
	"fmt"
	"strconv"
	"strings"
	"time"

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
		name := column[Socket]{title: "NETNS", width: 12, cell: textCell(func(s *Socket) string { return Printable(s.Name) })}
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
		{title: "PROTO", width: 5, cell: textCell(netstatProto)},
		{title: "LOCAL", width: 20, cell: textCell(onSocketDevice)},
		{title: "REMOTE", width: 20, cell: textCell(remoteText)},
		{title: "STATE", width: style.cells(state), cell: textCell(stateText)},
		{title: "TIMER", width: 18, yields: 3, cell: textCell(timerText)},
		{title: "USER", width: 8, yields: 2, cell: textCell(userText)},
		{title: "PROCESS", width: 15, yields: 1, cell: textCell(processesText)},
	}
}

// Write prints one socket.
func (t *SocketsText) Write(s *Socket) error {
	line := t.table.line(s)
	t.table.grow(t.printer.Style, line)
	t.table.write(t.printer, line)
	if _, err := t.printer.out.Write(nil); err != nil { // an earlier error sticks
		return fmt.Errorf("write the sockets: %w", err)
	}
	return nil
}

// Close does nothing: what could not be read is not part of the text.
func (t *SocketsText) Close([]host.Gap) error { return nil }

// netstatProto tells the socket's family as netstat does: tcp6 can carry IPv4.
func netstatProto(s *Socket) string {
	if s.Family == "inet6" {
		return s.Proto + "6"
	}
	return s.Proto
}

func onSocketDevice(s *Socket) string {
	if s.Device == "" {
		return s.Local
	}
	return s.Local + "%" + Printable(s.Device)
}

func remoteText(s *Socket) string {
	if s.Remote == "" {
		return "*"
	}
	return s.Remote
}

// stateText spells states as netstat does; a UDP socket without a peer has none.
func stateText(s *Socket) string {
	if s.Proto == port.UDP.String() && s.State == port.Close.String() {
		return "-"
	}
	return strings.ToUpper(s.State)
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

func userText(s *Socket) string {
	switch {
	case s.UID == nil:
		return "-"
	case s.User != "":
		return Printable(s.User)
	}
	return strconv.FormatUint(uint64(*s.UID), 10)
}

// processesText names every process that has the socket open.
func processesText(s *Socket) string {
	if len(s.Processes) == 0 {
		return "-"
	}
	names := make([]string, len(s.Processes))
	for i, process := range s.Processes {
		names[i] = fmt.Sprintf("%s (%d)", Printable(process.Command), process.PID)
	}
	return strings.Join(names, ", ")
}
