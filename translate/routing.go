package translate

import (
	"bytes"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
)

// RoutingScanner is a Dialect that can tell what routing needs of a question without
// decoding it, which is enough where the question is passed on as it is.
type RoutingScanner interface {
	// ScanRouting fills Dialect, Model, Stream, UsageInStream, Raw and Outline of req and reports
	// true if body is JSON of one reading, see [ScanTopLevel], and its outline is that
	// of a question. What it leaves unread may still be wrong. On false req is as
	// it was, and DecodeRequest says what is wrong, if anything is.
	ScanRouting(req *Request, body []byte) bool
}

// Fields reads single values of a scanned message, as strictly as a RoutingScanner must:
// a value of an unexpected form makes NeedsDecode true, and the message has to be decoded
// to say what is wrong with it.
type Fields struct {
	Body        []byte
	Outline     jsonx.Outline
	NeedsDecode bool
}

// value returns the value of a name, nil where it is missing or null.
func (f *Fields) value(name string) []byte {
	m := f.Outline.Find(name)
	if m == nil || string(f.Body[m.Start:m.End]) == "null" {
		return nil
	}
	return f.Body[m.Start:m.End]
}

// String returns a string that may not be empty, missing or have escapes.
func (f *Fields) String(name string) string {
	v := f.value(name)
	if len(v) < 3 || v[0] != '"' || bytes.IndexByte(v, '\\') >= 0 {
		f.NeedsDecode = true
		return ""
	}
	return string(v[1 : len(v)-1])
}

// Bool returns true or false, which it also is when it is missing.
func (f *Fields) Bool(name string) bool {
	switch v := f.value(name); {
	case v == nil || string(v) == "false":
	case string(v) == "true":
		return true
	default:
		f.NeedsDecode = true
	}
	return false
}

// Missing reports whether there is no value, or null.
func (f *Fields) Missing(name string) bool { return f.value(name) == nil }

// Count reports whether there is a number, which must be an integer from 1 to
// 999,999,999.
func (f *Fields) Count(name string) bool {
	v := f.value(name)
	if v == nil {
		return false
	}
	f.NeedsDecode = f.NeedsDecode || len(v) > 9 || v[0] == '0'
	for _, d := range v {
		f.NeedsDecode = f.NeedsDecode || d < '0' || d > '9'
	}
	return true
}

// Objects makes sure that there is an array that begins with an object.
func (f *Fields) Objects(name string) {
	v := f.value(name)
	if len(v) < 3 || v[0] != '[' || !bytes.HasPrefix(bytes.TrimLeft(v[1:], " \t\r\n"), []byte{'{'}) {
		f.NeedsDecode = true
	}
}

// Object returns the fields of an object, which has none where it is missing. A
// name that differs from one in known only by case is odd.
func (f *Fields) Object(name string, known []string) Fields {
	in := Fields{Body: f.value(name)}
	if in.Body == nil {
		return in
	}
	var ok bool
	in.Outline, ok = jsonx.Members(in.Body)
	in.NeedsDecode = !ok
	for i := range in.Outline.Members {
		in.NeedsDecode = in.NeedsDecode || among(in.Outline.Members[i].Key, known) == misspelt
	}
	return in
}
