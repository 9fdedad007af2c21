package jsonx

import "bytes"

// mostPassing is how many bytes the value of a member may have that [Passing] keeps.
const mostPassing = 16 << 10

// Passing reads a JSON object that goes by in pieces, cut anywhere, and keeps some members of the
// outermost object and nothing else of it. It looks for the end of the object and does not check
// whether all in between is JSON. The zero value keeps nothing. One goroutine uses it.
type Passing struct {
	// Keep are the names of the members that are kept. They have no characters that JSON escapes.
	Keep []string
	// Count is the name of a member that is a list of objects, which are counted; empty: none is.
	Count string

	depth    int
	text     bool // within a string
	escaped  bool // behind a backslash
	naming   bool // within a name of the outermost object
	value    bool // behind the colon of a member of it
	spoiled  bool // it is no object
	over     bool
	name     []byte
	kept     [][]byte // by their place in Keep
	keeping  int      // the place in Keep of the member whose value goes by, and 1; 0: of none
	overlong bool     // that value
	counting bool     // the value of Count goes by
	listed   bool     // it is a list
	counted  int      // objects in it
}

// Write takes the next piece. It never fails.
func (p *Passing) Write(piece []byte) (int, error) {
	for rest := piece; len(rest) > 0; {
		n := p.skip(rest)
		p.keep(rest[:n])
		if rest = rest[n:]; len(rest) == 0 {
			break
		}
		p.step(rest[0])
		rest = rest[1:]
	}
	return len(piece), nil
}

// skip is how many bytes rest begins with that change nothing.
func (p *Passing) skip(rest []byte) int {
	if p.escaped || p.naming || p.over || p.spoiled {
		return 0
	}
	stops := `"{}[],:`
	switch {
	case p.text:
		stops = `"\`
	case p.depth > 1:
		stops = `"{}[]`
	}
	if p.depth == 0 {
		return 0
	}
	if n := bytes.IndexAny(rest, stops); n >= 0 {
		return n
	}
	return len(rest)
}

// keep adds bytes to the value that goes by, if it is one of those.
func (p *Passing) keep(some []byte) {
	if p.keeping == 0 || !p.value || p.overlong {
		return
	}
	at := p.keeping - 1
	if p.overlong = len(p.kept[at])+len(some) > mostPassing; p.overlong {
		p.kept[at] = nil
		return
	}
	p.kept[at] = append(p.kept[at], some...)
}

// step takes one byte.
func (p *Passing) step(c byte) {
	switch {
	case p.spoiled:
	case p.over:
		p.spoiled = !blank(c)
	case p.text:
		p.inText(c)
	case p.depth == 0:
		p.begin(c)
	default:
		p.between(c)
	}
}

func blank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// begin takes a byte before the object.
func (p *Passing) begin(c byte) {
	if c == '{' {
		p.depth = 1
		return
	}
	p.spoiled = !blank(c)
}

// inText takes a byte of a string.
func (p *Passing) inText(c byte) {
	end := c == '"' && !p.escaped
	p.escaped = c == '\\' && !p.escaped
	if p.naming {
		if !end && len(p.name) <= longKey {
			p.name = append(p.name, c)
		}
	} else {
		p.keep([]byte{c})
	}
	if end {
		p.text, p.naming = false, false
	}
}

// between takes a byte of the object that is in no string.
func (p *Passing) between(c byte) {
	switch c {
	case '"':
		if p.text, p.naming = true, p.depth == 1 && !p.value; p.naming {
			p.name = p.name[:0]
		}
	case '{', '[':
		p.counts(c)
		p.depth++
	case '}', ']':
		p.depth--
	case ':':
		if p.depth == 1 && !p.value {
			p.begins()
			return
		}
	}
	if p.depth == 0 || p.depth == 1 && c == ',' {
		p.value, p.keeping, p.counting, p.over = false, 0, false, p.depth == 0
		return
	}
	p.keep([]byte{c})
}

// Counted returns how many objects the list Count has that has gone by, and 0 where it is no list.
func (p *Passing) Counted() int { return p.counted }

// counts takes the beginning of an object or of a list.
func (p *Passing) counts(c byte) {
	switch {
	case !p.counting:
	case p.depth == 1:
		p.listed = c == '['
	case p.depth == 2 && p.listed && c == '{':
		p.counted++
	}
}

// begins begins the value of a member. Of two with the same name the last one counts.
func (p *Passing) begins() {
	p.value, p.keeping, p.overlong = true, 0, false
	if p.counting = p.Count != "" && string(p.name) == p.Count; p.counting {
		p.listed, p.counted = false, 0
	}
	for i, name := range p.Keep {
		if string(p.name) != name {
			continue
		}
		if p.kept == nil {
			p.kept = make([][]byte, len(p.Keep))
		}
		p.keeping, p.kept[i] = i+1, p.kept[i][:0]
	}
}

// Member returns the value of a member, as it came but for the white space around it; nil: there
// was none, or it was longer than 16 KiB. Only of one that was not longer it is certain that it is whole, if
// Over reports true. It is valid until the next call of Write.
func (p *Passing) Member(name string) []byte {
	for i, value := range p.kept {
		if p.Keep[i] == name && len(bytes.TrimSpace(value)) > 0 {
			return bytes.TrimSpace(value)
		}
	}
	return nil
}

// Ended reports whether one object has gone by, whatever came behind it.
func (p *Passing) Ended() bool { return p.over }

// Within reports whether an object has begun, and more of it is to come.
func (p *Passing) Within() bool { return p.depth > 0 && !p.over && !p.spoiled }

// Over reports whether one object and nothing else has gone by.
func (p *Passing) Over() bool { return p.over && !p.spoiled }
