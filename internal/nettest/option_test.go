package nettest_test

import (
	"errors"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"portrange/internal/nettest"
)

func TestDeviceDecidesTheRoute(t *testing.T) {
	h := nettest.New(t)
	h.Sink("sink0", "10.1.0.1/24")
	h.Sink("sink1", "10.2.0.1/24")
	remote := netip.MustParseAddrPort("10.2.0.9:80")
	if _, err := h.Connect(nettest.TCP4, remote, nettest.NonBlock(), nettest.Device("nope")); !errors.Is(err, unix.ENODEV) {
		t.Errorf("unknown device: %v", err)
	}
	s, err := h.Connect(nettest.TCP4, remote, nettest.NonBlock(), nettest.Device("sink0"))
	if err != nil {
		t.Fatal(err)
	}
	if local, err := s.Local(); err != nil || local.Addr().String() != "10.1.0.1" {
		t.Errorf("source through sink0: %v, %v", local, err)
	}
}

func TestFreeBindTakesForeignAddresses(t *testing.T) {
	h := nettest.New(t)
	foreign := netip.MustParseAddrPort("192.0.2.7:0")
	if _, err := h.Bind(nettest.TCP4, foreign); !errors.Is(err, unix.EADDRNOTAVAIL) {
		t.Errorf("without the option: %v", err)
	}
	s, err := h.Bind(nettest.TCP4, foreign, nettest.FreeBind())
	if err != nil {
		t.Fatal(err)
	}
	if local, err := s.Local(); err != nil || local.Addr() != foreign.Addr() || local.Port() == 0 {
		t.Errorf("bound to %v, %v", local, err)
	}
}

func TestLinkLocalZoneIsOfTheHost(t *testing.T) {
	h := nettest.New(t)
	h.Sink("sink0", "fe80::5/64")
	s, err := h.Bind(nettest.TCP6, netip.MustParseAddrPort("[fe80::5%sink0]:0"))
	if err != nil {
		t.Fatal(err)
	}
	if local, err := s.Local(); err != nil || local.Addr().WithZone("").String() != "fe80::5" || local.Addr().Zone() == "" {
		t.Errorf("bound to %v, %v", local, err)
	}
	if _, err := h.Bind(nettest.TCP6, netip.MustParseAddrPort("[fe80::5%nope]:0")); !errors.Is(err, unix.ENODEV) {
		t.Errorf("unknown zone: %v", err)
	}
}

func TestNamespaceClosesItsSockets(t *testing.T) {
	nettest.NeedRoot(t)
	n, err := nettest.Create()
	if err != nil {
		t.Fatal(err)
	}
	s, err := n.Listen(nettest.TCP4, server4)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Local(); err == nil {
		t.Error("the socket is still open")
	}
	if err := s.Close(); err != nil {
		t.Errorf("close again: %v", err)
	}
}
