package clock

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestSyslog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	log, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	tell(path, "change 7 holds")
	text := make([]byte, 100)
	n, err := log.Read(text)
	if want := fmt.Sprintf("<27>portrange[%d]: change 7 holds", os.Getpid()); err != nil || string(text[:n]) != want {
		t.Errorf("%q, %v; want %q", text[:n], err, want)
	}
}

// TestSyslogThatTakesNothing: nobody reads, and the queue is full at some time.
func TestSyslogThatTakesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	tell(path, "nobody listens")
	log, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	const most = 20 * time.Second
	for begun := time.Now(); ; {
		before := time.Now()
		if tell(path, "again"); time.Since(before) > logPatience/2 {
			return // it was full, and went on
		}
		if time.Since(begun) > most {
			t.Fatal("the queue of the log never fills")
		}
	}
}
