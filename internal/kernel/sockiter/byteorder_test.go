package sockiter

import (
	"encoding/binary"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/google/go-cmp/cmp"
)

// The committed objects, each for both byte orders. Only one of the two is in a
// program, so the other is held against it here.
func objects() []string {
	return []string{"bpf", "bind", filepath.Join("emptyiter", "bpf")}
}

// shape is what an object is to the rest of the package.
type shape struct {
	Programs []string
	Maps     map[string][2]uint32 // size of a value, number of entries
	Records  map[string]string    // members of the structs that Go reads
	Relocs   map[string][]string  // members of the kernel's types that each program asks for
}

func shapeOf(t *testing.T, path string, order binary.ByteOrder) shape {
	t.Helper()
	spec, err := ebpf.LoadCollectionSpec(path)
	if err != nil {
		t.Fatal(err)
	}
	if spec.ByteOrder != order {
		t.Errorf("%s is %v", path, spec.ByteOrder)
	}
	s := shape{Programs: slices.Sorted(maps.Keys(spec.Programs)), Maps: map[string][2]uint32{}, Records: map[string]string{}, Relocs: map[string][]string{}}
	for name, m := range spec.Maps {
		s.Maps[name] = [2]uint32{m.ValueSize, m.MaxEntries}
	}
	for _, name := range []string{"record", "held_record", "bind_walk"} {
		s.Records[name] = members(spec.Types, name)
	}
	for name, p := range spec.Programs {
		s.Relocs[name] = relocations(p)
	}
	return s
}

// members says at which bit each of a struct's begins.
func members(types *btf.Spec, name string) (text string) {
	var found *btf.Struct
	if types.TypeByName(name, &found) != nil {
		return "" // not in this object
	}
	for _, m := range found.Members {
		text += fmt.Sprintf("%s@%d ", m.Name, m.Offset)
	}
	return text
}

// relocations are the questions about the kernel's types, each once.
func relocations(p *ebpf.ProgramSpec) []string {
	asked := map[string]bool{}
	for i := range p.Instructions {
		if relocation := btf.CORERelocationMetadata(&p.Instructions[i]); relocation != nil {
			asked[strings.SplitN(fmt.Sprint(relocation), " local_type_id", 2)[0]] = true
		}
	}
	return slices.Sorted(maps.Keys(asked))
}

// TestByteOrdersAreOne: the objects for both byte orders have the same programs,
// ask the kernel for the same members, and write the same records.
func TestByteOrdersAreOne(t *testing.T) {
	for _, name := range objects() {
		little, big := shapeOf(t, name+"_bpfel.o", binary.LittleEndian), shapeOf(t, name+"_bpfeb.o", binary.BigEndian)
		if diff := cmp.Diff(little, big); diff != "" {
			t.Errorf("%s differs (-little +big):\n%s", name, diff)
		}
		if len(little.Programs) == 0 {
			t.Errorf("%s has no programs", name)
		}
	}
}

// TestBindingsAreOne: the Go files differ in what they are built for and in which
// object they embed, and in nothing else.
func TestBindingsAreOne(t *testing.T) {
	for _, name := range objects() {
		little, big := binding(t, name+"_bpfel.go"), binding(t, name+"_bpfeb.go")
		if diff := cmp.Diff(little, big); diff != "" {
			t.Errorf("%s differs (-little +big):\n%s", name, diff)
		}
	}
}

func binding(t *testing.T, path string) (lines []string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "//go:build") && !strings.HasPrefix(line, "//go:embed") {
			lines = append(lines, line)
		}
	}
	return lines
}
