package translate

import (
	"bytes"
	"slices"
)

// maxSchema is how deeply a schema may be nested that is taken for closed. The vendors
// allow ten objects within each other.
const maxSchema = 256

// Closed reports whether every object in a JSON schema names all that it may have
// and demands all of it. OpenAI takes no other schema in strict mode ("Structured
// outputs", supported schemas); Anthropic lets members be optional. A schema that is
// nested more than 256 deep counts as one that is not.
func Closed(schema []byte) bool {
	w := walker{rest: schema}
	return w.closed(maxSchema, nil) && w.next() == 0
}

// closed goes over the value that is next and says whether it is closed. It adds the names
// of an object, and the strings of an array, to names, if that is not nil. Behind one that
// is not closed the walker is anywhere.
func (w *walker) closed(depth int, names *[][]byte) bool {
	if depth == 0 {
		return false
	}
	switch w.next() {
	case 0:
		return false
	case '{':
		return w.closedObject(depth, names)
	case '[':
		for w.step(); w.next() != ']'; {
			if text := w.str(); text != nil {
				if names != nil {
					*names = append(*names, said(text))
				}
			} else if !w.closed(depth-1, nil) {
				return false
			}
			if w.next() == ',' {
				w.step()
			}
		}
		return w.step()
	case '"':
		return w.str() != nil
	}
	return w.word() != nil
}

// closedObject is closed for an object.
func (w *walker) closedObject(depth int, names *[][]byte) bool {
	var properties, required [][]byte
	object, all := false, false // it is one; it names all that it may have
	for w.step(); w.next() != '}'; {
		key := said(w.str())
		if names != nil {
			*names = append(*names, key)
		}
		if w.next() != ':' {
			return false
		}
		w.step()
		var in *[][]byte
		switch first := w.next(); string(key) {
		case "properties":
			if properties = nil; first == '{' {
				in, object = &properties, true
			}
		case "required":
			if required = nil; first == '[' {
				in = &required
			}
		case "additionalProperties":
			all = bytes.HasPrefix(w.rest, []byte("false"))
		case "type":
			object = object || bytes.HasPrefix(w.rest, []byte(`"object"`))
		}
		if !w.closed(depth-1, in) {
			return false
		}
		if w.next() == ',' {
			w.step()
		}
	}
	w.step()
	return !object || all && demanded(properties, required)
}

// demanded reports whether all names are among required.
func demanded(names, required [][]byte) bool {
	slices.SortFunc(required, bytes.Compare)
	for _, name := range names {
		if _, found := slices.BinarySearchFunc(required, name, bytes.Compare); !found {
			return false
		}
	}
	return true
}

// said is what a string says, given with its quotes.
func said(s []byte) []byte {
	if len(s) > 1 && bytes.IndexByte(s, '\\') < 0 {
		return s[1 : len(s)-1]
	}
	text, _ := unquote(s)
	return []byte(text)
}
