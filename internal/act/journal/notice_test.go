package journal

import (
	"errors"
	"io/fs"
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// asNobody runs fn with the rights of a user who owns nothing, on a thread of its own.
func asNobody(t *testing.T, fn func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can be somebody else")
	}
	const nobody = 65534
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlock: the thread ends with this
		err := unix.Setfsuid(nobody)
		if err == nil {
			err = unix.Setfsgid(nobody)
		}
		if err == nil {
			fn()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// publicDir is a directory that everybody can reach.
func publicDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "journal")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir + "/portrange"
}

// TestEverybodyMayAskHowAChangeStands, under any umask, and nobody but root sees what is
// in files of others.
func TestEverybodyMayAskHowAChangeStands(t *testing.T) {
	defer unix.Umask(unix.Umask(0o077))
	for name, test := range map[string]struct {
		file    File
		private bool
	}{
		"drop-in":     {File{Path: "/d", After: &Content{Mode: 0o644}}, false},
		"was closed":  {File{Path: "/d", Before: &Content{Mode: 0o640}, After: &Content{Mode: 0o644}}, true},
		"is closed":   {File{Path: "/d", Before: &Content{Mode: 0o644}, After: &Content{Mode: 0o600}}, true},
		"of somebody": {File{Path: "/d", Before: &Content{Mode: 0o644}, After: &Content{Mode: 0o644}, Foreign: true}, true},
	} {
		dir := publicDir(t)
		w, err := Open(dir).Lock()
		if err != nil {
			t.Fatal(err)
		}
		e := entry()
		e.Files = []File{test.file}
		if err := w.Begin(e); err != nil {
			t.Fatal(err)
		}
		look := func(state State, files, readable bool) {
			t.Helper()
			asNobody(t, func() {
				got, err := Open(dir).WithNotices().Recall(e.ID)
				switch {
				case !readable && !errors.Is(err, fs.ErrPermission):
					t.Errorf("%s, %s: %+v, %v; want no permission", name, state, got, err)
				case readable && (err != nil || !got.Same(e) || got.State != state || len(got.Files) > 0 != files):
					t.Errorf("%s, %s: %+v, %v", name, state, got, err)
				}
			})
		}
		look(Begun, true, !test.private)
		for _, state := range []State{Waiting, Confirming, Reverting, Reverted, Done} {
			e.State = state
			if err := w.Update(e); err != nil {
				t.Fatal(err)
			}
			look(state, !test.private, !test.private || state != Reverting)
		}
		// Who acts on an entry needs all of it.
		asNobody(t, func() {
			if got, err := Open(dir).Recall(e.ID); err == nil && test.private {
				t.Errorf("%s: without notices: %+v", name, got)
			}
		})
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestNoNoticeOfAnEntryThatIsNoMore: neither when its number is given again nor when it
// is too old.
func TestNoNoticeOfAnEntryThatIsNoMore(t *testing.T) {
	w, err := Open(t.TempDir()).Lock()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	private := entry()
	private.Files = []File{{Path: "/d", After: &Content{Mode: 0o644}, Foreign: true}}
	if err := errors.Join(w.Begin(private), w.Update(private)); err != nil {
		t.Fatal(err)
	}
	private.State = Done
	if err := errors.Join(w.Update(private), os.Remove(w.path(1)), w.Begin(entry())); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(w.notice(1)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the notice of another entry is there: %v", err)
	}
	if err := os.WriteFile(w.notice(1), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for range keep + 1 {
		if err := w.Begin(entry()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(w.notice(1)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the notice of an entry that went is there: %v", err)
	}
}
