// Package jsonx appends JSON to byte slices.
package jsonx

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

const hex = "0123456789abcdef"

// plain[c] is true for the ASCII bytes that stand for themselves in a string.
var plain = func() (t [256]bool) {
	for c := 0x20; c < 0x80; c++ {
		t[c] = c != '"' && c != '\\'
	}
	t[0x7f] = true
	return t
}()

// AppendString appends s as a JSON string. Invalid UTF-8 becomes U+FFFD, so the
// result is always valid; U+2028 and U+2029 are escaped, as encoding/json does.
func AppendString[T string | []byte](dst []byte, s T) []byte {
	dst = append(dst, '"')
	dst = AppendEscaped(dst, s)
	return append(dst, '"')
}

// AppendEscaped is AppendString without the quotes.
func AppendEscaped[T string | []byte](dst []byte, s T) []byte { return escape(dst, s, false) }

// AppendStringOrNull appends s as AppendString does, or null where it is empty.
func AppendStringOrNull(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, `null`...)
	}
	return AppendString(dst, s)
}

// AppendHTMLString is AppendString that also escapes <, > and &, byte for byte
// what encoding/json writes by default.
func AppendHTMLString[T string | []byte](dst []byte, s T) []byte {
	dst = append(dst, '"')
	dst = escape(dst, s, true)
	return append(dst, '"')
}

func escape[T string | []byte](dst []byte, s T, html bool) []byte {
	start, next := 0, 0 // next: where words are looked at again, not only bytes
	for i := 0; i < len(s); {
		if i >= next {
			i += bare(s[i:], html)
			next = i + 8
			if i == len(s) {
				break
			}
		}
		c := s[i]
		if plain[c] && (!html || c != '<' && c != '>' && c != '&') {
			i++
			continue
		}
		if c < utf8.RuneSelf {
			dst = append(dst, s[start:i]...)
			dst = escapeByte(dst, c)
			i++
			start = i
			continue
		}
		var tail [utf8.UTFMax]byte
		n := copy(tail[:], s[i:])
		r, size := utf8.DecodeRune(tail[:n])
		switch {
		case r == utf8.RuneError && size == 1:
			dst = append(dst, s[start:i]...)
			dst = append(dst, `\ufffd`...)
		case r == 0x2028 || r == 0x2029:
			dst = append(dst, s[start:i]...)
			dst = append(dst, `\u202`...)
			dst = append(dst, hex[r&0xf])
		default:
			i += size
			continue
		}
		i += size
		start = i
	}
	return append(dst, s[start:]...)
}

func escapeByte(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	case '\b':
		return append(dst, '\\', 'b')
	case '\f':
		return append(dst, '\\', 'f')
	}
	return append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xf])
}

// Compact returns a JSON value, which is valid, without the white space around and in it.
func Compact(value []byte) string {
	var b strings.Builder
	b.Grow(len(value))
	s := scanner{b: value}
	for s.space(); s.i < len(value); s.space() {
		start := s.i
		if value[s.i] == '"' {
			_, _ = s.str()
		} else {
			for s.i < len(value) && value[s.i] > ' ' && value[s.i] != '"' {
				s.i++
			}
		}
		if s.i == start {
			break // it was not valid
		}
		b.Write(value[start:s.i])
	}
	return b.String()
}

// CloseList ends the array whose first element begins at start of dst, and whose elements each
// left a comma behind.
func CloseList(dst []byte, start int) []byte {
	if len(dst) > start {
		dst = dst[:len(dst)-1]
	}
	return append(dst, ']')
}

// AppendInt appends n.
func AppendInt(dst []byte, n int64) []byte { return strconv.AppendInt(dst, n, 10) }

// AppendFloat appends f, which must be finite, as encoding/json does.
func AppendFloat(dst []byte, f float64) []byte {
	format := byte('f')
	if abs := max(f, -f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	dst = strconv.AppendFloat(dst, f, format, -1, 64)
	if n := len(dst); format == 'e' && n >= 4 && dst[n-4] == 'e' && dst[n-3] == '-' && dst[n-2] == '0' {
		dst[n-2] = dst[n-1]
		dst = dst[:n-1]
	}
	return dst
}

// AppendBool appends b.
func AppendBool(dst []byte, b bool) []byte { return strconv.AppendBool(dst, b) }
