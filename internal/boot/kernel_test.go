package boot

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"portrange/internal/port"
)

// writes are values with what a fresh namespace holds after them; a key that is
// refused keeps its default. The second test puts them to the kernel itself.
var writes = []struct{ key, value, want string }{
	{port.KeyRange, "15000 64001", "15000 64001"},
	{port.KeyRange, "15000\t64001\n", "15000 64001"},
	{port.KeyRange, "  15000 64001  # odd", "15000 64001"},
	{port.KeyRange, "15000 64001 7", "15000 64001"},
	{port.KeyRange, "15000 \xa064001", "15000 64001"}, // a no-break space of Latin-1
	{port.KeyRange, "15000 \xff64001", "32768 60999"},
	{port.KeyRange, "15000 \u00a064001", "32768 60999"},
	{port.KeyRange, "15000", "15000 60999"}, // one number moves the low end alone
	{port.KeyRange, "61000", "32768 60999"},
	{port.KeyRange, "15000,64001", "32768 60999"},
	{port.KeyRange, "15000-64001", "32768 60999"},
	{port.KeyRange, "64001 15000", "32768 60999"},
	{port.KeyRange, "1023 64001", "32768 60999"},
	{port.KeyRange, "1024 65535", "1024 65535"},
	{port.KeyRange, "1024 65536", "32768 60999"},
	{port.KeyRange, "0x4000 0100000", "16384 32768"},
	{port.KeyRange, "15000 words", "32768 60999"},
	{port.KeyRange, "", "32768 60999"},
	{port.KeyRange, strings.Repeat(" ", 5000) + "15000 64001", "32768 60999"},
	{port.KeyUnprivilegedStart, "0", "0"},
	{port.KeyUnprivilegedStart, "32768", "32768"},
	{port.KeyUnprivilegedStart, "32769", "1024"},
	{port.KeyUnprivilegedStart, "-1", "1024"},
	{port.KeyUnprivilegedStart, "80x", "1024"},
	{port.KeyTWReuse, "1", "1"},
	{port.KeyTWReuse, "0 junk", "0"},
	{port.KeyTWReuse, "3", "2"},
	{port.KeyTWReuse, "-0", "2"},
	{port.KeyTWReuse, "\n", "2"},
	{port.KeyFinTimeout, "30", "30"},
	{port.KeyFinTimeout, "-5", "-5"},
	{port.KeyFinTimeout, "010", "8"},
	{port.KeyFinTimeout, "08", "60"},
	{port.KeyFinTimeout, "0x", "60"},
	{port.KeyFinTimeout, "3e1", "60"},
	{port.KeyFinTimeout, "00000000000000000005", "5"},
	{port.KeyFinTimeout, "000000000000000000005", "60"}, // 21 digits
	{port.KeyMaxTWBuckets, "4096", "4096"},
	{port.KeyMaxTWBuckets, "2147483647", "2147483647"},
	{port.KeyMaxTWBuckets, "-2147483648", "-2147483648"},
	{port.KeyReserved, "8080,9148-9150\n", "8080,9148-9150"},
	{port.KeyReserved, "9149,9148,9150", "9148-9150"},
	{port.KeyReserved, "8080,", "8080"},
	{port.KeyReserved, "\n", ""},
	{port.KeyReserved, "0,65535", "0,65535"},
	{port.KeyReserved, "65536", ""},
	{port.KeyReserved, "8080, 9148", ""},
	{port.KeyReserved, "8080,,9148", ""},
	{port.KeyReserved, "9150-9148", ""},
	{port.KeyReserved, "-8080", ""},
	{port.KeyReserved, "8080-", ""},
	{port.KeyReserved, strings.Repeat("8080,", 1000) + "9148", "8080,9148"},
	{port.KeyReserved, strings.Repeat("8080,", 818) + "12345,9148", "8080,9148,12345"}, // cut within a number
	{port.KeyReserved, strings.Repeat("8080,", 818) + "1234-1299,9148", "1234-1299,8080,9148"},
}

func TestKernelModel(t *testing.T) {
	for _, tt := range writes {
		k := newKernel(4096)
		took, err := writeAll(k, tt.key, tt.value)
		if got := k.value(tt.key); got != tt.want {
			t.Errorf("%s = %.50q: model holds %q, want %q (%v)", tt.key, tt.value, got, tt.want, err)
		}
		if took == (err != nil) && tt.value != "" {
			t.Errorf("%s = %.50q: took %v with error %v", tt.key, tt.value, took, err)
		}
	}
}

// TestKernelModelMatchesKernel writes the same values to the real handlers.
func TestKernelModelMatchesKernel(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root for network namespaces")
	}
	if unix.Getpagesize() != 4096 {
		t.Skip("the values are made for pages of 4096 bytes")
	}
	for _, tt := range writes {
		err := onThread(false, func() error {
			if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
				return err
			}
			if err := os.WriteFile(procSys+swapped(tt.key), []byte(tt.value), 0); err != nil && !errors.Is(err, unix.EINVAL) {
				return err
			}
			settings, err := readSettings()
			if err == nil && settings[tt.key] != tt.want {
				err = fmt.Errorf("kernel holds %q, want %q", settings[tt.key], tt.want)
			}
			return err
		})
		if err != nil {
			t.Errorf("%s = %.50q: %v", tt.key, tt.value, err)
		}
	}
}

func TestRefusalNamesTheOtherKey(t *testing.T) {
	k := newKernel(4096)
	_, err := k.write(port.KeyRange, "900 2000\n", 0)
	var other *encroaches
	if !errors.As(err, &other) || other.key != port.KeyUnprivilegedStart {
		t.Errorf("range below the unprivileged ports: %v, want a refusal by %s", err, port.KeyUnprivilegedStart)
	}
	_, err = k.write(port.KeyUnprivilegedStart, "40000\n", 0)
	if !errors.As(err, &other) || other.key != port.KeyRange {
		t.Errorf("unprivileged ports into the range: %v, want a refusal by %s", err, port.KeyRange)
	}
}

func TestProcpsLosesWhatComesAfterAPage(t *testing.T) {
	list := strings.Repeat("8080,", 1000) + "9148"
	k := newKernel(4096)
	if took, err := writeProcps(k, port.KeyReserved, list); !took || err != nil {
		t.Errorf("took %v, error %v", took, err)
	}
	if got := k.value(port.KeyReserved); got != "8080" {
		t.Errorf("reserved %q, want the first page alone", got)
	}
}

// A handler takes all, some or nothing, never more than it was given; and what
// it then holds it would take again.
func FuzzKernelWrite(f *testing.F) {
	for _, tt := range writes {
		f.Add(tt.key, tt.value, 0)
	}
	f.Fuzz(func(t *testing.T, key, value string, pos int) {
		k := newKernel(4096)
		n, err := k.write(key, value, pos)
		if n < 0 || n > len(value) || err != nil && n != 0 {
			t.Fatalf("took %d of %d bytes, error %v", n, len(value), err)
		}
		if k.low > k.high || k.low < k.unprivileged || k.high > maxPort {
			t.Errorf("range %d-%d with unprivileged ports from %d", k.low, k.high, k.unprivileged)
		}
		again, held := newKernel(1<<20), k.value(key)
		if _, err := writeAll(again, key, held); err != nil && held != "" {
			t.Errorf("holds %q but would refuse it: %v", held, err)
		}
		if got := again.value(key); got != held && k.known(key) && held != "" {
			t.Errorf("holds %q, after writing that %q", held, got)
		}
	})
}
