package emptyiter

import (
	"testing"

	"portrange/internal/nettest"
)

func TestWalksToTheEnd(t *testing.T) {
	h := nettest.New(t)
	w, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	h.Do(func() {
		if err := w.Sockets(); err != nil {
			t.Errorf("sockets: %v", err)
		}
	})
	if err := w.Files(); err != nil {
		t.Errorf("files: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if err := w.Sockets(); err == nil {
		t.Error("walked after Close")
	}
}
