//go:build amd64 || arm64

package faults

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Where portrange writes. All of it is empty and the test's own.
const (
	sysctlDir  = "/etc/sysctl.d"
	stateDir   = "/var/lib/portrange"
	entriesDir = stateDir + "/journal"
	runDir     = "/run" // without a sign of systemd
	other      = sysctlDir + "/zzz-other.conf"
	otherText  = "kernel.panic = 10\nnet.ipv4.ip_local_port_range = 32768 60999\n"
)

// settings are those that change, with their values at the start.
var settings = map[string]string{aRange: "32768 60999", aList: "7,9,8080"}

func settingPath(key string) string { return "/proc/sys/" + strings.ReplaceAll(key, ".", "/") }

// mountHost gives the process, which is in namespaces of its own, file systems of
// its own.
func mountHost(t *testing.T) {
	t.Helper()
	if os.Getpid() != 1 {
		t.Fatal("not the first process of a PID namespace of its own")
	}
	errs := []error{unix.Mount("proc", "/proc", "proc", 0, "")}
	for _, dir := range []string{sysctlDir, stateDir, runDir} {
		errs = append(errs, os.MkdirAll(dir, 0o755), unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=755,size=16m"))
	}
	const conf = "/etc/sysctl.conf"
	if _, err := os.Stat(conf); err == nil {
		empty := filepath.Join(runDir, "sysctl.conf")
		errs = append(errs, os.WriteFile(empty, nil, 0o644), unix.Mount(empty, conf, "", unix.MS_BIND, ""))
	}
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// reset brings the host back to the start, with a list of reserved ports.
func reset(t *testing.T, reserved string) {
	t.Helper()
	var errs []error
	for _, dir := range []string{sysctlDir, stateDir} {
		names, err := os.ReadDir(dir)
		errs = append(errs, err)
		for _, name := range names {
			errs = append(errs, os.RemoveAll(filepath.Join(dir, name.Name())))
		}
	}
	errs = append(errs, os.WriteFile(other, []byte(otherText), 0o640),
		unix.Setxattr(other, "trusted.note", []byte("keep"), 0),
		os.WriteFile(filepath.Join(sysctlDir, ".zz-portrange.conf1"), []byte("an administrator's\n"), 0o600),
		os.WriteFile(settingPath(aRange), []byte(settings[aRange]+"\n"), 0),
		writeList(reserved))
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// writeList sets the reserved ports: the kernel takes less than a page a call, and
// adds what is written at an offset.
func writeList(list string) error {
	file, err := os.OpenFile(settingPath(aList), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	offset := int64(0)
	for _, line := range lines(list) {
		if _, err := file.WriteAt([]byte(line+"\n"), offset); err != nil {
			return err
		}
		offset = 1
	}
	return nil
}

func lines(list string) []string {
	const room = 3000
	var all []string
	for len(list) > room {
		cut := strings.LastIndexByte(list[:room], ',')
		all, list = append(all, list[:cut]), list[cut+1:]
	}
	return append(all, list)
}

// written is the time in the header of a file of portrange.
var written = regexp.MustCompile(` on \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`)

// look is the situation now.
func look(t *testing.T) Situation {
	t.Helper()
	now := Situation{}
	for key := range settings {
		value := make([]byte, 1<<19) // one read(2) for all of it
		file, err := os.Open(settingPath(key))
		if err != nil {
			t.Fatal(err)
		}
		n, _ := file.Read(value)
		now[key] = strings.Join(strings.Fields(string(value[:n])), " ")
		file.Close()
	}
	err := filepath.WalkDir(sysctlDir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		info, err := entry.Info()
		note := make([]byte, 64)
		n, _ := unix.Getxattr(path, "trusted.note", note)
		now[path] = fmt.Sprintf("%v %q %s", info.Mode(), note[:max(n, 0)], written.ReplaceAll(data, nil))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return now
}

// newest is the state of the journal's newest entry, as another program reads it.
func newest(t *testing.T) string {
	t.Helper()
	entries, err := filepath.Glob(entriesDir + "/[0-9]*.json")
	if err != nil || len(entries) == 0 {
		return ""
	}
	data, err := os.ReadFile(entries[len(entries)-1])
	if err != nil {
		t.Fatal(err)
	}
	var entry struct{ State string }
	if err := json.Unmarshal(data, &entry); err != nil {
		return "broken: " + err.Error()
	}
	return entry.State
}

// leftTemporary lists unfinished files anywhere below where portrange writes.
func leftTemporary() []string {
	var left []string
	for _, dir := range []string{sysctlDir, stateDir} {
		_ = filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			if err == nil && isTemporary(path) {
				left = append(left, path)
			}
			return nil
		})
	}
	return left
}
