package jsonx

import "bytes"

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
	// the two counts. A name longer than 1 KiB is not compared: it counts as one
	// that is there twice.
	Repeated bool
	// Items is how many objects stand in arrays, at any depth.
	Items int
	// Named reports that a member called name of an object in an array of the outermost
	// object, or of an object in that one, is a string of more than [LongName] bytes: it
	// may be a tool's.
	Named bool
	// Valid reports that the text is one JSON object within the bounds.
	Valid bool
	// Excess is the bound that was broken, None where the text is no JSON or all is well.
	Excess Excess
}

// Excess names a bound of what is scanned. It keeps a text from taking many times its
// size in the memory of whoever reads it.
type Excess uint8

// The bounds.
const (
	None     Excess = iota
	TooDeep         // more than [MaxDepth] levels
	TooMany         // more objects in arrays than [ItemsOf] the text's length
	TooNamed        // more than [MaxMembers] names in an object, or [MaxNames] in the outermost one
)

const (
	// MaxDepth is how deeply values may be nested: as deeply as encoding/json lets them.
	MaxDepth = 10_000
	// MaxItems is how many objects may stand in arrays.
	MaxItems = 100_000
	// MaxMembers is how many names an object may have, and MaxNames the outermost one.
	MaxMembers = 100_000
	MaxNames   = 1_000
	// LongName is how many bytes the name of a thing may have that [Outline.Named] does
	// not report.
	LongName = 128

	fewItems  = 4_000 // that a text of any length may have
	itemBytes = 40    // of a text for each further one
)

// ItemsOf returns how many objects a text of n bytes may have in its arrays:
// 4,000, and one more for each 40 bytes, but 100,000 at most. What is read of them takes
// some 200 bytes for each.
func ItemsOf(n int) int { return min(MaxItems, fewItems+n/itemBytes) }

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
// encoding/json would refuse, for every other JSON value, and where a bound is broken,
// which [Outline.Excess] then names.
func Scan(body []byte) (o Outline, ok bool) {
	s := scanner{b: body, most: ItemsOf(len(body)), outline: true, names: true}
	ok = s.document()
	return Outline{Members: s.members(), Repeated: s.repeated, Items: s.items, Named: s.long, Valid: ok, Excess: s.excess}, ok
}

// Members is Scan without the search for repeated names.
func Members(body []byte) (o Outline, ok bool) {
	s := scanner{b: body, most: ItemsOf(len(body)), outline: true}
	ok = s.document()
	return Outline{Members: s.members(), Items: s.items, Excess: s.excess}, ok
}

// Each calls take with each name of the outermost object and its value, as Members
// finds them, until it returns false. It reports whether body is an object and take
// never did. It allocates nothing for a usual object.
func Each(body []byte, take func(key, value []byte) bool) bool {
	s := scanner{b: body, most: ItemsOf(len(body)), outline: true}
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

// manyKeys is the number of names in one object from which on they are sorted to be
// compared, so that a large object costs no quadratic time.
const manyKeys = 9

// longKey is the length from which on a name is not compared.
const longKey = 1 << 10

type scanner struct {
	b        []byte
	i        int
	most     int  // items
	outline  bool // note the members of the outermost object
	names    bool // look for repeated names
	repeated bool
	named    bool // the value that is next is a name, of a tool perhaps
	long     bool // one was long
	excess   Excess
	items    int
	values   int
	member   Member // of the outermost object, whose value is being read
	top      list[Member]
	keys     list[key]   // names of the objects that are open now
	own      []byte      // what names with escapes say
	open     list[int32] // what is open: of an object where its keys begin, of an array -1
}

func (s *scanner) members() []Member {
	if s.top.len() == 0 {
		return nil
	}
	all := make([]Member, 0, s.top.len())
	return append(all, s.top.from(0)...)
}

func (s *scanner) document() bool {
	if s.next() != '{' || len(s.b) >= fromOwn || !s.value() {
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

// value consumes the value that is next. A level of nesting costs it four bytes, and no
// stack.
func (s *scanner) value() bool {
	for {
		s.values++
		switch c := s.next(); c {
		case '{', '[':
			nested, ok := s.begin(c)
			if !ok {
				return false
			}
			if nested {
				continue
			}
		default:
			if !s.scalar(c) {
				return false
			}
		}
		for s.open.len() > 0 {
			more, ok := s.behind()
			if !ok {
				return false
			}
			if more {
				break
			}
		}
		if s.open.len() == 0 {
			return true
		}
	}
}

// begin consumes c, which opens an object or an array, and reports whether a value of it
// is next; it is empty otherwise, and closed.
func (s *scanner) begin(c byte) (nested, ok bool) {
	if s.open.len() >= MaxDepth {
		s.excess = TooDeep
		return false, false
	}
	s.i++
	if s.next() == c+2 { // the byte that closes
		s.i++
		return false, true
	}
	if c == '[' {
		s.open.add(-1)
		return true, s.item()
	}
	s.open.add(int32(s.keys.len()))
	return true, s.name()
}

// behind consumes what is behind a value in what is open: a comma, after which another
// value is next, or the byte that closes it, after which it is a value itself.
func (s *scanner) behind() (more, ok bool) {
	end, level := s.i, s.open.len()
	base := s.open.at(level - 1)
	c := s.next()
	s.i++
	if base < 0 {
		if c == ']' {
			s.open.cut(level - 1)
		}
		return c == ',', c == ']' || c == ',' && s.item()
	}
	if s.outline && level == 1 {
		s.member.End = end
		s.top.add(s.member)
	}
	switch c {
	case ',':
		return true, s.name()
	case '}':
		s.compare(int(base))
		s.keys.cut(int(base))
		s.open.cut(level - 1)
		return false, true
	}
	return false, false
}

// item counts the element of an array that is next.
func (s *scanner) item() bool {
	if s.next() != '{' {
		return true
	}
	if s.items++; s.items > s.most {
		s.excess = TooMany
	}
	return s.excess == None
}

// name consumes a name and the colon behind it.
func (s *scanner) name() bool {
	if s.next() != '"' {
		return false
	}
	start := s.i
	escaped, ok := s.str()
	if !ok {
		return false
	}
	end := s.i
	if s.next() != ':' {
		return false
	}
	s.i++
	outermost := s.outline && s.open.len() == 1
	if outermost {
		s.member.Key = s.said(start, end, escaped)
		s.space()
		s.member.Start = s.i
		if s.top.len() >= MaxNames {
			s.excess = TooNamed
		}
	}
	if s.names && !s.repeated {
		s.note(start, end, escaped)
	}
	s.named = s.names && (escaped || string(s.b[start:end]) == `"name"`) && s.tooled()
	return s.excess == None
}

// tooled reports whether what is open is where a tool's name stands: in an object in an
// array of the outermost object, or in an object in that.
func (s *scanner) tooled() bool {
	level := s.open.len()
	return (level == 3 || level == 4) && s.open.at(1) < 0
}

// scalar consumes a value that begins with c and is neither an object nor an array.
func (s *scanner) scalar(c byte) bool {
	switch c {
	case '"':
		start := s.i
		_, ok := s.str()
		if s.named {
			s.named = false
			s.long = s.long || s.i-start > LongName+2
		}
		return ok
	case 't':
		return s.word("true")
	case 'f':
		return s.word("false")
	case 'n':
		return s.word("null")
	}
	return s.number()
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

// Splice appends text with the value of its member m replaced by a string.
func Splice(dst, text []byte, m *Member, value string) []byte {
	dst = append(dst, text[:m.Start]...)
	dst = AppendString(dst, value)
	return append(dst, text[m.End:]...)
}

// IsObject reports whether text begins as an object does. It tells one from null, which
// encoding/json takes for an object as well.
func IsObject(text []byte) bool {
	text = bytes.TrimLeft(text, " \t\r\n")
	return len(text) > 0 && text[0] == '{'
}
