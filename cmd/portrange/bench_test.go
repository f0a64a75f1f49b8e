package main

import (
	"os/exec"
	"testing"
	"time"

	"portrange/internal/nettest"
)

// BenchmarkCheck is one run of the whole program on a namespace with 10,000
// connections to ten destinations, as a monitoring system starts it. On a busy
// machine the processor time says more than the wall clock.
func BenchmarkCheck(b *testing.B) {
	host := nettest.New(b)
	host.Crowd(10_000, nettest.CrowdOptions{Destinations: 10})
	for _, source := range []string{"auto", "netlink"} {
		b.Run(source, func(b *testing.B) {
			var cpu time.Duration
			for b.Loop() {
				command := exec.Command("portrange", "check", "--netns", host.Path(), "--source", source)
				out, err := command.CombinedOutput()
				if command.ProcessState == nil || command.ProcessState.ExitCode() > 2 {
					b.Fatalf("%v: %s", err, out)
				}
				cpu += command.ProcessState.UserTime() + command.ProcessState.SystemTime()
			}
			b.ReportMetric(float64(cpu.Milliseconds())/float64(b.N), "cpu-ms/op")
		})
	}
}
