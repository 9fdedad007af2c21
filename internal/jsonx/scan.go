package jsonx

import (
	"bytes"
	"encoding/json"
	"unicode"
	"unicode/utf8"
)

// Member is one name of a JSON object and where its value lies.
type Member struct {
	// Key is the name, unescaped. It aliases the scanned bytes where the name
	// has no escapes.
	Key []byte
	// The value is body[Start:End], without the white space around it.
	Start, End int
}

// Outline is what one pass over a JSON object finds.
type Outline struct {
	// Members are those of the outermost object, in their order, repetitions
	// included.
	Members []Member
	// Repeated reports that some object, at any depth, has two names that are
	// equal, or equal but for their case: readers of JSON disagree on which of
	// the two counts.
	Repeated bool
}

// Find returns the last member with that very name, or nil.
func (o *Outline) Find(name string) *Member {
	for i := len(o.Members) - 1; i >= 0; i-- {
		if string(o.Members[i].Key) == name {
			return &o.Members[i]
		}
	}
	return nil
}

// Scan reads body, which must be one JSON object. ok is false for anything that
// encoding/json would refuse, and for every other JSON value.
func Scan(body []byte) (o Outline, ok bool) {
	s := scanner{b: body, names: true}
	ok = s.document()
	return Outline{Members: s.members(), Repeated: s.repeated}, ok
}

// Members is Scan without the search for repeated names.
func Members(body []byte) (o Outline, ok bool) {
	s := scanner{b: body}
	ok = s.document()
	return Outline{Members: s.members()}, ok
}

// Each calls take with each name of the outermost object and its value, as Members
// finds them, until it returns false. It reports whether body is an object and take
// never did. It allocates nothing for a usual object.
func Each(body []byte, take func(key, value []byte) bool) bool {
	s := scanner{b: body}
	if !s.document() {
		return false
	}
	for i := range s.top.len() {
		if m := s.top.at(i); !take(m.Key, body[m.Start:m.End]) {
			return false
		}
	}
	return true
}

// fewNames are those of a usual question: to scan it allocates nothing but what is
// returned.
const fewNames = 16

// maxDepth is how deeply encoding/json lets values be nested.
const maxDepth = 10000

// manyKeys is the number of names in one object from which on they are compared
// by hash, so that a large object costs no quadratic time.
const manyKeys = 32

type scanner struct {
	b        []byte
	i        int
	depth    int
	names    bool // look for repeated names
	repeated bool
	top      list[Member]
	keys     list[[]byte] // names of the objects that are open now
}

// list is a slice that lies on the stack, with what holds it, while it is short.
type list[T any] struct {
	few  [fewNames]T
	n    int // of few
	more []T
}

func (l *list[T]) add(v T) {
	if l.n < fewNames {
		l.few[l.n] = v
		l.n++
		return
	}
	l.more = append(l.more, v)
}

func (l *list[T]) len() int { return l.n + len(l.more) }

func (l *list[T]) at(i int) T {
	if i < fewNames {
		return l.few[i]
	}
	return l.more[i-fewNames]
}

// cut leaves the first n.
func (l *list[T]) cut(n int) {
	l.more = l.more[:max(0, n-fewNames)]
	l.n = min(l.n, n)
}

func (s *scanner) members() []Member {
	if s.top.len() == 0 {
		return nil
	}
	all := make([]Member, 0, s.top.len())
	return append(append(all, s.top.few[:s.top.n]...), s.top.more...)
}

func (s *scanner) document() bool {
	s.space()
	if s.i >= len(s.b) || s.b[s.i] != '{' || !s.object() {
		return false
	}
	s.space()
	return s.i == len(s.b)
}

func (s *scanner) space() {
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ' ', '\t', '\n', '\r':
			s.i++
		default:
			return
		}
	}
}

// next returns the next byte that is not white space without consuming it, 0 at
// the end.
func (s *scanner) next() byte {
	s.space()
	if s.i >= len(s.b) {
		return 0
	}
	return s.b[s.i]
}

func (s *scanner) value() bool {
	switch c := s.next(); {
	case c == '{':
		return s.object()
	case c == '[':
		return s.array()
	case c == '"':
		_, ok := s.str()
		return ok
	case c == 't':
		return s.word("true")
	case c == 'f':
		return s.word("false")
	case c == 'n':
		return s.word("null")
	}
	return s.number()
}

func (s *scanner) object() bool {
	if s.depth++; s.depth > maxDepth {
		return false
	}
	s.i++
	base := s.keys.len()
	var seen map[string]bool
	if s.next() == '}' {
		s.i++
		s.depth--
		return true
	}
	for {
		if s.next() != '"' {
			return false
		}
		start := s.i
		escaped, ok := s.str()
		if !ok {
			return false
		}
		key := s.key(start, escaped)
		if s.names && !s.repeated {
			seen = s.note(key, base, seen)
		}
		if s.next() != ':' {
			return false
		}
		s.i++
		s.space()
		from := s.i
		if !s.value() {
			return false
		}
		if s.depth == 1 {
			s.top.add(Member{Key: key, Start: from, End: s.i})
		}
		more, ok := s.more('}')
		if !ok {
			return false
		}
		if !more {
			s.keys.cut(base)
			s.depth--
			return true
		}
	}
}

// key returns the name that begins at start and ends before the current byte.
func (s *scanner) key(start int, escaped bool) []byte {
	if !escaped {
		return s.b[start+1 : s.i-1]
	}
	if !s.names && s.depth > 1 {
		return nil
	}
	var name string
	// A copy: what is handed on makes the whole scanner escape, with its room.
	if json.Unmarshal(bytes.Clone(s.b[start:s.i]), &name) != nil {
		return nil
	}
	return []byte(name)
}

// note compares a name with those of its object that came before it.
func (s *scanner) note(key []byte, base int, seen map[string]bool) map[string]bool {
	n := s.keys.len()
	if seen == nil && n-base < manyKeys {
		for i := base; i < n; i++ {
			if same(s.keys.at(i), key) {
				s.repeated = true
			}
		}
		s.keys.add(key)
		return nil
	}
	if seen == nil {
		seen = make(map[string]bool, 2*manyKeys)
		for i := base; i < n; i++ {
			seen[string(fold(s.keys.at(i)))] = true
		}
	}
	key = fold(key)
	if seen[string(key)] {
		s.repeated = true
	}
	seen[string(key)] = true
	return seen
}

// same reports whether a and b have the same fold.
func same(a, b []byte) bool {
	if len(a) > 0 && len(b) > 0 && (a[0]^b[0])&^0x20 != 0 && (a[0]|b[0]) < utf8.RuneSelf {
		return false
	}
	return bytes.EqualFold(a, b)
}

// fold returns key in the form in which all names that encoding/json takes for
// equal are the same. It returns key itself where that form is key.
func fold(key []byte) []byte {
	same := true
	for _, c := range key {
		if c >= utf8.RuneSelf || c >= 'a' && c <= 'z' {
			same = false
			break
		}
	}
	if same {
		return key
	}
	out := make([]byte, 0, len(key))
	for i := 0; i < len(key); {
		c := key[i]
		if c < utf8.RuneSelf {
			if c >= 'a' && c <= 'z' {
				c -= 'a' - 'A'
			}
			out = append(out, c)
			i++
			continue
		}
		r, n := utf8.DecodeRune(key[i:])
		out = utf8.AppendRune(out, foldRune(r))
		i += n
	}
	return out
}

// foldRune returns the smallest of the runes that are r but for their case.
func foldRune(r rune) rune {
	for {
		next := unicode.SimpleFold(r)
		if next <= r {
			return next
		}
		r = next
	}
}

func (s *scanner) array() bool {
	if s.depth++; s.depth > maxDepth {
		return false
	}
	s.i++
	if s.next() == ']' {
		s.i++
		s.depth--
		return true
	}
	for {
		if !s.value() {
			return false
		}
		more, ok := s.more(']')
		if !ok {
			return false
		}
		if !more {
			s.depth--
			return true
		}
	}
}

// more consumes a comma, or the byte that closes.
func (s *scanner) more(closing byte) (more, ok bool) {
	c := s.next()
	s.i++
	return c == ',', c == ',' || c == closing
}

// str consumes a string and reports whether it has escapes.
func (s *scanner) str() (escaped, ok bool) {
	s.i++
	for s.i += clean(s.b[s.i:]); s.i < len(s.b); s.i++ {
		c := s.b[s.i]
		if c == '"' {
			s.i++
			return escaped, true
		}
		if c < ' ' {
			return false, false
		}
		if c != '\\' {
			continue
		}
		escaped = true
		if s.i++; s.i >= len(s.b) {
			return false, false
		}
		switch s.b[s.i] {
		case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		case 'u':
			if !s.hex4() {
				return false, false
			}
		default:
			return false, false
		}
		s.i += clean(s.b[s.i+1:])
	}
	return false, false
}

// hex4 moves to the last of the four digits after \u.
func (s *scanner) hex4() bool {
	if s.i+4 >= len(s.b) {
		return false
	}
	for _, c := range s.b[s.i+1 : s.i+5] {
		if (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'f') {
			return false
		}
	}
	s.i += 4
	return true
}

func (s *scanner) word(w string) bool {
	if len(s.b)-s.i < len(w) || string(s.b[s.i:s.i+len(w)]) != w {
		return false
	}
	s.i += len(w)
	return true
}

func (s *scanner) number() bool {
	if s.peek() == '-' {
		s.i++
	}
	if s.peek() == '0' {
		s.i++
	} else if !s.digits() {
		return false
	}
	if s.peek() == '.' {
		s.i++
		if !s.digits() {
			return false
		}
	}
	if s.peek()|0x20 == 'e' {
		s.i++
		if c := s.peek(); c == '+' || c == '-' {
			s.i++
		}
		return s.digits()
	}
	return true
}

func (s *scanner) peek() byte {
	if s.i >= len(s.b) {
		return 0
	}
	return s.b[s.i]
}

func (s *scanner) digits() bool {
	start := s.i
	for s.i < len(s.b) && s.b[s.i] >= '0' && s.b[s.i] <= '9' {
		s.i++
	}
	return s.i > start
}
