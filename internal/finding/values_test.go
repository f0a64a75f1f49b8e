package finding

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestValuesSurviveJSON: what was printed reads back in its order.
func TestValuesSurviveJSON(t *testing.T) {
	values := Values{
		{Name: "used", V: 28232}, {Name: "share", V: 0.995}, {Name: "taken", V: uint64(7)}, {Name: "command", V: "a<b>\x1b"}, {Name: "kept", V: 1500 * time.Millisecond},
		{Name: "on", V: true}, {Name: "none", V: nil}, {Name: "ports", V: []int{1, 2}}, {Name: "states", V: map[string]int{"listen": 3}},
	}
	text, err := json.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"used":28232,"share":0.995,"taken":7,"command":"a\u003cb\u003e\u001b","kept":1.5,"on":true,"none":null,"ports":[1,2],"states":{"listen":3}}`
	if string(text) != want {
		t.Errorf("printed %s, want %s", text, want)
	}
	var read Values
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	back := Values{
		{Name: "used", V: 28232}, {Name: "share", V: 0.995}, {Name: "taken", V: 7}, {Name: "command", V: "a<b>\x1b"}, {Name: "kept", V: 1.5},
		{Name: "on", V: true}, {Name: "none", V: nil}, {Name: "ports", V: []any{1, 2}}, {Name: "states", V: map[string]any{"listen": 3}},
	}
	if diff := cmp.Diff(back, read); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
	if read.Int("used") != 28232 || read.Float("share") != 0.995 || read.Text("command") != "a<b>\x1b" {
		t.Errorf("values by name: %v", read)
	}
}

func TestValuesOfOtherJSONAreRefused(t *testing.T) {
	for _, text := range []string{`[1]`, `"x"`, `1`} {
		var read Values
		if err := json.Unmarshal([]byte(text), &read); err == nil {
			t.Errorf("%s was read as %v", text, read)
		}
	}
}
