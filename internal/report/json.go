package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"portrange/internal/port"
)

// WriteJSON prints one document, indented, with a final newline.
func WriteJSON(w io.Writer, document any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(document); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
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
		_, err = p.w.Write(bytes.TrimSuffix(p.line.Bytes(), []byte("\n")))
	}
	if err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
}

// Close ends the document with what could not be read.
func (p *SocketsJSON) Close(gaps []port.Gap) error {
	before := "\n"
	if !p.begun {
		before = p.before()
	}
	list, err := json.Marshal(gaps)
	if err == nil {
		_, err = fmt.Fprintf(p.w, "%s],\"gaps\":%s}\n", before, list)
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
