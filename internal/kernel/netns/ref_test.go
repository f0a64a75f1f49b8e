package netns

import "testing"

func TestRef(t *testing.T) {
	for _, tt := range []struct {
		namespace Namespace
		want      string
	}{
		{Namespace{Name: "host", Path: "/proc/1/ns/net"}, "host"},
		{Namespace{Name: "lb1", Path: "/run/netns/lb1"}, "lb1"},
		{Namespace{Name: "812", Path: "/run/netns/812"}, "/run/netns/812"}, // a number means a process
		{Namespace{Name: "nginx (812)", Path: "/proc/812/ns/net"}, "/proc/812/ns/net"},
		{Namespace{Name: "docker/0a1b", Path: "/var/run/docker/netns/0a1b"}, "/var/run/docker/netns/0a1b"},
	} {
		if got := tt.namespace.Ref(); got != tt.want {
			t.Errorf("%s at %s: reference %q, want %q", tt.namespace.Name, tt.namespace.Path, got, tt.want)
		}
	}
}
