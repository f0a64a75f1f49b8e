package journal

import (
	"bytes"
	"fmt"
	"io/fs"
	"slices"
	"time"
)

// State is how far a change got.
type State string

// The states. Begun becomes Done, Waiting or Reverted; Waiting becomes Confirming
// or Reverting, which are on disk before what they tell of begins: whoever finds
// one of them brings it to its end, Done or Reverted.
const (
	// Begun: the writer had not finished when it wrote the entry. Unless it is
	// at work right now, it was interrupted.
	Begun State = "begun"
	// Waiting: the settings are changed and go back at Deadline unless
	// confirmed; the files are not yet changed.
	Waiting State = "waiting"
	// Confirming: it was confirmed; whether the files are changed is to be seen.
	Confirming State = "confirming"
	// Done: everything holds.
	Done State = "done"
	// Reverting: it is taken back; what of it still holds is to be seen.
	Reverting State = "reverting"
	// Reverted: nothing of it holds any more, as Note explains.
	Reverted State = "reverted"
)

// Entry is one change.
type Entry struct {
	SchemaVersion int       `json:"schema_version"`
	ID            int       `json:"id"` // ascending from 1
	State         State     `json:"state"`
	At            time.Time `json:"at"`
	Command       string    `json:"command"` // as given: set 15000 64001 --persist
	User          string    `json:"user"`    // who gave it
	Boot          string    `json:"boot"`    // kernel.random.boot_id
	// Undoes is the ID of the entry this one takes back, 0 for none.
	Undoes int `json:"undoes,omitempty"`
	// Deadline is when the change goes back unless confirmed; nil where it stays.
	Deadline *time.Time `json:"deadline,omitempty"`
	Note     string     `json:"note,omitempty"`

	// Settings and Files are in the order in which they are written.
	Settings []Setting `json:"settings"`
	Files    []File    `json:"files"`
}

// Title names the entry in messages.
func (e *Entry) Title() string { return fmt.Sprintf("change %d (%s)", e.ID, e.Command) }

// Same reports whether both are the same change, however far each got: a number
// is given again where entries were lost.
func (e *Entry) Same(other *Entry) bool {
	return e.ID == other.ID && e.Boot == other.Boot && e.Command == other.Command && e.At.Equal(other.At)
}

// private reports whether the entry holds what not everybody may read: files of others,
// which may be in a directory that is closed, and such as were closed themselves.
func (e *Entry) private() bool {
	const othersRead = 0o004
	closed := func(c *Content) bool { return c != nil && c.Mode&othersRead == 0 }
	return slices.ContainsFunc(e.Files, func(f File) bool { return f.Foreign || closed(f.Before) || closed(f.After) })
}

// Setting is a change of one setting in one network namespace. Values are in
// the kernel's form with single spaces.
type Setting struct {
	Namespace Place  `json:"namespace"`
	Key       string `json:"key"`
	Before    string `json:"before"`
	After     string `json:"after"`
}

// Place identifies a network namespace for longer than its inode number
// does, which the kernel gives to another one as soon as it is free.
type Place struct {
	ID     uint64 `json:"id"`     // inode number
	Cookie uint64 `json:"cookie"` // SO_NETNS_COOKIE, unique within a boot; 0 where the kernel has none
	Boot   string `json:"boot"`   // kernel.random.boot_id
	Name   string `json:"name"`
	// Path led to it: what is mounted at a place of its own is found by no search.
	Path string `json:"path,omitempty"`
	// Host marks the namespace of process 1, which there is after a reboot too.
	Host bool `json:"host"`
}

// File is a change of one file. A nil Content is no file.
type File struct {
	Path   string   `json:"path"`
	Before *Content `json:"before"`
	After  *Content `json:"after"`
	// Foreign marks a file that portrange did not write.
	Foreign bool `json:"foreign,omitempty"`
}

// Content is a whole file.
type Content struct {
	Mode fs.FileMode `json:"mode"` // as chmod(2) takes it: 0 to 07777
	UID  int         `json:"uid"`
	GID  int         `json:"gid"`
	Data []byte      `json:"data"`
}

// Equal reports whether both are the same file, or both none.
func (c *Content) Equal(other *Content) bool {
	if c == nil || other == nil {
		return c == other
	}
	return c.Mode == other.Mode && c.UID == other.UID && c.GID == other.GID && bytes.Equal(c.Data, other.Data)
}

// Bytes is the data, nil for no file.
func (c *Content) Bytes() []byte {
	if c == nil {
		return nil
	}
	return c.Data
}
