package jsonx

import (
	"bytes"
	"strconv"
	"unicode/utf8"
)

// halves puts together characters that a server wrote as two \u escapes and cut in
// the middle, as those do that count text in UTF-16: the first half at the end of
// one JSON text, the second in the next. Each half becomes the bytes of UTF-8 that
// are its share, so that the two make the character once they are put together.
type halves struct {
	buf   []byte
	first rune // the half that was seen last; 0: none waits
}

// escapeOf begins an escape that may be half of a character. It is only read.
var escapeOf = []byte(`\u`)

// join returns text, or a copy of it without lone halves, which is valid until the
// next call.
func (h *halves) join(text []byte) []byte {
	at := bytes.Index(text, escapeOf)
	if at < 0 {
		return text
	}
	// Which backslash escapes which is known from the first of their row on.
	for at > 0 && text[at-1] == '\\' {
		at--
	}
	out, from := h.buf[:0], 0
	for i := at; i < len(text); {
		if text[i] != '\\' {
			i++
			continue
		}
		half := halfAt(text, i)
		switch {
		case half == 0:
			i += 2
		case isFirst(half) && isSecond(halfAt(text, i+6)):
			i += 12
		default:
			out = append(out, text[from:i]...)
			out = h.half(out, half)
			i += 6
			from = i
		}
	}
	if from == 0 {
		return text
	}
	h.buf = append(out, text[from:]...)
	return h.buf
}

// half appends the bytes that are the share of one half. A second one without a
// first is U+FFFD.
func (h *halves) half(dst []byte, r rune) []byte {
	var c [utf8.UTFMax]byte
	if isFirst(r) {
		h.first = r
		utf8.EncodeRune(c[:], 0x10000+(r-0xd800)<<10)
		return append(dst, c[:2]...)
	}
	if h.first == 0 {
		return utf8.AppendRune(dst, utf8.RuneError)
	}
	utf8.EncodeRune(c[:], 0x10000+(h.first-0xd800)<<10+(r-0xdc00))
	h.first = 0
	return append(dst, c[2:]...)
}

// halfAt returns the half of a character whose escape is at i, 0 for none.
func halfAt(text []byte, i int) rune {
	if i+6 > len(text) || text[i] != '\\' || text[i+1] != 'u' {
		return 0
	}
	n, err := strconv.ParseUint(string(text[i+2:i+6]), 16, 16)
	if r := rune(n); err == nil && (isFirst(r) || isSecond(r)) {
		return r
	}
	return 0
}

func isFirst(r rune) bool  { return r >= 0xd800 && r < 0xdc00 }
func isSecond(r rune) bool { return r >= 0xdc00 && r < 0xe000 }
