package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"portrange/internal/nettest"
)

// contestant is a command and the best of its rounds.
type contestant struct {
	name string
	args []string
	once bool
	// walks tells a command that prints for itself how long it took.
	walks bool

	wall, cpu time.Duration
	peak      int64 // KiB
}

// measure runs the command inside the namespace with its output thrown away.
func (c *contestant) measure(ctx context.Context, n *nettest.Namespace) error {
	var out bytes.Buffer
	var stdout io.Writer
	if c.walks {
		stdout = &out
	}
	usage, wall, err := runIn(ctx, n, c.args, stdout)
	if err != nil {
		return err
	}
	if c.walks {
		if _, err := fmt.Fscan(&out, (*int64)(&wall)); err != nil {
			return fmt.Errorf("read the time of %s: %w", c.name, err)
		}
	}
	if c.wall == 0 || wall < c.wall {
		c.wall = wall
		c.cpu = time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	}
	c.peak = max(c.peak, int64(usage.Maxrss)) // 32 bits on some processors
	return nil
}

// runIn starts a command from a thread inside the namespace; it needs no helper
// program that would be measured with it.
func runIn(ctx context.Context, n *nettest.Namespace, args []string, stdout io.Writer) (*syscall.Rusage, time.Duration, error) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	var complaints strings.Builder
	cmd.Stderr = &complaints
	cmd.Stdout = stdout
	start := time.Now()
	if err := n.Do(cmd.Start); err != nil {
		return nil, 0, fmt.Errorf("start %s: %w", args[0], err)
	}
	err := cmd.Wait()
	wall := time.Since(start)
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 1 {
		err = nil // portrange: a finding
	}
	if err != nil {
		return nil, 0, fmt.Errorf("run %s: %w: %s", strings.Join(args, " "), err, complaints.String())
	}
	return cmd.ProcessState.SysUsage().(*syscall.Rusage), wall, nil
}

func describeMachine() error {
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return fmt.Errorf("read kernel release: %w", err)
	}
	model := "unknown processor"
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(info)) {
		if key, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(key) == "model name" {
			model = strings.TrimSpace(value)
			break
		}
	}
	fmt.Printf("Linux %s, %d cores, %s, %s\n", unix.ByteSliceToString(uts.Release[:]), runtime.NumCPU(), model, runtime.Version())
	return nil
}

// printTable prints Markdown. The ratios are to `ss -Htan`, and for what looks
// up owners also to `ss -Htanp`.
func printTable(size int, contestants []contestant) {
	plain, owners := find(contestants, "ss -Htan"), find(contestants, "ss -Htanp")
	fmt.Printf("\n### %d sockets\n\n| | wall s | CPU s | peak MiB | times faster than `ss -Htan` | than `ss -Htanp` |\n|---|---|---|---|---|---|\n", size)
	for i := range contestants {
		c := &contestants[i]
		fmt.Printf("| `%s` | %.3f | %.3f | %.1f | %s | %s |\n", c.name, c.wall.Seconds(), c.cpu.Seconds(),
			float64(c.peak)/1024, faster(plain, c), faster(owners, c))
	}
	if nothing, walk := &contestants[0], &contestants[1]; nothing.wall > 0 {
		fmt.Printf("\nThe walk of portrange takes %.2f times as long as the iterator that does nothing.\n", walk.wall.Seconds()/nothing.wall.Seconds())
	}
}

func find(contestants []contestant, name string) *contestant {
	for i := range contestants {
		if contestants[i].name == name {
			return &contestants[i]
		}
	}
	return nil
}

func faster(than, c *contestant) string {
	if than == nil || c.wall == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f", than.wall.Seconds()/c.wall.Seconds())
}

// countDestinations makes one socket to each of n destinations and insists that
// every single pool is reported.
func (b bench) countDestinations(ctx context.Context, n int) error {
	host, err := crowd(n, n)
	if err != nil {
		return err
	}
	defer host.close()
	out, err := os.CreateTemp("", "benchsockets")
	if err != nil {
		return err
	}
	defer os.Remove(out.Name())
	defer out.Close()
	usage, wall, err := runIn(ctx, host.namespace, []string{b.binary, "show", "--json"}, out)
	if err != nil {
		return err
	}
	pools, err := countPools(out.Name())
	if err != nil {
		return err
	}
	fmt.Printf("\n### %d distinct destinations\n\n%d pools in %.2f s, peak memory %.1f MiB\n", n, pools, wall.Seconds(), float64(usage.Maxrss)/1024)
	if pools != n {
		return fmt.Errorf("%d destinations, but %d pools", n, pools)
	}
	return nil
}

func countPools(path string) (int, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	var document struct {
		Namespaces []struct {
			Pools []struct {
				Used int `json:"used"`
			} `json:"pools"`
		} `json:"namespaces"`
	}
	if err := json.Unmarshal(text, &document); err != nil {
		return 0, fmt.Errorf("parse the output of show: %w", err)
	}
	n := 0
	for _, ns := range document.Namespaces {
		for _, pool := range ns.Pools {
			n += min(pool.Used, 1)
		}
	}
	return n, nil
}
