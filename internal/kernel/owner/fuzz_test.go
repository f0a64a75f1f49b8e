package owner

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// FuzzSocketInode: what is read of a link says the same as the link.
func FuzzSocketInode(f *testing.F) {
	for _, target := range []string{"socket:[4711]", "socket:[0]", "socket:[4294967295]", "socket:[4294967296]",
		"socket:[+1]",
		"socket:[007]", "pipe:[5]", "/tmp/socket:[5]", "socket:[5] (deleted)", "socket:[]", ""} {
		f.Add([]byte(target))
	}
	f.Fuzz(func(t *testing.T, target []byte) {
		inode, isSocket := socketInode(target)
		digits := bytes.TrimLeft(bytes.TrimSuffix(bytes.TrimPrefix(target, []byte("socket:[")), []byte("]")), "0")
		if isSocket && inode > 0 && string(digits) != fmt.Sprint(inode) {
			t.Errorf("inode %d of %q", inode, target)
		}
		if again, is := socketInode(fmt.Appendf(nil, "socket:[%d]", inode)); !is || again != inode {
			t.Errorf("inode %d reads back as %d, %v", inode, again, is)
		}
	})
}

// FuzzStat: state and flags decide, whatever the command is called. A text that ends
// before the flags decides nothing.
func FuzzStat(f *testing.F) {
	f.Add("systemd", byte('S'), uint32(4194560), uint8(255))
	f.Add("kthreadd", byte('S'), uint32(2129984), uint8(255))
	f.Add("a) Z 1 1 1 0 -1 2129984", byte('R'), uint32(4194560), uint8(255))
	f.Add("\n(", byte('Z'), uint32(0), uint8(255))
	f.Add("sh", byte('Z'), uint32(0), uint8(3))
	f.Fuzz(func(t *testing.T, command string, state byte, flags uint32, cut uint8) {
		if state < 'A' || state > 'z' {
			return // none of the kernel's (task_state_array, fs/proc/array.c)
		}
		before := fmt.Sprintf("7 (%s) %c 1 1 1 0 -1", command, state)
		whole := fmt.Sprintf("%s %d 0 0 0", before, flags)
		if want := flags&kernelThread == 0 && state != 'Z'; mayHaveFiles([]byte(whole)) != want {
			t.Errorf("may have files: %v of %q", !want, whole)
		}
		part := before[:min(int(cut), len(before))]
		if !strings.Contains(command, ")") && !mayHaveFiles([]byte(part)) {
			t.Errorf("no files by %q, which has no flags", part)
		}
	})
}
