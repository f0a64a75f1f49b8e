package journal

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// The attributes that vouch for a file's content (security/integrity of Linux).
// A new content makes them wrong, and only the key's owner can make new ones.
var signatures = []string{"security.ima", "security.evm"}

// signed is an error for a file whose attributes vouch for its content.
func signed(path string) error {
	names, err := attributes(func(buf []byte) (int, error) { return unix.Llistxattr(path, buf) })
	if err != nil {
		return fmt.Errorf("list the attributes of %s: %w", path, err)
	}
	for _, name := range signatures {
		if slices.Contains(names, name) {
			return fmt.Errorf("%s is signed (%s), and a change would make the signature wrong; change and sign it by hand",
				path, name)
		}
	}
	return nil
}

// keepAttributes gives file the extended attributes of the file at model, and no
// other: access control lists, security labels and what people noted. Without a
// file at model it keeps those that its directory gave it. An attribute that
// cannot be kept is an error.
func keepAttributes(file *os.File, model string) error {
	old, err := os.OpenFile(model, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer old.Close()
	wanted, err := fileAttributes(old)
	if err != nil {
		return err
	}
	extra, err := fileAttributes(file)
	if err != nil {
		return err
	}
	for _, name := range wanted {
		if err := copyAttribute(file, old, name); err != nil {
			return fmt.Errorf("keep the attribute %s of %s: %w", name, model, err)
		}
	}
	for _, name := range extra {
		if slices.Contains(wanted, name) {
			continue
		}
		// A label that every file has stays: the kernel does not let go of it.
		if err := unix.Fremovexattr(int(file.Fd()), name); err != nil && !strings.HasPrefix(name, "security.") {
			return fmt.Errorf("take the attribute %s off, which %s does not have: %w", name, model, err)
		}
	}
	return nil
}

func fileAttributes(file *os.File) ([]string, error) {
	names, err := attributes(func(buf []byte) (int, error) { return unix.Flistxattr(int(file.Fd()), buf) })
	if err != nil {
		return nil, fmt.Errorf("list the attributes of %s: %w", file.Name(), err)
	}
	return names, nil
}

// attributes reads a list of names, each with a zero byte behind it. A file
// system that has no attributes has an empty one.
func attributes(list func([]byte) (int, error)) ([]string, error) {
	text, err := whole(list)
	if errors.Is(err, unix.EOPNOTSUPP) {
		return nil, nil
	}
	return strings.FieldsFunc(string(text), func(r rune) bool { return r == 0 }), err
}

// copyAttribute leaves alone what is so already: a label that the directory gave
// takes a right of its own to set.
func copyAttribute(to, from *os.File, name string) error {
	value, err := attribute(from, name)
	if err != nil {
		return err
	}
	if now, err := attribute(to, name); err == nil && bytes.Equal(now, value) {
		return nil
	}
	return unix.Fsetxattr(int(to.Fd()), name, value, 0)
}

func attribute(file *os.File, name string) ([]byte, error) {
	return whole(func(buf []byte) (int, error) { return unix.Fgetxattr(int(file.Fd()), name, buf) })
}

// whole reads what a call returns, which tells the size when it is given no
// room. It reads again where that grew meanwhile.
func whole(read func([]byte) (int, error)) ([]byte, error) {
	for {
		size, err := read(nil)
		if err != nil || size == 0 {
			return nil, err
		}
		buf := make([]byte, size)
		n, err := read(buf)
		if !errors.Is(err, unix.ERANGE) {
			return buf[:max(n, 0)], err
		}
	}
}
