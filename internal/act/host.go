package act

import (
	"errors"

	"portrange/internal/act/journal"
)

// Host is what an [Actor] acts on. [System] is the real one.
type Host interface {
	// Get and Set read and write a setting of a namespace, in the kernel's form
	// with single spaces. The error is [ErrGone] where the namespace is no more.
	Get(ns journal.Place, key string) (string, error)
	Set(ns journal.Place, key, value string) error
	// ReadFile returns nil for a file that does not exist.
	ReadFile(path string) (*journal.Content, error)
	// Replaceable is an error where WriteFile would change more of a file than its
	// content, owner and permissions.
	Replaceable(path string) error
	// WriteFile replaces a file in one step; nil removes it.
	WriteFile(path string, content *journal.Content) error
	// Boot identifies the running boot: kernel.random.boot_id.
	Boot() string
}

// ErrGone says that a network namespace is no more.
var ErrGone = errors.New("the network namespace is gone")
