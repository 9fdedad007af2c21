package jsonx

import "bytes"

// templateRoom is what a template may remember at most: longer messages are read
// anew each time.
const templateRoom = 2 << 10

// Template reads messages that are all alike but for one string, such as the pieces
// of a streamed answer. It learns what is around the string from a message that was
// parsed, and then knows every other one with the same surroundings by comparing
// bytes. The zero value knows no message. One goroutine uses it.
type Template struct {
	around []byte // what is before the string and its quote, then what is behind
	before int    // length of the first part
}

// Learn takes message, which is valid JSON, as the pattern of those to come, if that
// is safe: the string that differs must be the value of the only member called key,
// at any depth, and text is what it says. Otherwise the template knows no message.
func (t *Template) Learn(message []byte, key string, text []byte) {
	t.Forget()
	var room [32]byte
	quoted := append(append(append(room[:0], '"'), key...), '"')
	at := bytes.Index(message, quoted)
	if at <= 0 || len(message)-len(text) > templateRoom || bytes.Contains(message[at+1:], quoted) {
		return
	}
	// The quote opens a name and does not end one, and no name is written in escapes:
	// what is found is then the one member of that name.
	if c := message[at-1]; c != '{' && c != ',' {
		return
	}
	from := at + len(quoted)
	if !bytes.HasPrefix(message[from:], []byte(`:"`)) {
		return
	}
	from += len(`:"`)
	to := from + len(text)
	if to >= len(message) || message[to] != '"' || !bytes.Equal(message[from:to], text) || !verbatim(text) {
		return
	}
	if bytes.IndexByte(message[:from], '\\') >= 0 || bytes.IndexByte(message[to:], '\\') >= 0 {
		return
	}
	t.before = from
	t.around = append(append(t.around, message[:from]...), message[to:]...)
}

// Forget makes the template know no message.
func (t *Template) Forget() { t.around, t.before = t.around[:0], 0 }

// Match returns the string of a message that is like the one learnt. ok is false
// where it is not, or might not be JSON, or holds what only a parser reads. text is
// part of message, or of what was appended to scratch, which is returned too.
func (t *Template) Match(message, scratch []byte) (text, grown []byte, ok bool) {
	to := len(message) - (len(t.around) - t.before)
	if t.before == 0 || to < t.before {
		return nil, scratch, false
	}
	if !bytes.Equal(message[:t.before], t.around[:t.before]) || !bytes.Equal(message[to:], t.around[t.before:]) {
		return nil, scratch, false
	}
	text = message[t.before:to]
	if verbatim(text) {
		return text, scratch, true
	}
	from := len(scratch)
	grown, ok = unescape(scratch, text)
	return grown[from:], grown, ok
}

// verbatim reports whether a JSON string says what its bytes say.
func verbatim(s []byte) bool {
	for _, c := range s[clean(s):] {
		if c < ' ' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// unescape appends what a JSON string says. It does not read \u.
func unescape(dst, s []byte) ([]byte, bool) {
	for len(s) > 0 {
		n := bytes.IndexByte(s, '\\')
		if n < 0 {
			n = len(s)
		}
		if !verbatim(s[:n]) {
			return dst, false
		}
		dst = append(dst, s[:n]...)
		s = s[n:]
		if len(s) == 0 {
			return dst, true
		}
		if len(s) == 1 {
			return dst, false
		}
		c, ok := escaped(s[1])
		if !ok {
			return dst, false
		}
		dst = append(dst, c)
		s = s[2:]
	}
	return dst, true
}

// escaped is what a backslash before c means.
func escaped(c byte) (byte, bool) {
	switch c {
	case '"', '\\', '/':
		return c, true
	case 'b':
		return '\b', true
	case 'f':
		return '\f', true
	case 'n':
		return '\n', true
	case 'r':
		return '\r', true
	case 't':
		return '\t', true
	}
	return 0, false
}
