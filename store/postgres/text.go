package postgres

import (
	"encoding/hex"
	"strings"
	"unicode/utf8"
)

// escape stands before what PostgreSQL keeps in no text: a NUL, or a byte that is no UTF-8.
// It is a character that means nothing to anybody.
const (
	escape  = "\U0010fffd"
	escaped = escape + "--" // the escape itself
)

// text returns s as the database keeps it: as it is, unless it has what no text may.
func text(s string) string {
	if utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 && !strings.Contains(s, escape) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case strings.HasPrefix(s, escape):
			b.WriteString(escaped)
		case r == 0 || r == utf8.RuneError && n == 1:
			b.WriteString(escape)
			b.WriteString(hex.EncodeToString([]byte{s[0]}))
		default:
			b.WriteString(s[:n])
		}
		s = s[n:]
	}
	return b.String()
}

// plain returns what text was given.
func plain(s string) string {
	before, rest, found := strings.Cut(s, escape)
	if !found {
		return s
	}
	var b strings.Builder
	for found {
		b.WriteString(before)
		code := rest[:min(2, len(rest))]
		if one, err := hex.DecodeString(code); err == nil {
			b.Write(one)
		} else {
			b.WriteString(escape)
		}
		before, rest, found = strings.Cut(rest[len(code):], escape)
	}
	b.WriteString(before)
	return b.String()
}

// plains makes texts that were read from the database what they were before text.
func plains(all ...*string) {
	for _, s := range all {
		*s = plain(*s)
	}
}
