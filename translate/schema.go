package translate

import (
	"bytes"
	"encoding/json"
	"slices"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
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

// ObjectSchema returns the schema of a tool's arguments as both vendors take it: of type
// object, and without anyOf, oneOf and allOf at its top, whose properties become its own.
// What that loses is noted, as name.anyOf. A schema that is well is returned as it is.
func (r *Request) ObjectSchema(name string, schema json.RawMessage) json.RawMessage {
	o, ok := jsonx.Members(schema)
	if !ok {
		return schema
	}
	typed := false
	if m := o.Find("type"); m != nil {
		typed = string(schema[m.Start:m.End]) == `"object"`
	}
	var joined []string
	for _, word := range [...]string{"allOf", "anyOf", "oneOf"} {
		if o.Find(word) != nil {
			joined = append(joined, word)
		}
	}
	switch {
	case joined != nil:
		return r.flat(name, schema, joined)
	case typed:
		return schema
	case o.Find("type") != nil:
		return r.flat(name, schema, nil)
	case len(o.Members) == 0:
		return json.RawMessage(`{"type":"object","properties":{}}`)
	}
	at := bytes.IndexByte(schema, '{') + 1
	return slices.Concat(schema[:at], []byte(`"type":"object",`), schema[at:])
}

// branch is what matters of a schema that is joined with others.
type branch struct {
	Ref        string                     `json:"$ref"`
	Properties map[string]json.RawMessage `json:"properties"`
	Required   []string                   `json:"required"`
}

// flat makes one object of schema and of those that words join.
func (r *Request) flat(name string, schema json.RawMessage, words []string) json.RawMessage {
	var all map[string]json.RawMessage
	var own branch
	if json.Unmarshal(schema, &all) != nil {
		return schema
	}
	_ = json.Unmarshal(schema, &own) // what is of another form joins nothing
	if own.Properties == nil {
		own.Properties = make(map[string]json.RawMessage)
	}
	for _, word := range words {
		var list []json.RawMessage
		_ = json.Unmarshal(all[word], &list)
		delete(all, word)
		r.Drop(name + "." + word)
		var required []string
		for i, one := range list {
			b := resolve(all, one)
			for key, value := range b.Properties {
				if own.Properties[key] == nil {
					own.Properties[key] = value
				}
			}
			switch {
			case word == "allOf" || i == 0:
				required = append(required, b.Required...)
			default: // what all of them demand
				required = slices.DeleteFunc(required, func(s string) bool { return !slices.Contains(b.Required, s) })
			}
		}
		own.Required = append(own.Required, required...)
	}
	all["type"] = json.RawMessage(`"object"`)
	all["properties"], _ = json.Marshal(own.Properties)
	slices.Sort(own.Required)
	if own.Required = slices.Compact(own.Required); own.Required != nil {
		all["required"], _ = json.Marshal(own.Required)
	}
	out, err := json.Marshal(all)
	if err != nil {
		return schema
	}
	return out
}

// resolve reads a schema, or the one in the definitions of all that it refers to.
func resolve(all map[string]json.RawMessage, schema json.RawMessage) (b branch) {
	_ = json.Unmarshal(schema, &b)
	for _, place := range [...]string{"$defs", "definitions"} {
		name, ok := bytes.CutPrefix([]byte(b.Ref), []byte("#/"+place+"/"))
		if !ok {
			continue
		}
		var named map[string]json.RawMessage
		_ = json.Unmarshal(all[place], &named)
		b = branch{}
		_ = json.Unmarshal(named[string(name)], &b)
		break
	}
	return b
}
