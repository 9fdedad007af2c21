package translate

import (
	"crypto/sha256"
	"encoding/hex"
	"iter"
	"strconv"
	"unicode/utf8"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
)

// How long a client's names may be, in characters.
const (
	MaxID       = 256 // of a user, a group, a conversation, a message, a call
	MaxModel    = 256 // a model's name, or a preset's
	MaxToolName = 128
	MaxUser     = 64 // of the end user of openai and anthropic: see [UserID]
)

// MaxStops is how many stop sequences a question may have.
const MaxStops = 256

// maxOdd is how many bytes of a message may be no UTF-8. Each takes three where it is
// replaced.
const maxOdd = 64 << 10

// TooLong reports whether s has more than most characters.
func TooLong(s string, most int) bool { return len(s) > most && utf8.RuneCountInString(s) > most }

// Bound returns an *Error with CodeValidation where s, the value of the field at path, is
// too long, else nil.
func Bound(path, s string, most int) error {
	if !TooLong(s, most) {
		return nil
	}
	return Over(path, most)
}

// Over is the error of a value at path that has more than most characters.
func Over(path string, most int) *Error {
	return InvalidAt(path, path+" must have at most "+strconv.Itoa(most)+" characters")
}

// Outsized reports that the JSON text of a string cannot be one of at most most characters,
// each of which takes twelve bytes at most: what is too long is not worth a copy.
func Outsized(text []byte, most int) bool { return len(text) > 12*most+len(`""`) }

// BoundText is [Bound] for a value that was not read yet: it knows what [Outsized] knows.
func BoundText(path string, text []byte, most int) error {
	if !Outsized(text, most) {
		return nil
	}
	return Over(path, most)
}

// InvalidAt is [Invalid] for the parameter at path.
func InvalidAt(path, message string) *Error {
	e := Invalid(message)
	e.Param = path
	return e
}

// UserID returns s, or where it has more than [MaxUser] characters a hash of it that is
// always the same: 64 characters.
func UserID(s string) string {
	if !TooLong(s, MaxUser) {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// Exceeded returns an *Error with CodeValidation that names the bound which o broke, nil
// where it broke none.
func Exceeded(o *jsonx.Outline) *Error {
	switch o.Excess {
	case jsonx.TooDeep:
		return Invalid("the message is nested too deeply: at most 10,000 levels")
	case jsonx.TooMany:
		return Invalid("the message has too many messages, parts and tools: at most 100,000, and at most 4,000 and one more for each 40 bytes of it")
	case jsonx.TooNamed:
		return Invalid("the message has too many members: at most 1,000, and 100,000 in an object within it")
	}
	return nil
}

// Bounded returns what [Exceeded] does, and an *Error for a body that is not UTF-8 in more
// places than could be an accident.
func Bounded(o *jsonx.Outline, body []byte) *Error {
	if err := Exceeded(o); err != nil {
		return err
	}
	if odd(body) > maxOdd {
		return Invalid("the message is not UTF-8: more than 65,536 bytes of it are none")
	}
	return nil
}

// NoObject is the error for a message of a client, called what, that is no JSON object,
// or is one that is nested too deeply to be read.
func NoObject(what string, message []byte) *Error {
	if o, _ := jsonx.Members(message); o.Excess == jsonx.TooDeep {
		return Exceeded(&o)
	}
	return Invalid("the " + what + " is not a JSON object")
}

// odd counts the bytes that are no UTF-8, up to one more than maxOdd.
func odd(body []byte) (n int) {
	if utf8.Valid(body) {
		return 0
	}
	for len(body) > 0 && n <= maxOdd {
		r, size := utf8.DecodeRune(body)
		if r == utf8.RuneError && size == 1 {
			n++
		}
		body = body[size:]
	}
	return n
}

// Raw is the JSON text of a value, as json.RawMessage is, but no copy: it lies in the text
// that Unmarshal was given, and must not be kept longer than that.
type Raw []byte

// UnmarshalJSON implements json.Unmarshaler for json.Unmarshal, which reads in place.
func (r *Raw) UnmarshalJSON(text []byte) error {
	*r = text
	return nil
}

// Null reports whether a value is missing or null.
func (r Raw) Null() bool { return len(r) == 0 || string(r) == "null" }

// Elements returns the values of the array at path in a client's message, and how many of
// them are objects. null has none. The error is an *Error with CodeValidation.
func Elements(path string, array Raw) (values iter.Seq[[]byte], n int, err error) {
	if array.Null() {
		return jsonx.Elements(nil), 0, nil
	}
	if array[0] != '[' {
		return nil, 0, Invalid(path + " has the wrong type: " + article(kindOf(array[0])))
	}
	return jsonx.Elements(array), jsonx.Len(array), nil
}

// kindOf is encoding/json's name of a value that begins with c.
func kindOf(c byte) string {
	switch c {
	case '"':
		return "string"
	case '{':
		return "object"
	case '[':
		return "array"
	case 't', 'f':
		return "bool"
	}
	return "number"
}

// Words reads an array of strings, at most as many as most.
func Words(path string, array Raw, most int) ([]string, error) {
	values, _, err := Elements(path, array)
	if err != nil {
		return nil, err
	}
	var words []string
	for v := range values {
		if len(words) == most {
			return nil, InvalidAt(path, path+" must have at most "+strconv.Itoa(most)+" entries")
		}
		var s string
		if err := Unmarshal(path, v, &s); err != nil {
			return nil, err
		}
		words = append(words, s)
	}
	return words, nil
}

// Parts makes room for the parts of many messages at once. Those of one message lie next to
// each other.
type Parts struct {
	all  []Part
	from int // where the message's begin
}

// NewParts has room for n parts; for more it makes room anew.
func NewParts(n int) Parts { return Parts{all: make([]Part, 0, n)} }

// Begin begins another message.
func (p *Parts) Begin() { p.from = len(p.all) }

// Add adds a part to the message.
func (p *Parts) Add(one Part) {
	if len(p.all) == cap(p.all) {
		of := p.all[p.from:]
		p.all, p.from = append(make([]Part, 0, max(2*len(of), 8)), of...), 0
	}
	p.all = append(p.all, one)
}

// Of returns the message's parts, nil where it has none. They are its own.
func (p *Parts) Of() []Part {
	if p.from == len(p.all) {
		return nil
	}
	return p.all[p.from:len(p.all):len(p.all)]
}

// Cut leaves the first n parts of the message.
func (p *Parts) Cut(n int) { p.all = p.all[:p.from+n] }

// Len is how many parts the message has.
func (p *Parts) Len() int { return len(p.all) - p.from }
