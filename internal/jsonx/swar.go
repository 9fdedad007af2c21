package jsonx

import "encoding/binary"

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// clean returns how many bytes at the beginning of s can stand in a JSON string as
// they are, rounded down to a multiple of eight.
func clean(s []byte) int {
	n := 0
	for len(s)-n >= 8 {
		x := binary.LittleEndian.Uint64(s[n:])
		if special(x) {
			break
		}
		n += 8
	}
	return n
}

// special reports whether one of the eight bytes of x cannot stand in a JSON string as it is.
func special(x uint64) bool {
	// Each term has a high bit where a byte is below a space, a quote or a
	// backslash; for the lowest such byte it is exact.
	quote, slash := x^'"'*ones, x^'\\'*ones
	return ((x-' '*ones)&^x|(quote-ones)&^quote|(slash-ones)&^slash)&highs != 0
}

// bare returns how many bytes at the beginning of s are ASCII that stands in a JSON string as it
// is, with html also in one of a page, rounded down to a multiple of eight.
func bare[T string | []byte](s T, html bool) int {
	n := 0
	for len(s)-n >= 8 {
		w := s[n : n+8]
		x := uint64(w[0]) | uint64(w[1])<<8 | uint64(w[2])<<16 | uint64(w[3])<<24 |
			uint64(w[4])<<32 | uint64(w[5])<<40 | uint64(w[6])<<48 | uint64(w[7])<<56
		if x&highs != 0 || special(x) {
			break
		}
		if html {
			less, more, and := x^'<'*ones, x^'>'*ones, x^'&'*ones
			if ((less-ones)|(more-ones)|(and-ones))&highs != 0 {
				break
			}
		}
		n += 8
	}
	return n
}
