package jsonx

import "unicode/utf8"

// Whole returns the length of b without the beginning of a rune at its end that
// more bytes could complete. Bytes that are no UTF-8 at all count as whole.
func Whole[T string | []byte](b T) int {
	for i := len(b) - 1; i >= 0 && i >= len(b)-utf8.UTFMax+1; i-- {
		if b[i] < utf8.RuneSelf {
			return len(b)
		}
		if !utf8.RuneStart(b[i]) {
			continue
		}
		var tail [utf8.UTFMax]byte
		if n := copy(tail[:], b[i:]); !utf8.FullRune(tail[:n]) {
			return i
		}
		return len(b)
	}
	return len(b)
}

// Cut returns s, or its first bytes, at most most of them, without splitting a
// rune.
func Cut[T string | []byte](s T, most int) T {
	if len(s) <= most {
		return s
	}
	return s[:Whole(s[:most])]
}

// Runes cuts a text that comes in pieces so that no rune is split over two of
// them. The zero value is ready; one goroutine uses it.
type Runes struct {
	held []byte
	out  int // how much of held the last Next gave out
}

// Next returns what was held back and text, without the incomplete rune at the
// end, which is held back for the next call. The result may be empty; it aliases
// text or memory of r and is valid until the next call of a method of r.
func (r *Runes) Next(text []byte) []byte {
	r.held = append(r.held[:0], r.held[r.out:]...)
	r.out = 0
	if len(r.held) == 0 {
		n := Whole(text)
		r.held = append(r.held, text[n:]...)
		return text[:n]
	}
	r.held = append(r.held, text...)
	r.out = Whole(r.held)
	return r.held[:r.out]
}

// Rest returns what is held back, normally nothing, and forgets it: the bytes of
// a rune that will never be completed. It is valid until the next call of Next.
func (r *Runes) Rest() []byte {
	rest := r.held[r.out:]
	r.out = len(r.held)
	return rest
}
