package sockiter

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

func TestExplain(t *testing.T) {
	tests := map[string]struct {
		err     error
		want    error
		support Support
	}{
		"loaded":         {nil, nil, Supported},
		"refused":        {fmt.Errorf("load program: %w", unix.EPERM), ErrPermission, SupportUnknown},
		"rejected":       {&ebpf.VerifierError{Cause: unix.EACCES, Log: []string{"unknown func"}}, ErrRejected, SupportUnknown},
		"not supported":  {fmt.Errorf("attach: %w", ebpf.ErrNotSupported), ErrNoIterators, Unsupported},
		"no BTF":         {ErrNoBTF, ErrNoBTF, Unsupported},
		"something else": {unix.ENOMEM, unix.ENOMEM, SupportUnknown},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := explain(test.err)
			if !errors.Is(got, test.want) {
				t.Errorf("explained as %v, want %v", got, test.want)
			}
			if test.err != nil && !errors.Is(got, test.err) {
				t.Errorf("%v lost its cause %v", got, test.err)
			}
			if got := SupportOf(got); got != test.support {
				t.Errorf("support %d, want %d", got, test.support)
			}
		})
	}
}

// TestExplainIsOneLine: errors are printed at the edge, in one line.
func TestExplainIsOneLine(t *testing.T) {
	err := explain(&ebpf.VerifierError{Cause: unix.EACCES, Log: []string{"one", "two", "three"}})
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("%q", err)
	}
}
