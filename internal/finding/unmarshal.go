package finding

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// UnmarshalJSON reads what [Values.MarshalJSON] prints, in its order. Whole
// numbers become int, others float64; a duration comes back as its seconds.
func (vs *Values) UnmarshalJSON(text []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if start, err := decoder.Token(); err != nil || start != json.Delim('{') {
		return fmt.Errorf("values %q: want an object", text)
	}
	*vs = Values{}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return err
		}
		var value any
		if err := decoder.Decode(&value); err != nil {
			return fmt.Errorf("value %v: %w", name, err)
		}
		*vs = append(*vs, Value{Name: name.(string), V: plainNumbers(value)})
	}
	return nil
}

// plainNumbers replaces the numbers of the decoder, within lists and objects too.
func plainNumbers(value any) any {
	switch value := value.(type) {
	case json.Number:
		if whole, err := value.Int64(); err == nil {
			return int(whole)
		}
		fraction, _ := value.Float64()
		return fraction
	case []any:
		for i := range value {
			value[i] = plainNumbers(value[i])
		}
	case map[string]any:
		for name := range value {
			value[name] = plainNumbers(value[name])
		}
	}
	return value
}
