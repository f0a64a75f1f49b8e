package cli

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
)

func TestDestinations(t *testing.T) {
	find := func(_ context.Context, _, host string) ([]netip.Addr, error) {
		if host != "db.example" {
			return nil, errors.New("no such host " + host)
		}
		return []netip.Addr{
			netip.MustParseAddr("2001:db8::5"), netip.MustParseAddr("::ffff:10.0.0.5"), netip.MustParseAddr("10.0.0.5"),
			netip.MustParseAddr("10.0.0.6"),
		}, nil
	}
	for name, tt := range map[string]struct {
		text, proto, local string
		want, fault        string
	}{
		"address":           {text: "10.0.0.5:80", want: "10.0.0.5:80"},
		"IPv6":              {text: "[fe80::1%eth0]:80", want: "[fe80::1%eth0]:80"},
		"service":           {text: "[::1]:https", want: "[::1]:443"},
		"service of UDP":    {text: "10.0.0.5:domain", proto: "udp", want: "10.0.0.5:53"},
		"no service":        {text: "10.0.0.5:no-such-service", fault: `"no-such-service" is no port, want a number from 1 to 65535 or a service`},
		"host":              {text: "db.example:80", want: "[2001:db8::5]:80 10.0.0.5:80 10.0.0.6:80"},
		"host and service":  {text: "db.example:https", local: "10.0.0.2", want: "10.0.0.5:443 10.0.0.6:443"},
		"from IPv6":         {text: "db.example:1", local: "2001:db8::2", want: "[2001:db8::5]:1"},
		"unknown":           {text: "nothing.example:80", fault: `remote "nothing.example:80": no such host nothing.example; give an address`},
		"no port of a host": {text: "db.example:0", fault: `"0" is no port`},
		"no port":           {text: "db.example", want: "db.example"},
		"bare IPv6":         {text: "::1", want: "::1"},
		"a wrong address":   {text: "10.0.0.300:80", want: "10.0.0.300:80"},
		"no host":           {text: ":80", want: ":80"},
	} {
		if tt.proto == "" {
			tt.proto = "tcp"
		}
		got, err := destinations(t.Context(), tt.text, tt.proto, tt.local, find)
		switch {
		case tt.fault != "" && (err == nil || !strings.Contains(err.Error(), tt.fault)):
			t.Errorf("%s: error %v, want one that says %q", name, err, tt.fault)
		case tt.fault == "" && (err != nil || strings.Join(got, " ") != tt.want):
			t.Errorf("%s: %v, %v; want %s", name, got, err, tt.want)
		}
	}
	only6 := func(context.Context, string, string) ([]netip.Addr, error) {
		return []netip.Addr{netip.IPv6Loopback()}, nil
	}
	if _, err := destinations(t.Context(), "six.example:80", "tcp", "10.0.0.2", only6); err == nil {
		t.Error("an IPv6 address for --local 10.0.0.2")
	}
}
