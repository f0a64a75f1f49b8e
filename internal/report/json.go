package report

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"portrange/internal/escape"
	"portrange/internal/host"
	"portrange/internal/judge"
)

// WriteJSON prints one document, indented, with a final newline.
func WriteJSON(w io.Writer, document any) error {
	var err error
	if show, is := document.(*Show); is {
		err = writeShow(w, show)
	} else {
		err = writeIndented(w, document, "")
	}
	if err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
}

func writeIndented(w io.Writer, document any, prefix string) error {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent(prefix, "  ")
	if err := encoder.Encode(document); err != nil {
		return err
	}
	_, err := w.Write(escape.JSON(text.Bytes()))
	return err
}

// noPools is where a namespace's pools belong. No JSON string has a line break
// in it, so nothing else can look like that.
const noPools = "\n      \"pools\": []"

// writeShow prints the pools one after the other into a document without any:
// of a hundred thousand the text would take more memory than all the rest.
func writeShow(w io.Writer, doc *Show) error {
	empty := *doc
	empty.Namespaces = slices.Clone(doc.Namespaces)
	for i := range empty.Namespaces {
		empty.Namespaces[i].Pools = []judge.Pool{}
	}
	var frame bytes.Buffer
	if err := writeIndented(&frame, &empty, ""); err != nil {
		return err
	}
	parts := strings.SplitAfter(frame.String(), noPools)
	out := bufio.NewWriterSize(w, 64<<10)
	for i, part := range parts[:len(doc.Namespaces)] {
		if err := writePools(out, strings.TrimSuffix(part, "]"), doc.Namespaces[i].Pools); err != nil {
			return err
		}
	}
	_, err := out.WriteString(parts[len(doc.Namespaces)])
	return cmp.Or(err, out.Flush())
}

// writePools ends the list that before begins.
func writePools(w io.Writer, before string, pools []judge.Pool) error {
	const prefix = "        "
	var text bytes.Buffer
	for i := range pools {
		text.Reset()
		text.WriteString(before + "\n" + prefix)
		if err := writeIndented(&text, &pools[i], prefix); err != nil {
			return err
		}
		if _, err := w.Write(bytes.TrimSuffix(text.Bytes(), []byte("\n"))); err != nil {
			return err
		}
		before = ","
	}
	end := before + "]"
	if len(pools) > 0 {
		end = "\n      ]"
	}
	_, err := io.WriteString(w, end)
	return err
}

// SocketsJSON prints the document of `portrange sockets` while the sockets
// come: one object with a line for each socket. A document that was cut short
// lacks its end and is no valid JSON.
type SocketsJSON struct {
	w       io.Writer
	encoder *json.Encoder
	line    bytes.Buffer
	begun   bool
}

// NewSocketsJSON prints to w, which should be buffered.
func NewSocketsJSON(w io.Writer) *SocketsJSON {
	p := &SocketsJSON{w: w}
	p.encoder = json.NewEncoder(&p.line)
	p.encoder.SetEscapeHTML(false)
	return p
}

// Write prints one socket.
func (p *SocketsJSON) Write(s *Socket) error {
	p.line.Reset()
	p.line.WriteString(p.before())
	err := p.encoder.Encode(s)
	if err == nil {
		_, err = p.w.Write(escape.JSON(bytes.TrimSuffix(p.line.Bytes(), []byte("\n"))))
	}
	if err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
}

// Close ends the document with what could not be read; with more, --limit has left
// sockets out.
func (p *SocketsJSON) Close(gaps []host.Gap, more bool) error {
	before := "\n"
	if !p.begun {
		before = p.before()
	}
	list, err := json.Marshal(gaps)
	if err == nil {
		if more {
			before += `],"more":true`
		} else {
			before += "]"
		}
		_, err = fmt.Fprintf(p.w, "%s,\"gaps\":%s}\n", before, escape.JSON(list))
	}
	if err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
}

// before is what stands before the next socket: the head of the document or a comma.
func (p *SocketsJSON) before() string {
	if p.begun {
		return ",\n"
	}
	p.begun = true
	return fmt.Sprintf("{\"schema_version\":%d,\"sockets\":[\n", SchemaVersion)
}
