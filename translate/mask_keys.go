package translate

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"slices"
)

const (
	gramSize = 8 // letters and digits of a piece of a key or host that is found
	leastKey = 4 // bytes of a key that is looked for at all
)

// gram is a piece of a key or host: letters and digits in lower case.
type gram [gramSize]byte

// alnum is what of s are ASCII letters and digits, in lower case.
func alnum(s string) []byte {
	var out []byte
	for i := range len(s) {
		if c := lower(s[i]); isAlnum(c) {
			out = append(out, c)
		}
	}
	return out
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c | 0x20
	}
	return c
}

func isAlnum(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }

func isHex(c byte) bool { return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' }

// stream is a way to read a text: its bytes, and for each where it stands in the
// normal form.
type stream struct {
	b        []byte
	from, to []int
}

func (s *stream) put(c byte, from, to int) {
	s.b, s.from, s.to = append(s.b, c), append(s.from, from), append(s.to, to)
}

func (s *stream) reversed() *stream {
	r := &stream{slices.Clone(s.b), slices.Clone(s.from), slices.Clone(s.to)}
	slices.Reverse(r.b)
	slices.Reverse(r.from)
	slices.Reverse(r.to)
	return r
}

// what is what is looked for.
type what uint8

const (
	keysOnly what = iota
	hostsToo
)

// keys finds the keys of m, and its hosts if they are looked for, in every way that t
// can be read.
func (t *text) keys(m *Masker, w what) {
	if m == nil {
		return
	}
	t.short(m)
	if len(m.grams) == 0 && (w == keysOnly || len(m.hosts) == 0) {
		return
	}
	first := len(t.found)
	plain, digits, symbols := &stream{}, &stream{}, &stream{}
	for i, c := range t.b {
		low := lower(c)
		if isAlnum(low) {
			plain.put(low, i, i+1)
		}
		// The 0 of 0x is no digit.
		if isHex(low) && !(c == '0' && i+1 < len(t.b) && t.b[i+1]|0x20 == 'x') {
			digits.put(low, i, i+1)
		}
		switch {
		case isAlnum(low), c == '+', c == '/':
			symbols.put(c, i, i+1)
		case c == '-':
			symbols.put('+', i, i+1)
		case c == '_':
			symbols.put('/', i, i+1)
		}
	}
	for _, s := range [...]*stream{plain, plain.reversed(), t.decimals()} {
		t.search(m, w, s)
	}
	for _, s := range [...]*stream{digits, digits.reversed()} {
		for at := range 2 {
			t.search(m, w, s.decoded(at, 2, unhex))
		}
	}
	for _, s := range [...]*stream{symbols, symbols.reversed()} {
		for at := range 4 {
			t.search(m, w, s.decoded(at, 4, unbase64))
		}
	}
	t.wholeWords(first)
}

// short finds keys that are too short for a piece, where they are words of their own.
func (t *text) short(m *Masker) {
	if len(m.short) == 0 {
		return
	}
	low := t.low
	for _, k := range m.short {
		for at := 0; ; {
			i := bytes.Index(low[at:], []byte(k))
			if i < 0 {
				break
			}
			i += at
			at = i + len(k)
			if (i == 0 || !isAlnum(low[i-1])) && (at == len(low) || !isAlnum(low[at])) {
				t.hide(i, at, maskedKey)
			}
		}
	}
}

// search finds what keys does in one way to read t.
func (t *text) search(m *Masker, w what, s *stream) {
	span := func(i, n int, as string) {
		from, to := s.from[i], s.to[i]
		for j := i; j < i+n; j++ {
			from, to = min(from, s.from[j]), max(to, s.to[j])
		}
		t.hide(from, to, as)
	}
	for i := 0; i+gramSize <= len(s.b); i++ {
		g := gram(s.b[i:])
		if _, ok := m.grams[g]; ok {
			span(i, gramSize, maskedKey)
		}
		if w == keysOnly {
			continue
		}
		for _, h := range m.hosts[g] {
			if bytes.HasPrefix(s.b[i:], []byte(h)) {
				span(i, len(h), maskedAddress)
			}
		}
	}
}

// wholeWords hides the rest of the words of which something was found since first.
func (t *text) wholeWords(first int) {
	found := merged(t.found[first:])
	word := func(c byte) bool { return isAlnum(lower(c)) || c == '-' || c == '_' || c == '+' || c == '=' }
	for i, at := 0, 0; i < len(found); {
		one := found[i]
		for i++; one.from > at && word(t.b[one.from-1]); {
			one.from--
		}
		for at = one.to; at < len(t.b) && word(t.b[at]); {
			at++
		}
		one.to = at
		t.hide(one.from, one.to, one.as)
		for i < len(found) && found[i].to <= at {
			i++
		}
	}
}

// merged is found in its order, with what overlaps as one; it sorts found.
func merged(found []hidden) []hidden {
	slices.SortFunc(found, func(a, b hidden) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(b.to, a.to)) })
	var out []hidden
	for _, one := range found {
		if n := len(out) - 1; n >= 0 && one.from < out[n].to {
			out[n].to = max(out[n].to, one.to)
			continue
		}
		out = append(out, one)
	}
	return out
}

// decoded reads s in groups of size symbols from at on, each of which read makes bytes
// of, and keeps the letters and digits.
func (s *stream) decoded(at, size int, read func(dst, group []byte) int) *stream {
	out := &stream{}
	var buf [4]byte
	for ; at+1 < len(s.b); at += size {
		end := min(at+size, len(s.b))
		n := read(buf[:], s.b[at:end])
		from, to := min(s.from[at], s.from[end-1]), max(s.to[at], s.to[end-1])
		for _, c := range buf[:n] {
			if c = lower(c); isAlnum(c) {
				out.put(c, from, to)
			}
		}
	}
	return out
}

func unhex(dst, group []byte) int {
	if len(group) < 2 {
		return 0
	}
	digit := func(c byte) byte {
		if c >= 'a' {
			return c - 'a' + 10
		}
		return c - '0'
	}
	dst[0] = digit(group[0])<<4 | digit(group[1])
	return 1
}

func unbase64(dst, group []byte) int {
	n, _ := base64.RawStdEncoding.Decode(dst, group)
	return n
}

// decimals reads t as a list of characters by their numbers.
func (t *text) decimals() *stream {
	out := &stream{}
	for i := 0; i < len(t.b); {
		from, v := i, 0
		for i < len(t.b) && t.b[i] >= '0' && t.b[i] <= '9' {
			v = min(v*10+int(t.b[i]-'0'), 1000)
			i++
		}
		if i == from {
			i++
			continue
		}
		if v < 128 {
			if c := lower(byte(v)); isAlnum(c) {
				out.put(c, from, i)
			}
		}
	}
	return out
}
