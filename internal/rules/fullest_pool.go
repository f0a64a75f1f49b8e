package rules

import (
	"fmt"

	"portrange/internal/finding"
	"portrange/internal/judge"
	"portrange/internal/words"
)

// slowest is the fullest pool where connect() is slow in it, else nil.
func (p *Place) slowest() *judge.Pool {
	if worst := p.fullest(); worst != nil && worst.Taken() >= judge.SlowRatio {
		return worst
	}
	return nil
}

// ofKernel is the subject of what the running kernel does.
func (p *Place) ofKernel() finding.Subject { return finding.Of("Linux " + p.Now.Kernel) }

// fullestValues are the numbers of the fullest pool, for findings that are not about it alone.
func fullestValues(pool *judge.Pool) finding.Values {
	return finding.Values{
		{Name: "local", V: pool.Source()}, {Name: "remote", V: pool.Remote},
		{Name: "size", V: pool.Size}, {Name: "left", V: pool.Left},
	}
}

// fullestText words what [fullestValues] holds.
func fullestText(f *finding.Finding) string {
	v := f.Values
	return fmt.Sprintf("the fullest pool, from %s to %s, has %s of %s left",
		v.Text("local"), v.Text("remote"), words.Thousands(v.Int("left")), words.Thousands(v.Int("size")))
}
