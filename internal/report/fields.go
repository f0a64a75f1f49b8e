package report

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"portrange/internal/finding"
)

// Field is one field of a JSON document and its meaning. In a path, [] stands
// for each element of a list and {} for each member of an object with free names.
type Field struct {
	Path    string
	Meaning string
}

// Document describes the JSON that one command prints.
type Document struct {
	Command string
	About   string
	Fields  []Field
}

// Documents describes every document, in the order of the commands. What a field
// means stands beside it, in the struct tag doc.
func Documents() []Document {
	return []Document{
		describe[Show]("show", "One object."),
		describe[singlePool]("left", "One object, the pool. For a local pool (UDP, --bind) the fields device, reusable, used_ratio, states and owners are absent, remote too unless ports are shared, "+
			"and endless, perhaps_endless and shared of show's local_pools may be there. "+
			"With --netns all, for a host with several addresses, and where routing spreads connections over several local ones: "+
			"{schema_version, pools[], local_pools[], gaps[]}, each element with the fields below except schema_version and gaps."),
		describe[socketsDocument]("sockets", "One object, written while the sockets are read, one line for each element of sockets. Cut short, it lacks its end and does not parse."),
		describe[SocketCount]("sockets --count", "With --count: one object."),
		describe[SocketGroups]("sockets --group-by", "With --group-by: one object, the groups."),
		describe[Summary]("summary", "One object."),
		describe[Doctor]("doctor", "One object."),
		describe[Check]("check", "One object."),
		describe[Plan]("plan", "One object."),
		describe[LivePlan]("plan --from-live", "With --from-live: one object, the tuples measured, each with its plan."),
		describe[Costs]("plan --probe", "With --probe: one object, the cost of connect() for each way to fill a pool."),
		describe[Change]("set", "One object. `portrange reserve add` and `portrange reserve remove` print the same."),
		describe[Reserved]("reserve", "One object, of `portrange reserve list`. Those of add and remove are described under set."),
		describe[Undo]("undo", "One object."),
		describe[Confirmation]("confirm", "One object."),
		describe[Boot]("boot", "One object. Values are in the kernel's form, with one space between numbers."),
	}
}

func describe[T any](command, about string) Document {
	return Document{command, about, fieldsOf(reflect.TypeFor[T](), "")}
}

// fieldsOf lists the JSON fields of a struct below a prefix. An object that is
// always there is listed only where something is said of it.
func fieldsOf(of reflect.Type, prefix string) []Field {
	var fields []Field
	for f := range of.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		inner := objectIn(f.Type)
		switch {
		case name == "-" || !f.IsExported():
		case f.Anonymous && name == "":
			fields = append(fields, fieldsOf(inner, prefix)...)
		default:
			path := prefix + name
			switch {
			case f.Type.Kind() == reflect.Map || f.Type == reflect.TypeFor[finding.Values]():
				path += "{}"
			case f.Type.Kind() == reflect.Slice:
				path += "[]"
			}
			if doc := f.Tag.Get("doc"); doc != "" || f.Type != inner {
				fields = append(fields, Field{path, doc})
			}
			if inner != nil && f.Tag.Get("see") == "" { // described elsewhere
				fields = append(fields, fieldsOf(inner, path+".")...)
			}
		}
	}
	return fields
}

// objectIn is the struct that a field holds or points to, or lists; nil for what
// is printed as one value.
func objectIn(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t == reflect.TypeFor[time.Time]() || t == reflect.TypeFor[finding.Value]() {
		return nil
	}
	return t
}

// Markdown is docs/json.md.
func Markdown() string {
	var b strings.Builder
	b.WriteString(markdownHead)
	for _, document := range Documents() {
		fmt.Fprintf(&b, "\n## portrange %s --json\n\n%s\n\n| field | meaning |\n| --- | --- |\n", document.Command, document.About)
		for _, field := range document.Fields {
			fmt.Fprintf(&b, "| `%s` | %s |\n", field.Path, field.Meaning)
		}
	}
	return b.String()
}

const markdownHead = `# JSON documents

Every command prints one JSON document with ` + "`--json`" + `. Fields may be added;
what a field means does not change within one ` + "`schema_version`" + `. In a path,
` + "`[]`" + ` stands for each element of a list and ` + "`{}`" + ` for each member of an object.
The man page of each command lists the same fields, and so does
` + "`portrange help json`" + `.
`
