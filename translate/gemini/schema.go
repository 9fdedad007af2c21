package gemini

import (
	"strings"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// maxSchema is how deeply a schema is rewritten; what is nested more deeply stays as it is.
const maxSchema = 256

// appendSchema appends a schema of the vendor's form as JSON Schema: types in lower case, and
// bounds as numbers, which the vendor's form also has as texts (docs/rules/gemini.md 3). What
// both forms have stays as it is.
func appendSchema(dst []byte, schema translate.Raw) []byte {
	return schemaAt(dst, schema, maxSchema, false)
}

// schemaAt appends a value within a schema. names: it is an object whose names are a client's own.
func schemaAt(dst []byte, value translate.Raw, depth int, names bool) []byte {
	if depth == 0 || len(value) == 0 {
		return append(dst, value...)
	}
	switch value[0] {
	case '[':
		dst = append(dst, '[')
		start := len(dst)
		for v := range jsonx.Elements(value) {
			dst = append(schemaAt(dst, v, depth-1, false), ',')
		}
		return jsonx.CloseList(dst, start)
	case '{':
		dst = append(dst, '{')
		start := len(dst)
		for key, v := range jsonx.Pairs(value) {
			dst = append(jsonx.AppendString(dst, key), ':')
			if names {
				dst = schemaAt(dst, v, depth-1, false)
			} else {
				dst = memberAt(dst, string(key), v, depth-1)
			}
			dst = append(dst, ',')
		}
		dst = jsonx.CloseList(dst, start)
		dst[len(dst)-1] = '}'
		return dst
	}
	return append(dst, value...)
}

// memberAt appends the value of a member of a schema.
func memberAt(dst []byte, key string, value translate.Raw, depth int) []byte {
	switch key {
	case "enum", "default", "example", "required", "propertyOrdering", "description", "title", "const":
		return append(dst, value...)
	case "properties", "defs", "$defs", "definitions":
		return schemaAt(dst, value, depth, true)
	case "type":
		if value[0] == '"' {
			return append(dst, strings.ToLower(string(value))...)
		}
	case "minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties":
		if n := len(value); n > 2 && value[0] == '"' && strings.Trim(string(value[1:n-1]), "0123456789") == "" {
			return append(dst, value[1:n-1]...)
		}
	}
	return schemaAt(dst, value, depth, false)
}
