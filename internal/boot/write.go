package boot

import (
	"bytes"
	"errors"
	"strings"
)

// A writer hands one value to the kernel the way a program does. It reports
// whether the kernel took any of it, and why it refused the rest.
type writer func(k *kernel, key, value string) (took bool, err error)

// writeAll is what the C library and Python do: what one write(2) left over
// goes out in the next.
func writeAll(k *kernel, key, data string) (took bool, err error) {
	for pos := 0; pos < len(data); {
		n, err := k.write(key, data[pos:], pos)
		if err != nil || n == 0 {
			return took, err
		}
		took = true
		pos += n
	}
	return took, nil
}

// writeSystemd appends the newline (write_string_file in src/basic/fileio.c).
func writeSystemd(k *kernel, key, value string) (bool, error) {
	return writeAll(k, key, value+"\n")
}

// procpsPiece is LINELEN of procps's local/procio.c.
const procpsPiece = 4096

// writeProcps is proc_write of procps's local/procio.c. It believes that the
// kernel either takes a value whole or answers EINVAL, and only then writes it
// in pieces that end at commas. But the kernel takes the first page of a list
// and says so: of a list of reserved ports longer than a page, sysctl sets the
// first page and loses the rest without a word.
func writeProcps(k *kernel, key, value string) (took bool, err error) {
	data := []byte(value + "\n")
	if _, err := k.write(key, string(data), 0); err == nil {
		return true, nil
	}
	for pos := 0; ; {
		end := bytes.LastIndexByte(data, '\n')
		if len(data) > procpsPiece {
			end = bytes.LastIndexByte(data[:procpsPiece], ',')
		}
		if end < 0 {
			return took, refuse("the value, and procps finds no comma to cut it at")
		}
		data[end] = '\n'
		n, err := k.write(key, string(data[:end+1]), pos)
		if err != nil {
			return took, err
		}
		took = true
		if n == 0 || n >= len(data) {
			return took, nil
		}
		data, pos = data[n:], pos+n
	}
}

// writeTuned writes no newline, and of an empty value nothing at all
// (_write_sysctl in tuned/plugins/plugin_sysctl.py).
func writeTuned(k *kernel, key, value string) (bool, error) {
	if strings.TrimSpace(value) == "" {
		return false, errors.New("tuned writes nothing for an empty value")
	}
	return writeAll(k, key, value)
}
