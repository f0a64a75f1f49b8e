package cgrouphook_test

import (
	"strconv"
	"testing"

	"portrange/internal/host"
	"portrange/internal/kernel/cgrouphook"
)

func itoa(n int) string { return strconv.Itoa(n) }

func TestHooksOfACall(t *testing.T) {
	for _, tt := range []struct {
		hooks         cgrouphook.Hooks
		connect, bind host.Answer // of AF_INET
	}{
		{cgrouphook.Hooks{}, host.Unknown, host.Unknown},
		{cgrouphook.Hooks{Socket: host.Yes}, host.Yes, host.Yes},
		{cgrouphook.Hooks{Socket: host.No, Connect4: host.Yes, Bind4: host.No}, host.Yes, host.No},
		{cgrouphook.Hooks{Socket: host.No, Connect6: host.Yes, Connect4: host.No}, host.No, host.Unknown},
	} {
		if connect, bind := tt.hooks.Connect(false), tt.hooks.Bind(false); connect != tt.connect || bind != tt.bind {
			t.Errorf("%+v: connect %v, bind %v", tt.hooks, connect, bind)
		}
	}
	six := cgrouphook.Hooks{Socket: host.No, Connect6: host.Yes, Bind6: host.No}
	if six.Connect(true) != host.Yes || six.Bind(true) != host.No {
		t.Errorf("of AF_INET6: %v, %v", six.Connect(true), six.Bind(true))
	}
}
