package report

import (
	"bufio"
	"fmt"
	"strconv"
	"strings"
	"time"

	"portrange/internal/host"
	"portrange/internal/port"
)

// SocketsText prints the rows of `portrange sockets` while they come. A column
// grows with the widest cell so far, as nothing is held back to measure it.
type SocketsText struct {
	out        *bufio.Writer
	style      Style
	namespaces bool
	widths     []int
}

// NewSocketsText prints to w; with namespaces every row names its network namespace.
// Columns for which the terminal has no room are left out.
func NewSocketsText(w *bufio.Writer, namespaces bool, style Style) *SocketsText {
	p := &SocketsText{out: w, style: style, namespaces: namespaces}
	columns := []column{{title: "PROTO"}, {title: "LOCAL"}, {title: "REMOTE"}, {title: "STATE"},
		{title: "TIMER", yields: 3}, {title: "USER", yields: 2}, {title: "PROCESS", yields: 1}}
	state := cells("BOUND_INACTIVE")
	if style.Width > 0 { // room is dear, and that state is rare
		state = cells("ESTABLISHED")
	}
	p.widths = []int{5, 20, 20, state, 18, 8, 15}
	if namespaces {
		columns = append([]column{{title: "NETNS"}}, columns...)
		p.widths = append([]int{12}, p.widths...)
	}
	t := table{columns: columns}
	t.fit(p.widths, style.Width)
	titles := make([]string, len(columns))
	for i, c := range columns {
		titles[i] = c.title
	}
	p.row(titles, bold)
	return p
}

// Write prints one socket.
func (p *SocketsText) Write(s *Socket) error {
	row := []string{netstatProto(s), onSocketDevice(s), remoteText(s), stateText(s), timerText(s.Timer), userText(s), processesText(s.Processes)}
	if p.namespaces {
		row = append([]string{Printable(s.Name)}, row...)
	}
	return p.row(row, plain)
}

// Close does nothing: what could not be read is not part of the text.
func (p *SocketsText) Close([]host.Gap) error { return nil }

func (p *SocketsText) row(row []string, in ink) error {
	gap := 0 // spaces that only a further cell makes worth writing
	for i, text := range row {
		if p.widths[i] == 0 {
			continue
		}
		p.widths[i] = max(p.widths[i], cells(text))
		p.out.WriteString(strings.Repeat(" ", gap))
		p.out.WriteString(p.style.paint(in, text))
		gap = p.widths[i] - cells(text) + columnGap
	}
	if err := p.out.WriteByte('\n'); err != nil { // an earlier error sticks
		return fmt.Errorf("write the sockets: %w", err)
	}
	return nil
}

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

func timerText(t *Timer) string {
	if t == nil {
		return "-"
	}
	text := fmt.Sprintf("%s %s", t.Kind, seconds(t.ExpiresMS))
	if t.Retries > 0 {
		text += " retry " + strconv.Itoa(int(t.Retries))
	}
	return text
}

func seconds(ms int64) string {
	left := time.Duration(ms) * time.Millisecond
	if left >= time.Minute {
		return left.Round(time.Second).String()
	}
	return strconv.FormatFloat(left.Seconds(), 'f', 1, 64) + "s"
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
func processesText(processes []host.Process) string {
	if len(processes) == 0 {
		return "-"
	}
	names := make([]string, len(processes))
	for i, process := range processes {
		names[i] = fmt.Sprintf("%s (%d)", Printable(process.Command), process.PID)
	}
	return strings.Join(names, ", ")
}
