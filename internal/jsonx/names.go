package jsonx

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"slices"
	"unicode"
	"unicode/utf8"
)

// key is where a name lies: in the text, or with fromOwn in what is the scanner's own.
type key struct{ from, to uint32 }

const fromOwn = 1 << 31

// list is a slice that lies on the stack, with what holds it, while it is short.
type list[T any] struct {
	few  [fewNames]T
	n    int // of few
	more []T // all of them, once they are more than few
}

func (l *list[T]) add(v T) {
	if l.n < fewNames && len(l.more) == 0 {
		l.few[l.n] = v
		l.n++
		return
	}
	if len(l.more) == 0 {
		l.more = append(l.more, l.few[:]...)
	}
	l.more = append(l.more, v)
}

func (l *list[T]) len() int { return max(l.n, len(l.more)) }

func (l *list[T]) at(i int) T {
	if len(l.more) > 0 {
		return l.more[i]
	}
	return l.few[i]
}

// from returns what begins at i.
func (l *list[T]) from(i int) []T {
	if len(l.more) > 0 {
		return l.more[i:]
	}
	return l.few[i:l.n]
}

// cut leaves the first n.
func (l *list[T]) cut(n int) {
	if len(l.more) > 0 && n <= fewNames {
		copy(l.few[:], l.more[:n])
		l.more = l.more[:0]
	}
	if len(l.more) > 0 {
		l.more = l.more[:n]
	}
	l.n = min(n, fewNames)
}

// said returns what the name says that lies, with its quotes, from start to end.
func (s *scanner) said(start, end int, escaped bool) []byte {
	if !escaped {
		return s.b[start+1 : end-1]
	}
	var name string
	// A copy: what is handed on makes the whole scanner escape, with its room.
	if json.Unmarshal(bytes.Clone(s.b[start:end]), &name) != nil {
		return nil
	}
	return []byte(name)
}

// note keeps a name to be compared when its object is closed.
func (s *scanner) note(start, end int, escaped bool) {
	base := int(s.open.at(s.open.len() - 1))
	switch {
	case s.keys.len()-base >= MaxMembers:
		s.excess = TooNamed
	case end-start > longKey:
		s.repeated = true
	case escaped:
		from := uint32(len(s.own))
		s.own = append(s.own, s.said(start, end, true)...)
		s.keys.add(key{from | fromOwn, uint32(len(s.own))})
	default:
		s.keys.add(key{uint32(start + 1), uint32(end - 1)})
	}
}

func (s *scanner) text(k key) []byte {
	if k.from&fromOwn != 0 {
		return s.own[k.from&^fromOwn : k.to]
	}
	return s.b[k.from:k.to]
}

// compare looks for a repeated name among those from base on.
func (s *scanner) compare(base int) {
	if s.repeated || s.keys.len()-base < 2 {
		return
	}
	keys := s.keys.from(base)
	if len(keys) < manyKeys {
		for i := range keys {
			for j := range i {
				if same(s.text(keys[i]), s.text(keys[j])) {
					s.repeated = true
				}
			}
		}
		return
	}
	slices.SortFunc(keys, func(a, b key) int { return foldCompare(s.text(a), s.text(b)) })
	for i := 1; i < len(keys) && !s.repeated; i++ {
		s.repeated = same(s.text(keys[i-1]), s.text(keys[i]))
	}
}

// same reports whether a and b are equal but for their case.
func same(a, b []byte) bool {
	if len(a) > 0 && len(b) > 0 && (a[0]^b[0])&^0x20 != 0 && (a[0]|b[0]) < utf8.RuneSelf {
		return false
	}
	return foldCompare(a, b) == 0
}

// foldCompare orders names so that all that encoding/json takes for equal are next to
// each other, and equal.
func foldCompare(a, b []byte) int {
	n := min(len(a), len(b))
	i := 0
	for i+8 <= n && binary.LittleEndian.Uint64(a[i:]) == binary.LittleEndian.Uint64(b[i:]) {
		i += 8
	}
	for i > 0 && i < n && !(utf8.RuneStart(a[i]) && utf8.RuneStart(b[i])) {
		i-- // both are the same up to here
	}
	for ; i < n; i++ {
		x, y := a[i], b[i]
		if x|y >= utf8.RuneSelf {
			return runesCompare(a[i:], b[i:])
		}
		if x, y = upper(x), upper(y); x != y {
			return int(x) - int(y)
		}
	}
	return len(a) - len(b)
}

func upper(c byte) byte {
	if c >= 'a' && c <= 'z' {
		return c - ('a' - 'A')
	}
	return c
}

// runesCompare is foldCompare for names that are not ASCII.
func runesCompare(a, b []byte) int {
	for len(a) > 0 && len(b) > 0 {
		x, n := utf8.DecodeRune(a)
		y, m := utf8.DecodeRune(b)
		if x, y = foldRune(x), foldRune(y); x != y {
			return int(x) - int(y)
		}
		a, b = a[n:], b[m:]
	}
	return len(a) - len(b)
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
