// Package sysctl reads and writes the port settings of a network namespace.
//
// Each namespace has its own values, and /proc/sys/net shows those of the
// namespace of the task that opens a file. So every function here speaks of the
// calling thread's namespace; package netns brings a thread into another one.
//
// The files are not ordinary: a value must be read by one read(2) that is large
// enough, as the kernel cuts it off without a word and has nothing left for the
// next one; and a write(2) takes effect at once, whatever follows. The package
// knows these rules and how to explain a refusal. It refuses to know whether a
// value is wise.
package sysctl

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// ErrNoSysctl says that the sandbox the program runs in has no /proc/sys/net.
var ErrNoSysctl = errors.New("there is no /proc/sys/net; is this a sandbox, or a chroot without /proc?")

// tree is a directory of settings.
type tree struct{ root string }

// live is the running kernel's tree.
func live() tree { return tree{root: "/proc/sys"} }

// Get returns a setting in the kernel's form with one space between numbers. A
// setting that the kernel does not have is fs.ErrNotExist.
func Get(key string) (string, error) { return live().get(key) }

// Path is the file of a setting. Dots and slashes both separate; the one that
// comes first does, and the other one stands for itself (sysctl.d(5)).
func Path(key string) string { return live().path(key) }

func (t tree) path(key string) string {
	if at := strings.IndexAny(key, "./"); at >= 0 && key[at] == '.' {
		key = strings.NewReplacer(".", "/", "/", ".").Replace(key)
	}
	return filepath.Join(t.root, key)
}

func (t tree) get(key string) (string, error) {
	text, err := t.read(key)
	if err != nil {
		return "", err
	}
	return strings.Join(strings.Fields(text), " "), nil
}

func (t tree) read(key string) (string, error) {
	file, err := os.Open(t.path(key))
	if err != nil {
		return "", t.explain("read", key, err)
	}
	defer file.Close()
	text, err := readWhole(file)
	if err != nil {
		return "", t.explain("read", key, err)
	}
	return text, nil
}

// Sizes of the buffer for one value. The longest value there can be is a list
// of reserved ports in which every third port is left out: 262,144 bytes.
const (
	firstBuffer = 4 << 10
	lastBuffer  = 1 << 20
)

// readWhole reads a value from the start with ever larger buffers until it ends
// with the line end that the kernel puts last, and only there.
func readWhole(file io.ReaderAt) (string, error) {
	for size := firstBuffer; size <= lastBuffer; size *= 4 {
		buf := make([]byte, size)
		n, err := file.ReadAt(buf, 0)
		if err != nil && err != io.EOF {
			return "", err
		}
		if n < size || buf[n-1] == '\n' {
			return string(buf[:n]), nil
		}
	}
	return "", fmt.Errorf("longer than %d bytes", lastBuffer)
}

// explain says what to do about an error of a system call.
func (t tree) explain(operation, key string, err error) error {
	hint := ""
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Stat(filepath.Join(t.root, "net")); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s %s: %w", operation, key, ErrNoSysctl)
		}
		hint = "; this kernel does not have the setting"
	case errors.Is(err, fs.ErrPermission):
		hint = "; run as root or with CAP_NET_ADMIN"
	}
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err // the key says it already
	}
	return fmt.Errorf("%s %s: %w%s", operation, key, err, hint)
}
