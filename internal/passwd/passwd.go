// Package passwd knows the names of this host's users, from the file passwd(5)
// alone. It refuses to ask name services: what answers for them, such as nscd or a
// directory server, may be slow, down or somebody else's.
package passwd

import (
	"fmt"
	"strconv"
	"strings"

	"portrange/internal/rootfs"
)

// Names are the names of users by number. Of several with one number it is the first.
func Names() (map[uint32]string, error) { return names("/") }

func names(dir string) (map[uint32]string, error) {
	root, err := rootfs.Open(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	file := root.Read("/etc/passwd")
	if file.Err != nil {
		return nil, fmt.Errorf("read %s: %w", file.Path, file.Err)
	}
	return parse(string(file.Data)), nil
}

func parse(text string) map[uint32]string {
	known := map[uint32]string{}
	for line := range strings.Lines(text) {
		fields := strings.Split(line, ":")
		if len(fields) < 3 || fields[0] == "" || strings.HasPrefix(line, "#") {
			continue // + and - include those of NIS, and name nobody
		}
		id, err := strconv.ParseUint(fields[2], 10, 32)
		if _, twice := known[uint32(id)]; err == nil && !twice && !strings.ContainsAny(fields[0][:1], "+-") {
			known[uint32(id)] = fields[0]
		}
	}
	return known
}
