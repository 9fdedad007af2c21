package translate

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
)

// Field is a member of an object of a client's message, and where its value goes: a
// pointer to a string, a bool, a [Raw], or to a pointer to a bool, an int, an int64 or a float64.
type Field struct {
	Name string
	To   any
}

// Object reads the fields of the object at path as json.Unmarshal would: null leaves what
// is there, a name may differ from a field's in its case, the last of two counts, and other
// members are left alone. It goes over the text once, and what it reads of it takes no more
// room than that. The error is an *Error with CodeValidation that names the field.
func Object(path string, raw Raw, fields []Field) error {
	if raw.Null() {
		return nil
	}
	if raw[0] != '{' {
		return wrongType(path, raw)
	}
	for key, value := range jsonx.Pairs(raw) {
		if err := assign(path, key, value, fields); err != nil {
			return err
		}
	}
	return nil
}

// Fill is Object for what was scanned already: the outermost object of a message.
func Fill(body []byte, members []jsonx.Member, fields []Field) error {
	for i := range members {
		m := &members[i]
		if err := assign("", m.Key, body[m.Start:m.End], fields); err != nil {
			return err
		}
	}
	return nil
}

func assign(path string, key, value []byte, fields []Field) error {
	for i := range fields {
		if string(key) == fields[i].Name {
			return fields[i].read(path, value)
		}
	}
	for i := range fields {
		if strings.EqualFold(string(key), fields[i].Name) {
			return fields[i].read(path, value)
		}
	}
	return nil
}

// read reads the value of f in the object at path.
func (f *Field) read(path string, value Raw) error {
	if to, ok := f.To.(*Raw); ok {
		*to = value
		return nil
	}
	if value.Null() {
		return f.nothing()
	}
	switch to := f.To.(type) {
	case *string:
		if value[0] != '"' {
			return wrongType(join(path, f.Name), value)
		}
		*to = textOf(value)
		return nil
	case *bool:
		if value[0] != 't' && value[0] != 'f' {
			return wrongType(join(path, f.Name), value)
		}
		*to = value[0] == 't'
		return nil
	case **bool:
		var yes bool
		*to = &yes
		return (&Field{Name: f.Name, To: &yes}).read(path, value)
	case **int:
		var n int
		*to = &n
		return Unmarshal(join(path, f.Name), whole(value), &n)
	case **int64:
		var n int64
		*to = &n
		return Unmarshal(join(path, f.Name), whole(value), &n)
	case **float64:
		var n float64
		*to = &n
		return Unmarshal(join(path, f.Name), value, &n)
	}
	panic("BUG: a field of another type")
}

// whole returns a number without the fraction that it has not: 100.0 and 1e2 are 100 (JSON
// Schema counts them as integers). Any other value stays as it is.
func whole(value []byte) []byte {
	if value[0] == '"' || !bytes.ContainsAny(value, ".eE") {
		return value
	}
	const exact = 1 << 53 // up to here a float64 holds every integer
	n, err := strconv.ParseFloat(string(value), 64)
	if err != nil || n != math.Trunc(n) || math.Abs(n) > exact {
		return value
	}
	return strconv.AppendInt(nil, int64(n), 10)
}

// nothing reads null.
func (f *Field) nothing() error {
	switch to := f.To.(type) {
	case **bool:
		*to = nil
	case **int:
		*to = nil
	case **int64:
		*to = nil
	case **float64:
		*to = nil
	}
	return nil
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func wrongType(path string, value []byte) error {
	return Invalid(path + " has the wrong type: " + article(kindOf(value[0])))
}

// Text reads the string at path.
func Text(path string, raw Raw) (string, error) {
	if raw.Null() {
		return "", nil
	}
	if raw[0] != '"' {
		return "", wrongType(path, raw)
	}
	return textOf(raw), nil
}

// textOf is what a JSON string says, with U+FFFD for what is no UTF-8 or half a character.
func textOf(quoted []byte) string {
	s := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(s, '\\') < 0 && utf8.Valid(s) {
		return string(s)
	}
	var b strings.Builder
	b.Grow(len(s) + 2*odd(s))
	for len(s) > 0 {
		n := 0
		switch r, size := utf8.DecodeRune(s); {
		case s[0] == '\\':
			n = unescape(&b, s)
		case r == utf8.RuneError && size == 1:
			b.WriteRune(r)
			n = 1
		case s[0] < utf8.RuneSelf:
			for n = 1; n < len(s) && s[n] < utf8.RuneSelf && s[n] != '\\'; {
				n++
			}
			b.Write(s[:n])
		default:
			n = size
			b.Write(s[:n])
		}
		s = s[n:]
	}
	if b.Len() < b.Cap()/2 {
		return strings.Clone(b.String())
	}
	return b.String()
}

// unescape writes what the escape says that s begins with, and returns its length. The
// escape is one that encoding/json takes.
func unescape(b *strings.Builder, s []byte) int {
	switch s[1] {
	case 'b':
		b.WriteByte('\b')
	case 'f':
		b.WriteByte('\f')
	case 'n':
		b.WriteByte('\n')
	case 'r':
		b.WriteByte('\r')
	case 't':
		b.WriteByte('\t')
	case 'u':
		r := unit(s)
		if !utf16.IsSurrogate(r) {
			b.WriteRune(r)
			return 6
		}
		if r = utf16.DecodeRune(r, unit(s[6:])); r != utf8.RuneError {
			b.WriteRune(r)
			return 12
		}
		b.WriteRune(utf8.RuneError)
		return 6
	default:
		b.WriteByte(s[1])
	}
	return 2
}

// unit is what the \u escape says that s begins with, 0 where it begins with none.
func unit(s []byte) rune {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0
	}
	n, _ := strconv.ParseUint(string(s[2:6]), 16, 16)
	return rune(n)
}

// NotJSON is the error for a message that is no JSON object.
func NotJSON(body []byte) error {
	var none struct{}
	if err := Unmarshal("", body, &none); err != nil {
		return err
	}
	return Invalid("the body must be a JSON object, not null")
}
