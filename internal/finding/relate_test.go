package finding

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// kinds: a leak and waiting fill pools, a full pool slows and empties the local
// one, and an egg and a hen explain each other.
func kinds() map[string]*Kind {
	weight := func(f *Finding) int { return f.Values.Int("ports") }
	list := []*Kind{
		{Code: "leak", Weight: weight}, {Code: "wait", Weight: weight}, {Code: "alone"},
		{Code: "full", Causes: []string{"leak", "wait"}},
		{Code: "local", Causes: []string{"full", "wait"}},
		{Code: "heavy", Causes: []string{"leak"}, Weight: weight},
		{Code: "detail", Causes: []string{"local"}},
		{Code: "egg", Causes: []string{"hen"}}, {Code: "hen", Causes: []string{"egg"}},
		{Code: "brood", Causes: []string{"egg", "hen"}},
	}
	byCode := map[string]*Kind{}
	for _, kind := range list {
		byCode[kind.Code] = kind
	}
	return byCode
}

// made is a finding about the pool of 10.0.0.2 towards a remote, which accounts
// for some ports and has an action.
func made(code string, severity Severity, remote string, ports int) Finding {
	return Finding{
		Kind: kinds()[code], Severity: severity, NetNS: 7,
		Subject: Subject{Proto: "tcp", Local: "10.0.0.2", Remote: remote},
		Values:  Values{{"ports", ports}}, Actions: []Action{{Step: Now, Text: "see to " + code}},
	}
}

// told is findings as "severity code<cause,cause".
func told(findings []Finding) []string {
	var all []string
	for i := range findings {
		f := &findings[i]
		text := string(f.Severity) + " " + f.Code()
		if len(f.Causes) > 0 {
			text += "<" + strings.Join(f.Causes, ",")
		}
		all = append(all, text)
	}
	return all
}

// toldBlocks is blocks as their findings' codes.
func toldBlocks(related []Finding) []string {
	var all []string
	for _, block := range Blocks(related) {
		text := block.Cause.Code()
		for i := range block.Effects {
			text += " " + block.Effects[i].Code()
		}
		all = append(all, text)
	}
	return all
}

// Two destinations.
const first, second = "10.0.0.5:80", "10.0.0.6:80"

// relateTest is findings as they are found, and what they are told as then.
type relateTest struct {
	findings     []Finding
	want, blocks []string
}

// about is a finding about something else than a pool of namespace 7.
func about(f Finding, netns uint64, subject Subject) Finding {
	f.NetNS, f.Subject = netns, subject
	return f
}

// ofAllTCP is a leak in all pools.
func ofAllTCP() Finding { return about(made("leak", Info, "", 90), 7, Subject{Proto: "tcp"}) }

func orders() map[string]relateTest {
	return map[string]relateTest{
		"nothing": {nil, nil, nil},
		"the worst is first": {
			[]Finding{made("alone", Info, first, 0), made("full", Critical, second, 0), made("alone", Warning, second, 0)},
			[]string{"critical full", "warning alone", "info alone"}, []string{"full", "alone", "alone"}},
		"a cause is as severe as its effect, and before it": {
			[]Finding{made("alone", Warning, first, 0), made("full", Critical, first, 0), made("wait", Info, first, 60)},
			[]string{"critical wait", "critical full<wait", "warning alone"}, []string{"wait full", "alone"}},
		"a cause keeps a severity above that of its effect": {
			[]Finding{made("full", Info, first, 0), made("wait", Warning, first, 60)}, []string{"warning wait", "info full<wait"}, []string{"wait full"}},
	}
}

func reaches() map[string]relateTest {
	leak := made("leak", Info, first, 90)
	elsewhere, machine := about(leak, 8, leak.Subject), about(leak, 7, Subject{Key: "some.setting"})
	setting, wide := about(made("full", Warning, "", 0), 7, Subject{Key: "some.setting"}), ofAllTCP()
	return map[string]relateTest{
		"another destination explains nothing": {
			[]Finding{made("full", Critical, first, 0), made("wait", Info, second, 60)}, []string{"critical full", "info wait"}, []string{"full", "wait"}},
		"another namespace explains nothing": {
			[]Finding{made("full", Critical, first, 0), elsewhere}, []string{"critical full", "info leak"}, []string{"full", "leak"}},
		"what is of no weight explains nothing": {
			[]Finding{made("full", Critical, first, 0), made("wait", Info, first, 0)}, []string{"critical full", "info wait"}, []string{"full", "wait"}},
		"all of TCP explains each destination": {
			[]Finding{made("full", Warning, second, 0), made("full", Critical, first, 0), wide},
			[]string{"critical leak", "critical full<leak", "warning full<leak"}, []string{"leak full full"}},
		"what concerns the whole namespace explains each pool": {
			[]Finding{made("full", Critical, first, 0), machine}, []string{"critical leak", "critical full<leak"}, []string{"leak full"}},
		"a pool explains nothing about the whole namespace": {
			[]Finding{setting, made("leak", Info, first, 90)}, []string{"warning full", "info leak"}, []string{"full", "leak"}},
	}
}

func chains() map[string]relateTest {
	wide := ofAllTCP()
	return map[string]relateTest{
		"a chain, of which the last is the most severe": {
			[]Finding{made("detail", Critical, "", 0), made("local", Info, "", 0), made("full", Warning, first, 0), made("wait", Info, first, 60)},
			[]string{"critical wait", "critical local<wait", "critical detail<local", "warning full<wait"}, []string{"wait local detail full"}},
		"a chain without the cause at its end": {
			[]Finding{made("local", Critical, "", 0), made("full", Warning, first, 0)}, []string{"critical full", "critical local<full"}, []string{"full local"}},
		"the weightier cause comes first, and the other with it": {
			[]Finding{made("full", Critical, first, 0), made("leak", Info, first, 20), made("wait", Info, first, 60)},
			[]string{"critical wait", "critical full<wait,leak", "info leak"}, []string{"wait full leak"}},
		"causes of one weight are in the order of the kind": {
			[]Finding{made("full", Critical, first, 0), made("wait", Info, first, 50), made("leak", Info, first, 50)},
			[]string{"critical leak", "critical full<leak,wait", "info wait"}, []string{"leak full wait"}},
		"another cause that is worse stands for itself": {
			[]Finding{made("full", Warning, first, 0), made("leak", Critical, first, 20), made("wait", Info, first, 60)},
			[]string{"critical leak", "warning wait", "warning full<wait,leak"}, []string{"leak", "wait full"}},
		"the first cause of one is another cause of the next": {
			[]Finding{made("full", Critical, first, 0), made("wait", Info, first, 60), wide, made("full", Warning, second, 0)},
			[]string{"critical leak", "critical full<leak,wait", "warning full<leak", "info wait"}, []string{"leak full full wait"}},
		"a cause of half of what is lost": {
			[]Finding{made("heavy", Critical, first, 80), made("leak", Info, first, 40)}, []string{"critical leak", "critical heavy<leak"}, []string{"leak heavy"}},
		"no cause of more than half": {
			[]Finding{made("heavy", Critical, first, 81), made("leak", Info, first, 40)}, []string{"critical heavy", "info leak"}, []string{"heavy", "leak"}},
		"two explain each other": {
			[]Finding{made("hen", Info, first, 0), made("egg", Warning, first, 0), made("brood", Critical, first, 0), made("alone", Warning, first, 0)},
			[]string{"critical hen<egg", "critical egg<hen", "critical brood<egg,hen", "warning alone"}, []string{"hen egg brood", "alone"}},
	}
}

func TestRelate(t *testing.T) {
	tests := orders()
	maps.Copy(tests, reaches())
	maps.Copy(tests, chains())
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			before := slices.Clone(tt.findings)
			related := Relate(tt.findings)
			if diff := cmp.Diff(tt.want, told(related)); diff != "" {
				t.Errorf("findings (-want +got): %s", diff)
			}
			if diff := cmp.Diff(tt.blocks, toldBlocks(related)); diff != "" {
				t.Errorf("blocks (-want +got): %s", diff)
			}
			if diff := cmp.Diff(told(before), told(tt.findings)); diff != "" {
				t.Errorf("its argument has changed: %s", diff)
			}
			if diff := cmp.Diff(told(related), told(Relate(related))); diff != "" {
				t.Errorf("related once more: %s", diff)
			}
		})
	}
}

func TestAnExplainedFindingHasNoAdviceOfItsOwn(t *testing.T) {
	const remote = "10.0.0.5:80"
	related := Relate([]Finding{made("full", Critical, remote, 0), made("leak", Info, remote, 20), made("wait", Info, remote, 60), made("alone", Info, "", 0)})
	for i := range related {
		if f := &related[i]; (len(f.Actions) == 0) != (len(f.Causes) > 0) {
			t.Errorf("%s has the causes %v and the actions %v", f.Code(), f.Causes, f.Actions)
		}
	}
	blocks := Blocks(related)
	if len(blocks) != 2 || len(blocks[1].Effects) != 0 || len(blocks[1].Cause.Actions) != 1 {
		t.Errorf("blocks %+v, want one that stands alone with its action", blocks)
	}
}
