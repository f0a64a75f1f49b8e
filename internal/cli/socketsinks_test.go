package cli

import (
	"bufio"
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"portrange/internal/collect"
	"portrange/internal/host"
	"portrange/internal/port"
	"portrange/internal/report"
)

// printed keeps what a sink prints.
type printed struct {
	locals []string
	more   bool
}

func (p *printed) Write(s *report.Socket) error {
	p.locals = append(p.locals, s.Local)
	return nil
}

func (p *printed) Close(_ []host.Gap, more bool) error {
	p.more = more
	return nil
}

// feed gives rows to a sink as a walk does, all in one variable.
func feed(t *testing.T, to sink, rows ...*collect.Row) {
	t.Helper()
	var one collect.Row
	for i := range rows {
		one = *rows[i]
		more, err := to.take(&one)
		if err != nil {
			t.Fatal(err)
		}
		if !more {
			break
		}
	}
	if err := to.end([]host.Gap{}); err != nil {
		t.Fatal(err)
	}
}

func TestListerStopsAtItsLimit(t *testing.T) {
	rows := []*collect.Row{row(port.Listen, "10.0.0.1:1", ""), row(port.Listen, "10.0.0.1:2", ""), row(port.Listen, "10.0.0.1:3", "")}
	for limit, want := range map[int]printed{
		0: {[]string{"10.0.0.1:1", "10.0.0.1:2", "10.0.0.1:3"}, false},
		2: {[]string{"10.0.0.1:1", "10.0.0.1:2"}, true},
		3: {[]string{"10.0.0.1:1", "10.0.0.1:2", "10.0.0.1:3"}, false},
	} {
		var got printed
		feed(t, &lister{printer: &got, limit: limit}, rows...)
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("--limit %d: %v, want %v", limit, got, want)
		}
	}
}

func TestOrders(t *testing.T) {
	first := row(port.Established, "10.0.0.2:40001", "10.0.0.9:80")
	first.Socket.UID, first.Processes = 33, []host.Process{{PID: 9, Command: "b"}}
	second := row(port.TimeWait, "10.0.0.2:40002", "10.0.0.10:80")
	second.Socket.Mini, second.Processes = true, nil
	second.Socket.Timer = port.Timer{Kind: port.TimerTimeWait, Expires: 3 * time.Second}
	third := row(port.SynSent, "10.0.0.2:9999", "10.0.0.9:443")
	third.Processes = []host.Process{{PID: 10, Command: "a"}}
	third.Socket.Timer = port.Timer{Kind: port.TimerRetransmit, Expires: time.Second}
	fourth := row(port.Listen, "9.0.0.2:22", "")
	fourth.Processes = []host.Process{{PID: 8, Command: "b"}}
	for by, want := range map[string]string{
		byLocal: "22 9999 40001 40002", byRemote: "40001 9999 40002 22", byState: "40001 9999 40002 22",
		byProcess: "9999 22 40001 40002", byUser: "22 9999 40001 40002", byTimer: "9999 40002 22 40001",
	} {
		var got printed
		feed(t, &sorter{lister: &lister{printer: &got}, compare: orders[by]}, first, second, third, fourth)
		for i, local := range got.locals {
			got.locals[i] = local[strings.LastIndexByte(local, ':')+1:]
		}
		if ports := strings.Join(got.locals, " "); ports != want {
			t.Errorf("--sort %s: %s, want %s", by, ports, want)
		}
	}
}

// TestSorterKeepsTheFirst gives it more than it keeps, the best ones last.
func TestSorterKeepsTheFirst(t *testing.T) {
	var rows []*collect.Row
	for p := 5000; p > 0; p-- {
		rows = append(rows, row(port.Listen, fmt.Sprintf("10.0.0.1:%d", p), ""))
	}
	var got printed
	s := &sorter{lister: &lister{printer: &got, limit: 3}, compare: orders[byLocal]}
	feed(t, s, rows...)
	if want := (printed{[]string{"10.0.0.1:1", "10.0.0.1:2", "10.0.0.1:3"}, true}); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", got, want)
	}
	if len(s.kept) >= fewest {
		t.Errorf("kept %d sockets for 3", len(s.kept))
	}
}

func TestGroups(t *testing.T) {
	shared := row(port.Established, "10.0.0.2:40001", "10.0.0.9:80") // open in two processes of haproxy
	other := row(port.Listen, "0.0.0.0:22", "")
	other.Processes = []host.Process{{PID: 7, Command: "sshd"}, {PID: 812, Command: "haproxy"}}
	waiting := row(port.TimeWait, "10.0.0.2:40002", "10.0.0.9:80")
	waiting.Processes, waiting.Socket.Mini = nil, true
	request := row(port.NewSynRecv, "10.0.0.2:22", "10.0.0.7:9")
	orphan := row(port.FinWait1, "10.0.0.2:40003", "10.0.0.9:80")
	hidden := row(port.Established, "10.0.0.2:40004", "10.0.0.9:81")
	hidden.Socket.Inode, request.Processes, orphan.Processes, hidden.Processes = 5, nil, nil, nil
	for by, want := range map[string]string{
		byProcess: "haproxy 2/2, sshd 1/1, accept 1/0, file 1/0, reading 1/0, time_wait 1/0",
		byRemote:  "10.0.0.9:80 3/0, 10.0.0.7:9 1/0, 10.0.0.9:81 1/0, peer 1/0",
		byState:   "established 2/0, fin_wait1 1/0, listen 1/0, new_syn_recv 1/0, time_wait 1/0",
	} {
		var out bytes.Buffer
		g := newGrouper(&socketsCommand{app: &app{}, groupBy: by}, bufio.NewWriter(&out))
		for _, r := range []*collect.Row{shared, other, waiting, request, orphan, hidden} {
			if more, err := g.take(r); err != nil || !more {
				t.Fatal(more, err)
			}
		}
		document := g.document(nil)
		var got []string
		for _, group := range document.Groups {
			got = append(got, fmt.Sprintf("%s%s %d/%d", group.Name, group.Without, group.Sockets, group.Processes))
		}
		if text := strings.Join(got, ", "); text != want || document.Sockets != 6 {
			t.Errorf("--group-by %s: %d sockets: %s\nwant %s", by, document.Sockets, text, want)
		}
	}
}

func TestSettleOwners(t *testing.T) {
	for name, tt := range map[string]struct {
		command socketsCommand
		given   bool
		want    bool
		fault   string
	}{
		"a list":          {socketsCommand{owners: true}, false, true, ""},
		"count":           {socketsCommand{owners: true, count: true}, false, false, ""},
		"count, asked":    {socketsCommand{owners: true, count: true}, true, true, ""},
		"count a process": {socketsCommand{owners: true, count: true, filters: filterFlags{processes: list{"x"}}}, false, true, ""},
		"by remote":       {socketsCommand{owners: true, groupBy: byRemote}, false, false, ""},
		"by unit":         {socketsCommand{owners: true, groupBy: byUnit}, false, true, ""},
		"none by unit":    {socketsCommand{groupBy: byUnit}, true, false, "--group-by unit needs the owners"},
		"none, sorted":    {socketsCommand{sortBy: byProcess}, true, false, "--sort process needs the owners"},
	} {
		err := tt.command.settleOwners(tt.given)
		if (err != nil) != (tt.fault != "") || err != nil && !strings.Contains(err.Error(), tt.fault) || tt.command.owners != tt.want {
			t.Errorf("%s: owners %t, %v", name, tt.command.owners, err)
		}
	}
}
