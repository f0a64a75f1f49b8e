package rules

import (
	"fmt"

	"portrange/internal/finding"
	"portrange/internal/port"
	"portrange/internal/words"
)

// refusedAtBoot: a line of a file comes to nothing, as the kernel refuses its value.
var refusedAtBoot = &Rule{
	Kind: finding.Kind{
		Code: "refused-at-boot", Title: "The kernel refuses a value in a file",
		Evidence: func(f *finding.Finding) string {
			v := f.Values
			return fmt.Sprintf("%s sets it to %s, which comes to nothing: %s", lineText(f), words.List(v.Text("value")), v.Text("why"))
		},
	},
	Namespace: func(p *Place) {
		if p.Boot == nil || p.NS.ID != p.Booted {
			return
		}
		for i := range p.Boot.Settings {
			s := &p.Boot.Settings[i]
			for _, loser := range s.Loses {
				if !loser.Refused {
					continue
				}
				p.add(finding.Warning, finding.OfSetting(s.Key, ""), finding.Values{
					{Name: "file", V: loser.File}, {Name: "line", V: loser.Line.Line}, {Name: "value", V: loser.Value}, {Name: "why", V: loser.Why},
				}, finding.Action{Step: finding.Today, Text: "somebody meant it: correct the line" + formOf(s.Key)})
			}
		}
	},
}

// formOf says what the kernel takes.
func formOf(key string) string {
	switch key {
	case port.KeyRange:
		return ", two numbers with a space between them and no quotes, as 15000 64001"
	case port.KeyReserved:
		return ", ports and ranges with commas between them and no spaces, as 8080,9148-9150"
	}
	return ""
}
