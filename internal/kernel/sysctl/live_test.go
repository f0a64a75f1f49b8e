package sysctl_test

import (
	"errors"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"portrange/internal/host"
	"portrange/internal/kernel/sysctl"
	"portrange/internal/nettest"
	"portrange/internal/port"
)

func read(t *testing.T) host.Settings {
	t.Helper()
	settings, err := sysctl.Read()
	if err != nil {
		t.Fatal(err)
	}
	return settings
}

func set(t *testing.T, key, value string) {
	t.Helper()
	if err := sysctl.Set(key, value); err != nil {
		t.Fatal(err)
	}
}

func TestLiveSettingsBelongToTheThread(t *testing.T) {
	changed, fresh := nettest.New(t), nettest.New(t)
	changed.Do(func() {
		set(t, port.KeyUnprivilegedStart, "100")
		set(t, port.KeyRange, "200 64001")
		set(t, port.KeyReserved, "8080,9148-9150")
		set(t, port.KeyTWReuse, "1")
		set(t, port.KeyTimestamps, "0")

		got := read(t)
		if got.Range != (port.Range{Low: 200, High: 64001}) || got.UnprivilegedStart != 100 ||
			got.Reserved.String() != "8080,9148-9150" || got.TWReuse != 1 || got.Timestamps != 0 {
			t.Errorf("changed: %+v", got)
		}
		if value, err := sysctl.Get(port.KeyRange); err != nil || value != "200 64001" {
			t.Errorf("get: %q, %v", value, err)
		}
	})
	fresh.Do(func() {
		got := read(t)
		if got.Range != port.DefaultRange || got.UnprivilegedStart != 1024 || got.Reserved.Len() != 0 || got.TWReuse != 2 {
			t.Errorf("fresh: %+v", got)
		}
	})
}

func TestLiveRefusalsAreExplained(t *testing.T) {
	tests := []struct {
		key, value, want string
	}{
		{port.KeyRange, "60999 32768", "low not above high"},
		{port.KeyRange, "900 2000", "not below net.ipv4.ip_unprivileged_port_start, which is 1024"},
		{port.KeyRange, "2000 70000", "up to 65535"},
		{port.KeyRange, "2000", "takes two numbers"},
		{port.KeyRange, "2000 3000 4000", "takes two numbers"},
		{port.KeyRange, "low high", "takes two numbers"},
		{port.KeyRange, "0 2000", "not below net.ipv4.ip_unprivileged_port_start, which is 1024"},
		{port.KeyUnprivilegedStart, "40000", "not above the low end of net.ipv4.ip_local_port_range, which is 32768 60999"},
		{port.KeyReserved, "8080,70000", "not a port number from 0 to 65535"},
		{port.KeyTWReuse, "7", "ip-sysctl.rst"},
	}
	h := nettest.New(t)
	h.Do(func() {
		before := read(t)
		for _, test := range tests {
			err := sysctl.Set(test.key, test.value)
			if !errors.Is(err, sysctl.ErrRefused) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s = %q: %v; want %q", test.key, test.value, err, test.want)
			}
		}
		if diff := cmp.Diff(before, read(t), cmp.AllowUnexported(port.Set{})); diff != "" {
			t.Errorf("a refused value changed something:\n%s", diff)
		}
	})
}

// every returns the ports from the first one on of which so many in a row are
// in, then so many out.
func every(first, in, out int) *port.Set {
	set := &port.Set{}
	for p := first; p+in <= 65536; p += in + out {
		set.AddRange(uint16(p), uint16(p+in-1))
	}
	return set
}

func TestLiveLongReservedLists(t *testing.T) {
	h := nettest.New(t)
	h.Do(func() {
		for _, want := range []*port.Set{
			every(0, 1, 1), // 196,600 bytes
			every(10000, 2, 1),
			every(0, 2, 1),     // 262,144 bytes, all of the one before among them or not
			every(1, 2, 1),     // other ports
			every(30000, 1, 9), // some less, still longer than a page
			every(30000, 1, 4), // those and more
			every(0, 65536, 0),
			every(40000, 3, 20000),
			{},
		} {
			if err := sysctl.Set(port.KeyReserved, want.String()); err != nil {
				t.Fatal(err)
			}
			got := read(t).Reserved
			if *got != *want {
				t.Errorf("%d ports written, %d read", want.Len(), got.Len())
			}
		}
	})
}

// TestLiveReserveHasNoGap shows that ports stay reserved while a long list grows.
func TestLiveReserveHasNoGap(t *testing.T) {
	h := nettest.New(t)
	small, large := every(30000, 1, 9), every(30000, 1, 4)
	h.Do(func() { set(t, port.KeyReserved, small.String()) })

	done := make(chan struct{})
	go func() {
		defer close(done)
		err := h.Try(func() error { return sysctl.Set(port.KeyReserved, large.String()) })
		if err != nil {
			t.Error(err)
		}
	}()
	h.Do(func() {
		for writing := true; writing; {
			select {
			case <-done:
				writing = false
			default:
			}
			seen := read(t).Reserved
			missing := small.Clone()
			missing.Subtract(seen)
			if missing.Len() > 0 {
				t.Fatalf("%d reserved ports were free for a moment", missing.Len())
			}
		}
	})
}

// onDoomedThread runs fn on a thread of its own that may be spoilt: it dies.
func onDoomedThread(t *testing.T, fn func() error) {
	t.Helper()
	nettest.NeedRoot(t)
	result := make(chan error)
	go func() {
		runtime.LockOSThread()
		result <- fn()
	}()
	if err := <-result; err != nil {
		t.Fatal(err)
	}
}

// privateMounts takes the thread into a mount namespace of its own.
func privateMounts() error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return err
	}
	return unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
}

func TestLiveReadOnlyProcSys(t *testing.T) {
	onDoomedThread(t, func() error {
		err := errors.Join(privateMounts(), unix.Unshare(unix.CLONE_NEWNET),
			unix.Mount("/proc/sys", "/proc/sys", "", unix.MS_BIND, ""),
			unix.Mount("none", "/proc/sys", "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""))
		if err != nil {
			return err
		}
		err = sysctl.Set(port.KeyRange, "15000 64001")
		if !errors.Is(err, unix.EROFS) || !strings.Contains(err.Error(), "change it from the host") {
			t.Errorf("set: %v", err)
		}
		if _, err := sysctl.Read(); err != nil {
			t.Errorf("read: %v", err)
		}
		return nil
	})
}

func TestLiveWithoutProcSys(t *testing.T) {
	onDoomedThread(t, func() error {
		if err := errors.Join(privateMounts(), unix.Mount("none", "/proc/sys", "tmpfs", 0, "")); err != nil {
			return err
		}
		if _, err := sysctl.Read(); !errors.Is(err, sysctl.ErrNoSysctl) {
			t.Errorf("read: %v", err)
		}
		if err := sysctl.Set(port.KeyRange, "15000 64001"); !errors.Is(err, sysctl.ErrNoSysctl) {
			t.Errorf("set: %v", err)
		}
		return nil
	})
}

func TestLiveWithoutPrivileges(t *testing.T) {
	const nobody = 65534
	onDoomedThread(t, func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return err
		}
		// The system call changes this thread alone, unlike package syscall.
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, nobody, nobody, nobody); errno != 0 {
			return os.NewSyscallError("setresuid", errno)
		}
		for key, value := range map[string]string{port.KeyRange: "15000 64001", port.KeyReserved: "8080"} {
			err := sysctl.Set(key, value)
			if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "run as root or with CAP_NET_ADMIN") {
				t.Errorf("set %s: %v", key, err)
			}
		}
		if _, err := sysctl.Read(); err != nil {
			t.Errorf("read: %v", err)
		}
		return nil
	})
}
