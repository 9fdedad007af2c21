package translate

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// Only makes any member odd that is not among names.
func (f *Fields) Only(names ...string) {
	for i := range f.Outline.Members {
		f.NeedsDecode = f.NeedsDecode || among(f.Outline.Members[i].Key, names) != exact
	}
}

// Text returns a string, which is empty where it is missing.
func (f *Fields) Text(name string) string {
	v := f.value(name)
	if v == nil {
		return ""
	}
	s, ok := unquote(v)
	f.NeedsDecode = f.NeedsDecode || !ok
	return s
}

// Int returns the value of what Count allows, nil where it is missing.
func (f *Fields) Int(name string) *int {
	if !f.Count(name) || f.NeedsDecode {
		return nil
	}
	n, err := strconv.Atoi(string(f.value(name)))
	f.NeedsDecode = f.NeedsDecode || err != nil
	return &n
}

// Number returns a number, nil where it is missing.
func (f *Fields) Number(name string) *float64 {
	v := f.value(name)
	if v == nil {
		return nil
	}
	f.NeedsDecode = f.NeedsDecode || v[0] != '-' && (v[0] < '0' || v[0] > '9')
	n, err := strconv.ParseFloat(string(v), 64)
	f.NeedsDecode = f.NeedsDecode || err != nil
	return &n
}

// Messages returns the messages of an array whose objects have a role and a content
// that is a text, and nothing else. roles says what a role is; 0 is odd.
func (f *Fields) Messages(name string, roles func(string) Role) []Message {
	v := f.value(name)
	if len(v) == 0 || v[0] != '[' {
		f.NeedsDecode = true
		return nil
	}
	w := walker{rest: v[1:]}
	// Each of them is an item.
	parts, msgs := make([]Part, 0, f.Outline.Items), make([]Message, 0, f.Outline.Items)
	for more := w.next() == '{'; more; {
		role, text, ok := w.message()
		r := roles(string(role))
		content, plain := unquote(text)
		if !ok || !plain || r == 0 {
			f.NeedsDecode = true
			return nil
		}
		parts = append(parts, Part{Kind: PartText, Text: content})
		last := len(parts) - 1
		msgs = append(msgs, Message{Role: r, Parts: parts[last : last+1 : last+1]})
		more = w.next() == ',' && w.step() && w.next() == '{'
	}
	f.NeedsDecode = f.NeedsDecode || len(msgs) == 0 || w.next() != ']'
	return msgs
}

// unquote reads a JSON string that was scanned before.
func unquote(v []byte) (s string, ok bool) {
	if len(v) < 2 || v[0] != '"' {
		return "", false
	}
	if bytes.IndexByte(v, '\\') < 0 {
		return string(v[1 : len(v)-1]), true
	}
	ok = json.Unmarshal(v, &s) == nil
	return s, ok
}

// walker goes through JSON that was scanned before, as far as it is of the form
// that it looks for.
type walker struct{ rest []byte }

// next returns the next byte that is no white space, 0 at the end.
func (w *walker) next() byte {
	w.rest = bytes.TrimLeft(w.rest, " \t\r\n")
	if len(w.rest) == 0 {
		return 0
	}
	return w.rest[0]
}

// step goes over that byte, and reports whether there is one.
func (w *walker) step() bool {
	if len(w.rest) == 0 {
		return false
	}
	w.rest = w.rest[1:]
	return true
}

// word returns the number, true, false or null that is next, nil where there is none.
func (w *walker) word() []byte {
	n := bytes.IndexAny(w.rest, ",]} \t\r\n")
	if n < 0 {
		n = len(w.rest)
	}
	word := w.rest[:n]
	if w.rest = w.rest[n:]; n == 0 {
		return nil
	}
	return word
}

// str returns the string that is next, with its quotes.
func (w *walker) str() []byte {
	if w.next() != '"' {
		return nil
	}
	for i := 1; i < len(w.rest); i++ {
		end := bytes.IndexByte(w.rest[i:], '"')
		if end < 0 {
			return nil
		}
		i += end
		slashes := 0
		for w.rest[i-1-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			s := w.rest[:i+1]
			w.rest = w.rest[i+1:]
			return s
		}
	}
	return nil
}

// message reads an object with a role and a content, which are strings, the content
// with its quotes.
func (w *walker) message() (role, content []byte, ok bool) {
	for {
		w.step() // the brace, or the comma
		name := w.str()
		if name == nil || w.next() != ':' {
			return nil, nil, false
		}
		w.step()
		value := w.str()
		switch {
		case value == nil:
			return nil, nil, false
		case string(name) == `"role"`:
			role = value[1 : len(value)-1]
		case string(name) == `"content"`:
			content = value
		default:
			return nil, nil, false
		}
		switch w.next() {
		case ',':
		case '}':
			w.step()
			return role, content, role != nil && content != nil
		default:
			return nil, nil, false
		}
	}
}
