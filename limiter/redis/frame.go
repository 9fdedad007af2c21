package redis

import (
	"bytes"
	"errors"
	"strconv"
)

// Bounds of one reply. Those to the questions of this package have less than 10 KiB, in
// one string; what a server says of itself may list its modules.
const (
	mostBytes  = 256 << 10
	mostLine   = 4 << 10
	mostNumber = 20 // digits and a sign
	mostDepth  = 8
	mostValues = 4096
)

var (
	errTooLong = errors.New("a reply is too long")
	errTooDeep = errors.New("a reply is nested too deep")
	errFraming = errors.New("a reply breaks the framing")
)

// scanner finds the end of one reply, RESP2 or RESP3, while its bytes come in, and takes
// nothing that the library would have to believe: no length that is negative or that
// the bounds do not hold, no unknown type, no aggregate without a length, no attribute,
// and no push message within a reply. It keeps nothing of what it has seen.
type scanner struct {
	pos    int // all before it is well
	values int
	depth  int
	open   [mostDepth]int // how many values each aggregate still wants
}

// scan goes on in b, which begins with the reply and has grown since the last call. It
// reports whether the reply is complete: then it is b[:s.pos].
func (s *scanner) scan(b []byte) (done bool, err error) {
	for {
		n, more, err := s.value(b[s.pos:])
		if err != nil {
			return false, err
		}
		if n == 0 {
			if len(b) > mostBytes {
				return false, errTooLong
			}
			return false, nil
		}
		s.pos += n
		if s.pos > mostBytes {
			return false, errTooLong
		}
		if more > 0 {
			if s.depth == mostDepth {
				return false, errTooDeep
			}
			s.open[s.depth] = more
			s.depth++
			continue
		}
		for s.depth > 0 {
			if s.open[s.depth-1]--; s.open[s.depth-1] > 0 {
				break
			}
			s.depth--
		}
		if s.depth == 0 {
			return true, nil
		}
	}
}

// value looks at the value that b begins with: how long it is, 0 for not yet there, or
// of an aggregate how long its head is and how many values follow.
func (s *scanner) value(b []byte) (n, more int, err error) {
	line, n, err := lineOf(b)
	if err != nil || n == 0 {
		return 0, 0, err
	}
	kind, text := line[0], line[1:]
	switch kind {
	case '+', '-', '(', ',':
		return n, 0, nil
	case ':':
		if _, ok := number(text); !ok {
			return 0, 0, errFraming
		}
		return n, 0, nil
	case '_':
		return only(n, len(text) == 0)
	case '#':
		return only(n, string(text) == "t" || string(text) == "f")
	case '$', '=', '!':
		return s.blob(b, n, kind, text)
	case '*', '%', '~', '>':
		return s.aggregate(n, kind, text)
	}
	return 0, 0, errFraming
}

func only(n int, ok bool) (int, int, error) {
	if !ok {
		return 0, 0, errFraming
	}
	return n, 0, nil
}

// lineOf is the line that b begins with, without its end, and how long it is with it; 0
// for not yet there.
func lineOf(b []byte) (line []byte, n int, err error) {
	end := bytes.IndexByte(b[:min(len(b), mostLine)], '\n')
	switch {
	case end < 0 && len(b) >= mostLine:
		return nil, 0, errTooLong
	case end < 0:
		return nil, 0, nil
	case end < 2 || b[end-1] != '\r' || bytes.IndexByte(b[:end-1], '\r') >= 0:
		return nil, 0, errFraming
	}
	return b[:end-1], end + 1, nil
}

// blob is a string of the length that head says; -1 is none, in RESP2.
func (s *scanner) blob(b []byte, head int, kind byte, text []byte) (n, more int, err error) {
	length, ok := number(text)
	if ok && length == -1 && kind == '$' {
		return head, 0, nil
	}
	if !ok || length < 0 {
		return 0, 0, errFraming
	}
	if length > mostBytes {
		return 0, 0, errTooLong
	}
	if n = head + int(length) + len("\r\n"); s.pos+n > mostBytes {
		return 0, 0, errTooLong
	}
	if len(b) < n {
		return 0, 0, nil
	}
	return only(n, string(b[n-2:n]) == "\r\n")
}

// aggregate is how many values follow a head; -1 is no array, in RESP2.
func (s *scanner) aggregate(head int, kind byte, text []byte) (n, more int, err error) {
	length, ok := number(text)
	if ok && length == -1 && kind == '*' {
		return head, 0, nil
	}
	if !ok || length < 0 || kind == '>' && s.pos > 0 {
		return 0, 0, errFraming
	}
	if length > mostValues {
		return 0, 0, errTooLong
	}
	more = int(length)
	if kind == '%' {
		more *= 2
	}
	if s.values += more; s.values > mostValues {
		return 0, 0, errTooLong
	}
	return head, more, nil
}

// number reads an integer as the library does: digits, before them a minus or nothing.
func number(text []byte) (int64, bool) {
	if len(text) > mostNumber || len(text) > 0 && text[0] == '+' {
		return 0, false
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	return n, err == nil
}
