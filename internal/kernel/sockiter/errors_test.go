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
		err  error
		want error
	}{
		"loaded":         {nil, nil},
		"refused":        {fmt.Errorf("load program: %w", unix.EPERM), ErrPermission},
		"rejected":       {&ebpf.VerifierError{Cause: unix.EACCES, Log: []string{"unknown func"}}, ErrRejected},
		"not supported":  {fmt.Errorf("attach: %w", ebpf.ErrNotSupported), ErrNoIterators},
		"no BTF":         {ErrNoBTF, ErrNoBTF},
		"something else": {unix.ENOMEM, unix.ENOMEM},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := explain(test.err)
			if !errors.Is(got, test.want) {
				t.Errorf("explained as %v, want %v", got, test.want)
			}
			known := errors.Is(got, ErrPermission) && len(missingCapabilities()) > 0 // named instead of the cause
			if test.err != nil && !known && !errors.Is(got, test.err) {
				t.Errorf("%v lost its cause %v", got, test.err)
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
