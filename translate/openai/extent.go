package openai

// extent finds the end of a JSON text that comes in pieces, if that is an object, a list
// or a string, and knows the text again when it is said twice.
type extent struct {
	depth  int
	quoted bool // within a string
	escape bool // behind a backslash
	over   bool // the end was seen
	sum    uint64
}

func (e *extent) feed(p []byte) {
	for _, c := range p {
		e.add(c)
	}
}

// add takes in one byte. White space is no part of the sum: a text that is said again may
// have other.
func (e *extent) add(c byte) {
	if e.over {
		return
	}
	if c > ' ' {
		e.sum = (e.sum ^ uint64(c)) * 1099511628211 // FNV-1a
	}
	switch {
	case e.escape:
		e.escape = false
		return
	case e.quoted:
		e.escape, e.quoted = c == '\\', c != '"'
		if e.quoted {
			return
		}
	case c == '"':
		e.quoted = true
		return
	case c == '{', c == '[':
		e.depth++
		return
	case c == '}', c == ']':
		e.depth--
	default:
		return
	}
	e.over = e.depth <= 0
}

// says reports whether p is the whole text that e has seen the end of.
func (e *extent) says(p []byte) bool {
	var again extent
	again.feed(p)
	return e.over && again.over && again.sum == e.sum
}
