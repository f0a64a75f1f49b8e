package act

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"portrange/internal/act/journal"
	"portrange/internal/host"
	"portrange/internal/kernel/netns"
)

// TestOneSearchForAll counts how often namespaces are searched for: once for all that
// no path leads to any more, be it that they are found or not, and never for others.
func TestOneSearchForAll(t *testing.T) {
	s, err := NewSystem(netns.Namespace{ID: 1, Name: "target"})
	if err != nil {
		t.Fatal(err)
	}
	searches := 0
	s.search = func(context.Context) ([]netns.Namespace, []host.Gap) {
		searches++
		return []netns.Namespace{{ID: 2, Name: "moved"}}, nil
	}
	if found, err := s.find(journal.Place{ID: 1, Boot: s.boot}); err != nil || found.Name != "target" || searches != 0 {
		t.Errorf("a target: %+v, %v, %d searches", found, err, searches)
	}
	own, err := netns.Current()
	if err != nil {
		t.Fatal(err)
	}
	at := journal.Place{ID: own.ID, Boot: s.boot, Path: own.Path}
	if found, err := s.find(at); err != nil || found.ID != own.ID || searches != 0 {
		t.Errorf("at its path: %+v, %v, %d searches", found, err, searches)
	}
	for id := range uint64(500) {
		lost := journal.Place{ID: 1000 + id, Boot: s.boot, Name: fmt.Sprint("lost-", id), Path: own.Path}
		if _, err := s.find(lost); !errors.Is(err, ErrGone) {
			t.Fatalf("a namespace that went: %v", err)
		}
	}
	if found, err := s.find(journal.Place{ID: 2, Boot: s.boot}); err != nil || found.Name != "moved" || searches != 1 {
		t.Errorf("found by the search: %+v, %v, %d searches", found, err, searches)
	}
	if _, err := s.find(journal.Place{Host: true, Boot: "another"}); !errors.Is(err, ErrGone) || searches != 1 {
		t.Errorf("the host's, which the search did not find: %v, %d searches", err, searches)
	}
	s.searched = s.searched.Add(-searchHolds)
	if _, err := s.find(journal.Place{ID: 3, Boot: s.boot}); !errors.Is(err, ErrGone) || searches != 2 {
		t.Errorf("an old search is no answer: %v, %d searches", err, searches)
	}
}

func TestFileHint(t *testing.T) {
	immutable := "run as root"
	if os.Geteuid() == 0 {
		immutable = "lsattr"
	}
	for errno, want := range map[unix.Errno]string{
		unix.EROFS: "read-only", unix.ENOSPC: "make room", unix.EDQUOT: "make room",
		unix.EACCES: "run as root", unix.EPERM: immutable,
	} {
		if got := fileHint(&fs.PathError{Op: "open", Path: DropIn, Err: errno}); !strings.Contains(got, want) {
			t.Errorf("%v: %q, want %q", errno, got, want)
		}
	}
	if got := fileHint(unix.EIO); got != "" {
		t.Errorf("a hint on what nobody can mend: %q", got)
	}
}
