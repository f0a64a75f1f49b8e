package finding

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"portrange/internal/host"
	"portrange/internal/port"
)

func TestSeverities(t *testing.T) {
	for _, tt := range []struct {
		s, floor Severity
		reaches  bool
	}{
		{Critical, Critical, true}, {Critical, Warning, true}, {Warning, Critical, false}, {Warning, Warning, true},
		{Info, Warning, false}, {Info, Info, true}, {"", Info, false}, {"odd", Info, false},
	} {
		if tt.s.Reaches(tt.floor) != tt.reaches {
			t.Errorf("%q reaches %q: %v", tt.s, tt.floor, !tt.reaches)
		}
	}
	found := []Severity{Info, "", Critical, Warning}
	slices.SortFunc(found, CompareSeverity)
	if !slices.Equal(found, []Severity{Critical, Warning, Info, ""}) {
		t.Errorf("order %q", found)
	}
}

func TestSortKeepsTheOrderOfEquals(t *testing.T) {
	found := []Finding{made("alone", Info, "", 0), made("egg", Critical, "", 0), made("hen", Warning, "", 0), made("full", Critical, "", 0)}
	Sort(found)
	if got := told(found); !slices.Equal(got, []string{"critical egg", "critical full", "warning hen", "info alone"}) {
		t.Errorf("order %q", got)
	}
}

func TestSubjects(t *testing.T) {
	for name, tt := range map[string]struct {
		subject Subject
		want    string
	}{
		"a pool":    {OfPool(port.TCP, "10.0.0.2%eth0", "[::1]:80"), `{"proto":"tcp","local":"10.0.0.2%eth0","remote":"[::1]:80"}`},
		"a setting": {OfSetting(port.KeyTWReuse, "2"), `{"key":"net.ipv4.tcp_tw_reuse","value":"2"}`},
		"a process": {OfProcess(host.Process{PID: 4, Command: "curl"}), `{"process":{"pid":4,"command":"curl"}}`},
		"a thing":   {Of("nftables"), `{"object":"nftables"}`},
	} {
		got, err := json.Marshal(tt.subject)
		if err != nil || string(got) != tt.want {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
}

func TestValuesKeepTheirOrderInJSON(t *testing.T) {
	values := Values{
		{"used", 28232}, {"left", 0}, {"to_wall", 1500 * time.Millisecond}, {"rate", 470.5}, {"open", uint64(7)},
		{"text", "a<b"}, {"owners", []host.Process{{PID: 4, Command: "curl"}}}, {"exact", true},
	}
	got, err := json.Marshal(struct{ Values Values }{values})
	want := `{"Values":{"used":28232,"left":0,"to_wall":1.5,"rate":470.5,"open":7,"text":"a\u003cb","owners":[{"pid":4,"command":"curl"}],"exact":true}}`
	if err != nil || string(got) != want {
		t.Errorf("%s, %v\nwant %s", got, err, want)
	}
	if got, err := json.Marshal(Values(nil)); err != nil || string(got) != "{}" {
		t.Errorf("no values: %s, %v", got, err)
	}
	if _, err := json.Marshal(Values{{"odd", make(chan int)}}); err == nil {
		t.Error("a value that no JSON can hold gave no error")
	}
}

func TestValuesByName(t *testing.T) {
	values := Values{
		{"int", 3}, {"uint", uint64(1) << 63}, {"float", 2.5}, {"text", "x"}, {"stringer", port.FinWait2}, {"span", time.Second},
	}
	if values.Int("int") != 3 || values.Int("uint") != 1<<62 || values.Int("text") != 0 || values.Int("none") != 0 {
		t.Error("whole numbers")
	}
	if values.Float("float") != 2.5 || values.Float("int") != 3 || values.Float("none") != 0 {
		t.Error("numbers")
	}
	if values.Text("text") != "x" || values.Text("stringer") != "fin_wait2" || values.Text("int") != "" {
		t.Error("texts")
	}
	if values.Duration("span") != time.Second || values.Duration("int") != 0 {
		t.Error("times")
	}
	if values.Get("none") != nil {
		t.Error("a value that is not there")
	}
}

func TestCommands(t *testing.T) {
	for name, tt := range map[string]struct {
		command Command
		want    string
	}{
		"here":                  {Portrange("", "show"), "portrange show"},
		"in a named namespace":  {Portrange("lb1", "set", "15000", "64001"), "portrange set 15000 64001 --netns lb1"},
		"of the host":           {Portrange("host", "show"), "portrange show --netns host"},
		"a hostile name":        {Portrange("a b'; rm -rf /", "show"), `portrange show --netns 'a b'\''; rm -rf /'`},
		"inside here":           {Inside("", "sysctl", "-w", "a=1"), "sysctl -w a=1"},
		"inside the host's":     {Inside("host", "sysctl", "-w", "a=1"), "nsenter --target 1 --net sysctl -w a=1"},
		"inside a path":         {Inside("/proc/4/ns/net", "true"), "nsenter --net=/proc/4/ns/net true"},
		"inside a hostile path": {Inside("/run/netns/$(x)", "true"), "nsenter --net='/run/netns/$(x)' true"},
		"inside a name":         {Inside("lb1", "true"), "ip netns exec lb1 true"},
		"inside a process's":    {Inside("812", "true"), "nsenter --target 812 --net true"},
		"a value with a space":  {Command{"sysctl", "-w", "net.ipv4.ip_local_port_range=1 2"}, "sysctl -w net.ipv4.ip_local_port_range='1 2'"},
		"a hostile key":         {Command{"x", "a b=c"}, "x 'a b=c'"},
		"an empty word":         {Command{"x", ""}, "x ''"},
		"a new line":            {Command{"x", "a\nb"}, "x 'a\nb'"},
		"an expansion":          {Command{"x", "`id`", "$HOME", "*", "~", "é"}, "x '`id`' '$HOME' '*' '~' 'é'"},
		"an IPv6 remote":        {Command{"x", "[::1]:80"}, "x '[::1]:80'"},
		"none":                  {nil, ""},
	} {
		if got := tt.command.String(); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

func TestACommandLeavesItsWordsAlone(t *testing.T) {
	words := make([]string, 1, 4)
	words[0] = "show"
	first := Portrange("a", words...)
	second := Portrange("b", words...)
	if first.String() != "portrange show --netns a" || second.String() != "portrange show --netns b" {
		t.Errorf("%s and %s", first, second)
	}
}
