package translate

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
)

// Unmarshal decodes raw, which is the value at path in a client's message, into
// v. The empty path is the message itself. The error is an *Error with
// CodeValidation that names the field.
func Unmarshal(path string, raw []byte, v any) error {
	err := json.Unmarshal(raw, v)
	if err == nil {
		return nil
	}
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		at := strings.Trim(path+"."+wrong.Field, ".")
		if at == "" {
			return Invalid("the body must be a JSON object, not " + article(wrong.Value))
		}
		return Invalid(at + " has the wrong type: " + article(wrong.Value))
	}
	if path != "" {
		return Invalid(path + " is not valid")
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return Invalid("the body is not valid JSON (at byte " + strconv.FormatInt(syntax.Offset, 10) + ")")
	}
	return Invalid("the body is not valid JSON")
}

// Index is the path of the ith element of the list at path.
func Index(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// article words encoding/json's name of what it found.
func article(value string) string {
	switch value {
	case "array", "object":
		return "an " + value
	}
	if strings.HasPrefix(value, "number ") {
		return "a number that does not fit"
	}
	return "a " + value
}

// KeepRaw sets r.Raw to body if it is JSON of one reading, see [ScanTopLevel]. Names at
// the top that known does not have are noted as dropped; whoever passes Raw on
// forgets them again.
//
// o and ok are what ScanTopLevel returned for body.
func (r *Request) KeepRaw(body []byte, known []string, o jsonx.Outline, ok bool) {
	for i := range o.Members {
		if among(o.Members[i].Key, known) == unknown {
			r.DropWord(string(o.Members[i].Key))
		}
	}
	r.Raw, r.Outline = nil, nil
	if ok {
		r.Raw = body
	}
}

// stopEvery is how many messages or parts are decoded before Stop is asked again.
const stopEvery = 256

// Stopped returns an *Error if the decoding of r is to end before the i-th of its messages
// or parts.
func (r *Request) Stopped(i int) error {
	if r.Stop == nil || i%stopEvery != 0 || !r.Stop() {
		return nil
	}
	return &Error{Code: CodeCanceled, Fault: FaultGone, Message: "nobody waits for the answer any more"}
}

// RawOutline is the outline of r.Raw, which is JSON of one reading.
func (r *Request) RawOutline() jsonx.Outline {
	if r.Outline != nil {
		return jsonx.Outline{Members: r.Outline}
	}
	o, _ := jsonx.Members(r.Raw) // without a member where it is no object
	return o
}

// AppendRaw appends r.Raw with the model replaced by r.Model, and forgets what was noted as
// dropped. o is the outline of r.Raw.
func (r *Request) AppendRaw(dst []byte, o jsonx.Outline) ([]byte, error) {
	model := o.Find("model")
	if model == nil {
		return dst, &Error{Code: CodeInternal, Message: "the request cannot be passed on"}
	}
	r.Dropped = nil
	return jsonx.Splice(dst, r.Raw, model, r.Model), nil
}

// ScanTopLevel scans a client's message. ok is true for JSON of one reading: valid
// UTF-8, no name twice in an object, at any depth and whatever its case, and no
// name at the top that differs from one in known only by case.
func ScanTopLevel(body []byte, known []string) (o jsonx.Outline, ok bool) {
	o, ok = jsonx.Scan(body)
	ok = ok && !o.Repeated && utf8.Valid(body)
	for i := 0; ok && i < len(o.Members); i++ {
		ok = among(o.Members[i].Key, known) != misspelt
	}
	return o, ok
}

// standing is how a name stands to a list of names.
type standing uint8

const (
	unknown standing = iota
	exact
	misspelt // but for its case it is in the list
)

func among(key []byte, known []string) standing {
	for _, k := range known {
		if string(key) == k {
			return exact
		}
	}
	for _, k := range known {
		if strings.EqualFold(string(key), k) {
			return misspelt
		}
	}
	return unknown
}

// maxDropped bounds how many words of a client are noted: a body of thousands of
// unknown names must not make a header of as many.
const maxDropped = 32

// DropWord is Drop for a word that the client chose: it notes at most 48 bytes of
// it, with anything but visible ASCII replaced, and nothing after 32 words.
func (r *Request) DropWord(word string) {
	if len(r.Dropped) < maxDropped {
		r.Drop(Printable(word))
	}
}

// Printable returns at most 48 bytes of a word that a client chose, with anything but visible
// ASCII replaced.
func Printable(s string) string {
	out := []byte(s[:min(len(s), 48)])
	for i, c := range out {
		if c <= ' ' || c > '~' || c == ',' || c == ';' || c == '"' {
			out[i] = '_'
		}
	}
	return string(out)
}

// QueryMarks begin a query, or a member of one. A path that has one of them behind its unescaping
// was escaped, or joined, by a client that is wrong, and a key may stand behind it.
const QueryMarks = "?&"

// PrintablePath is Printable for the path of a request, up to the mark of a query in it.
func PrintablePath(path string) string {
	if at := strings.IndexAny(path, QueryMarks); at >= 0 {
		path = path[:at]
	}
	return Printable(path)
}
