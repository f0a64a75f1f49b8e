package main

import (
	"errors"
	"os/exec"
	"testing"

	"portrange/internal/nettest"
)

// BenchmarkCheck is one run of the whole program on a namespace with 10,000
// connections to ten destinations, as a monitoring system starts it.
func BenchmarkCheck(b *testing.B) {
	host := nettest.New(b)
	host.Crowd(10_000, nettest.CrowdOptions{Destinations: 10})
	for _, source := range []string{"auto", "netlink"} {
		b.Run(source, func(b *testing.B) {
			for b.Loop() {
				out, err := exec.Command("portrange", "check", "--netns", host.Path(), "--source", source).CombinedOutput()
				var exit *exec.ExitError
				if errors.As(err, &exit) && exit.ExitCode() == 3 || err != nil && exit == nil {
					b.Fatalf("%v: %s", err, out)
				}
			}
		})
	}
}
