package services

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/prometheus/procfs"

	"portrange/internal/rootfs"
)

// What a process or a file says may make an administrator reserve ports, which takes
// them from every connect(). So root alone is believed: a command line is written by
// whoever starts the program, under whatever name.

// userOf says whose word a process is: nothing for root's. Root is all four user ids
// 0, as the reader's user namespace shows them, in that very user namespace, which is
// the machine's but in a container with one of its own. It is not a program whose file
// gives root's rights to whoever starts it, such as sudo, which waits for a password
// with a name and arguments of their choice.
//
// A user namespace or file that the reader may not look at is no reason to doubt: who
// may not look may not reserve either.
func userOf(proc procfs.Proc, path string) (string, error) {
	status, err := proc.NewStatus()
	if err != nil {
		return "", err
	}
	for _, uid := range status.UIDs {
		if uid != 0 {
			return fmt.Sprintf("a process of uid %d", uid), nil
		}
	}
	own, err := os.Readlink("/proc/self/ns/user")
	if err != nil {
		return "", err
	}
	switch user, err := os.Readlink(path + "/ns/user"); {
	case errors.Is(err, fs.ErrPermission):
		return "", nil
	case err != nil:
		return "", err
	case user != own:
		return "a process of another user namespace", nil
	}
	if program, err := os.Stat(path + "/exe"); err == nil && program.Mode()&fs.ModeSetuid != 0 {
		return "a program that any user may start as root", nil
	}
	return "", nil
}

// ownerOf says whose word files are: nothing where root owns all of them, or whoever
// runs portrange, and nobody else may write them. One that is gone says nothing.
func ownerOf(files ...rootfs.File) string {
	for _, file := range files {
		if file.Err != nil {
			continue
		}
		believed := []uint32{0, uint32(os.Geteuid())}
		switch writable := file.Mode.Perm(); {
		case !slices.Contains(believed, file.UID):
			return fmt.Sprintf("a file of uid %d", file.UID)
		case writable&0o002 != 0:
			return "a file that every user may write"
		case writable&0o020 != 0 && file.GID != 0 && file.GID != uint32(os.Getegid()):
			return fmt.Sprintf("a file that gid %d may write", file.GID)
		}
	}
	return ""
}

// claimed puts whose word it is in front of what shows a claim.
func claimed(by, evidence string) string {
	if by == "" {
		return evidence
	}
	return "claimed by " + by + ": " + evidence
}
