package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ErrBusy says that another process is changing settings.
var ErrBusy = errors.New("another portrange is changing settings")

// lockName is the file that a writer locks. It is never removed: a lock on a
// file that somebody removed and made anew locks out nobody.
const lockName = "lock"

// retryLock is how often a patient writer tries again.
const retryLock = 50 * time.Millisecond

// lock takes the directory's lock, which ends with the process at the latest.
// flock(2) is used, and not a file that exists or not, because a killed
// process leaves the latter behind.
func lock(dir string) (*os.File, error) {
	file, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the journal: %w", err)
	}
	err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		// The process id is a word to people who find the lock taken: failure, as on a full disk, is no harm.
		if file.Truncate(0) == nil {
			_, _ = file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
		}
		return file, nil
	}
	defer file.Close()
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, fmt.Errorf("%w%s; try again when it is done", ErrBusy, holder(file))
	}
	return nil, fmt.Errorf("lock the journal: %w", err)
}

// holder is the process that has the lock, for people.
func holder(file *os.File) string {
	text, err := io.ReadAll(io.LimitReader(file, 32))
	pid := strings.TrimSpace(string(text))
	if err != nil || pid == "" {
		return ""
	}
	return " (pid " + pid + ")"
}

// waitLock takes the lock as soon as it is free.
func waitLock(ctx context.Context, dir string) (*os.File, error) {
	for {
		file, err := lock(dir)
		if !errors.Is(err, ErrBusy) {
			return file, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(retryLock):
		}
	}
}
