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
		// Each term has a high bit where a byte is below a space, a quote or a
		// backslash; for the lowest such byte it is exact.
		quote, slash := x^'"'*ones, x^'\\'*ones
		if ((x-' '*ones)&^x|(quote-ones)&^quote|(slash-ones)&^slash)&highs != 0 {
			break
		}
		n += 8
	}
	return n
}
