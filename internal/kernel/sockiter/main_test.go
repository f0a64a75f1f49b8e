package sockiter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"

	"portrange/internal/host"
	"portrange/internal/nettest"
	"portrange/internal/port"
)

// lookEnv makes the test binary a program that looks at all there is once and
// prints it, for tests in which another process must look.
const lookEnv = "SOCKITER_LOOK"

// lookBrief is its value for a look that needs no rows.
const lookBrief = "brief"

// view is what the program prints.
type view struct {
	Sockets []port.Socket
	Holders []host.Holder
	Errors  []string
	Refused bool
}

func TestMain(m *testing.M) {
	if os.Getenv(lookEnv) == "" {
		nettest.Main(m)
	}
	if err := json.NewEncoder(os.Stdout).Encode(look()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func look() view {
	var gaps host.Gaps
	p, err := Open(Options{Holders: true, Brief: os.Getenv(lookEnv) == lookBrief}, &gaps)
	if err != nil {
		return view{Errors: []string{err.Error()}, Refused: errors.Is(err, ErrPermission)}
	}
	defer p.Close()
	var v view
	sockets, holders := p.Sockets(context.Background(), nil), p.Holders(context.Background(), &gaps)
	v.Sockets, v.Holders = slices.Collect(sockets.All()), slices.Collect(holders.All())
	v.note(sockets.Err())
	v.note(holders.Err())
	for _, gap := range gaps.List() {
		v.note(errors.New(gap.What() + ": " + gap.Why))
	}
	return v
}

func (v *view) note(err error) {
	if err != nil {
		v.Errors = append(v.Errors, err.Error())
	}
}

// lookBriefly runs the program for a look that needs no rows.
func lookBriefly(t *testing.T, h *nettest.Host, as *syscall.SysProcAttr) view {
	t.Helper()
	return lookFrom(t, h, func(cmd *exec.Cmd) {
		cmd.Env = append(cmd.Env, lookEnv+"="+lookBrief)
		cmd.SysProcAttr = as
	})
}

// lookFrom runs the program, set up by prepare, inside a namespace. The path is
// one that a process without any rights to the file system can follow.
func lookFrom(t *testing.T, h *nettest.Host, prepare func(*exec.Cmd)) view {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), lookEnv+"=full")
	cmd.Stderr = os.Stderr
	prepare(cmd)
	var out []byte
	h.Do(func() {
		var err error
		if out, err = cmd.Output(); err != nil {
			t.Fatal(err)
		}
	})
	var v view
	if err := json.Unmarshal(out, &v); err != nil {
		t.Fatalf("%v in %q", err, out)
	}
	return v
}
