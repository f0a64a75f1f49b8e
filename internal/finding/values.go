package finding

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"time"
)

// Value is one number or text behind a finding. Its name is a promise of the
// JSON. V is an int, uint64, float64, string, bool, a [time.Duration], or a list
// or map of those; a duration is in seconds in JSON.
type Value struct {
	Name string
	V    any
}

// Values are the numbers behind a finding, in the order in which they are told.
type Values []Value

// Get is a value by its name, nil where there is none.
func (vs Values) Get(name string) any {
	for _, v := range vs {
		if v.Name == name {
			return v.V
		}
	}
	return nil
}

// Int is a number by its name, 0 where there is none.
func (vs Values) Int(name string) int {
	switch v := vs.Get(name).(type) {
	case int:
		return v
	case uint64:
		return int(min(v, math.MaxInt))
	}
	return 0
}

// Float is a number by its name, 0 where there is none.
func (vs Values) Float(name string) float64 {
	if v, is := vs.Get(name).(float64); is {
		return v
	}
	return float64(vs.Int(name))
}

// Text is a text by its name, empty where there is none.
func (vs Values) Text(name string) string {
	switch v := vs.Get(name).(type) {
	case string:
		return v
	case fmt.Stringer:
		return v.String()
	}
	return ""
}

// Duration is a time by its name, 0 where there is none.
func (vs Values) Duration(name string) time.Duration {
	v, _ := vs.Get(name).(time.Duration)
	return v
}

// MarshalJSON prints an object whose members keep the order of the values.
func (vs Values) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, v := range vs {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(v.Name)
		if err != nil {
			return nil, err
		}
		value, err := marshalValue(v.V)
		if err != nil {
			return nil, fmt.Errorf("value %s: %w", v.Name, err)
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

func marshalValue(v any) ([]byte, error) {
	if d, is := v.(time.Duration); is {
		v = d.Seconds()
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}
