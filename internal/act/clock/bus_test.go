package clock

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	godbus "github.com/godbus/dbus/v5"
)

// bus answers on a socket: it lets everybody in, and goes on with each connection as
// told. It counts the bytes that it could send.
func bus(t *testing.T, goOn func(net.Conn)) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bus")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				lines := bufio.NewReader(conn)
				for {
					line, err := lines.ReadString('\n')
					switch {
					case err != nil:
						return
					case strings.Contains(line, "AUTH EXTERNAL"):
						_, _ = conn.Write([]byte("OK 0123456789abcdef0123456789abcdef\r\n"))
					case strings.Contains(line, "AUTH"):
						_, _ = conn.Write([]byte("REJECTED EXTERNAL\r\n"))
					case strings.Contains(line, "BEGIN"):
						goOn(conn)
						return
					}
				}
			}()
		}
	}()
	return path
}

func signal(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	m := &godbus.Message{Type: godbus.TypeSignal, Headers: map[godbus.HeaderField]godbus.Variant{
		godbus.FieldPath:      godbus.MakeVariant(godbus.ObjectPath("/a")),
		godbus.FieldInterface: godbus.MakeVariant("a.b"), godbus.FieldMember: godbus.MakeVariant("C"),
		godbus.FieldSignature: godbus.MakeVariant(godbus.SignatureOf("")),
	}, Body: []any{strings.Repeat("x", 60_000)}}
	if err := m.EncodeTo(&b, binary.LittleEndian); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestAFloodEnds has a bus that sends signals, or one endless message, instead of an
// answer: neither memory nor time goes without bound.
func TestAFloodEnds(t *testing.T) {
	endless := append([]byte{'l', 4, 0, 1}, 0, 0, 0, 7, 1, 0, 0, 0, 0, 0, 0, 0)
	for name, sent := range map[string][]byte{"signals": signal(t), "one message": bytes.Repeat([]byte{0}, 1<<16)} {
		t.Run(name, func(t *testing.T) {
			total := make(chan int, 4)
			path := bus(t, func(conn net.Conn) {
				n := 0
				if name == "one message" {
					n, _ = conn.Write(endless)
				}
				for {
					more, err := conn.Write(sent)
					n += more
					if err != nil {
						total <- n
						return
					}
				}
			})
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			if conn, err := connect(ctx, path, (*godbus.Conn).Hello); err == nil {
				conn.Close()
				t.Error("a bus that answers nothing was greeted")
			}
			runtime.ReadMemStats(&after)
			if n := <-total; n > 4*mostBytes { // with what the socket itself holds
				t.Errorf("it took %d bytes", n)
			}
			if n := after.TotalAlloc - before.TotalAlloc; n > 64*mostBytes {
				t.Errorf("that took %d bytes of memory", n)
			}
			if ctx.Err() != nil {
				t.Error("it took a minute")
			}
		})
	}
}

// TestASilentBusEnds has a bus that lets everybody in and says no more.
func TestASilentBusEnds(t *testing.T) {
	path := bus(t, func(conn net.Conn) { _, _ = conn.Read(make([]byte, 1<<16)); <-t.Context().Done() })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if conn, err := connect(ctx, path, (*godbus.Conn).Hello); err == nil {
		conn.Close()
		t.Error("a bus that answers nothing was greeted")
	}
}

// TestTheEnvironmentHasNoSay offers another bus.
func TestTheEnvironmentHasNoSay(t *testing.T) {
	asked := make(chan struct{}, 4)
	path := bus(t, func(net.Conn) { asked <- struct{}{} })
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+path)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, done, err := Connect(ctx); err == nil {
		done()
	}
	if len(asked) > 0 {
		t.Error("the bus of the environment was asked")
	}
}

func TestBounded(t *testing.T) {
	here, there := net.Pipe()
	defer here.Close()
	go func() { _, _ = there.Write([]byte("abcdef")) }()
	b := &bounded{Conn: here, left: 4}
	text := make([]byte, 3)
	for _, want := range []string{"abc", "d"} {
		if n, err := b.Read(text); err != nil || string(text[:n]) != want {
			t.Errorf("%q, %v", text[:n], err)
		}
	}
	if n, err := b.Read(text); n != 0 || !errors.Is(err, errTalks) {
		t.Errorf("behind the bound: %d, %v", n, err)
	}
}
