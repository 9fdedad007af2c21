package translate

import (
	"bytes"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// text is a text in a normal form, in which what it says can be found however it is
// written, and what of it is to be hidden.
type text struct {
	b        []byte
	low      []byte // b in lower case, as far as it is ASCII
	from, to []int  // of each byte of b, the bytes of the text that it stands for
	found    []hidden
}

// unwrapped is how many layers of escapes are undone.
const unwrapped = 3

// normal returns the normal form of s: characters that mean the same as an ASCII one
// become that one, what nobody sees is left out, and escapes are undone.
func normal(s string) *text {
	t := &text{b: []byte(s), from: make([]int, len(s)), to: make([]int, len(s))}
	for i := range t.b {
		t.from[i], t.to[i] = i, i+1
	}
	t.fold()
	for range unwrapped {
		if !t.unescape() {
			break
		}
		t.fold()
	}
	t.low = make([]byte, len(t.b))
	for i, c := range t.b {
		t.low[i] = lower(c)
	}
	return t
}

// put appends a byte that stands for the bytes of the text from from to to.
func (t *text) put(c byte, from, to int) {
	t.b, t.from, t.to = append(t.b, c), append(t.from, from), append(t.to, to)
}

// fold makes each character what it means.
func (t *text) fold() {
	if !bytes.ContainsFunc(t.b, func(r rune) bool { return r >= utf8.RuneSelf || r < ' ' && !space(r) || r == 0x7f }) {
		return
	}
	out := &text{b: make([]byte, 0, len(t.b)), from: make([]int, 0, len(t.b)), to: make([]int, 0, len(t.b))}
	for i := 0; i < len(t.b); {
		r, n := utf8.DecodeRune(t.b[i:])
		from, to := t.from[i], t.to[i+n-1]
		switch plain := folded(r); {
		case plain == unseen:
		case r == utf8.RuneError && n == 1, plain < utf8.RuneSelf:
			if plain >= utf8.RuneSelf {
				plain = rune(t.b[i])
			}
			out.put(byte(plain), from, to)
		default:
			for _, c := range t.b[i : i+n] {
				out.put(c, from, to)
			}
		}
		i += n
	}
	*t = *out
}

func space(r rune) bool { return r == ' ' || r == '\t' || r == '\n' || r == '\r' }

const unseen = rune(-1)

// folded is the ASCII character that r stands for, unseen where it stands for none and
// nobody sees it, else r.
func folded(r rune) rune {
	switch {
	case r < utf8.RuneSelf:
		if r < ' ' && !space(r) || r == 0x7f {
			return unseen
		}
		return r
	case r >= 0xFF01 && r <= 0xFF5E: // full-width
		return r - 0xFF01 + '!'
	case r >= 0x1D400 && r <= 0x1D6A3: // mathematical letters, 52 of each style
		return letterOf((r - 0x1D400) % 52)
	case r >= 0x1D7CE && r <= 0x1D7FF:
		return '0' + (r-0x1D7CE)%10
	case r >= 0x24B6 && r <= 0x24CF: // in circles
		return 'A' + r - 0x24B6
	case r >= 0x24D0 && r <= 0x24E9:
		return 'a' + r - 0x24D0
	case r >= 0x2460 && r <= 0x2468:
		return '1' + r - 0x2460
	case r >= 0x1F130 && r <= 0x1F149:
		return 'A' + r - 0x1F130
	case r >= 0x2070 && r <= 0x2079 && r != 0x2071: // raised and lowered
		return '0' + r - 0x2070
	case r >= 0x2080 && r <= 0x2089:
		return '0' + r - 0x2080
	case r >= 0x2010 && r <= 0x2015, r == 0x2212, r == 0xFE63:
		return '-'
	case r == 0x3002, r == 0xFF61, r == 0x2024:
		return '.'
	case r == 0x2044, r == 0x2215:
		return '/'
	case r == 0x115F, r == 0x1160, r == 0x3164, r == 0xFFA0, r == 0x2800:
		return unseen
	case unicode.In(r, unicode.Cf, unicode.Cc, unicode.Mn, unicode.Me, unicode.Co, unicode.Zl, unicode.Zp):
		return unseen
	case unicode.Is(unicode.Zs, r):
		return ' '
	}
	if at := strings.IndexRune("¹²³ˣⁱⁿ", r); at >= 0 {
		return map[rune]rune{'¹': '1', '²': '2', '³': '3', 'ˣ': 'x', 'ⁱ': 'i', 'ⁿ': 'n'}[r]
	}
	return r
}

func letterOf(n rune) rune {
	if n < 26 {
		return 'A' + n
	}
	return 'a' + n - 26
}

// unescape undoes one layer of escapes and reports whether there was any.
func (t *text) unescape() bool {
	if !bytes.ContainsAny(t.b, `%\&`) {
		return false
	}
	out := &text{b: make([]byte, 0, len(t.b)), from: make([]int, 0, len(t.b)), to: make([]int, 0, len(t.b))}
	any, end := false, -1
	for i := 0; i < len(t.b); {
		r, n := escape(t.b[i:], i == end)
		end = i + n
		if n == 0 {
			out.put(t.b[i], t.from[i], t.to[i])
			i++
			continue
		}
		any = true
		from, to := t.from[i], t.to[i+n-1]
		if r < 0 { // a byte, perhaps of a longer character
			out.put(byte(-r), from, to)
		} else {
			for _, c := range utf8.AppendRune(nil, r) {
				out.put(c, from, to)
			}
		}
		i += n
	}
	*t = *out
	return any
}

// entities are those that have a name and matter.
var entities = map[string]rune{"amp": '&', "lt": '<', "gt": '>', "quot": '"', "apos": '\'', "sol": '/', "bsol": '\\', "period": '.', "colon": ':', "lowbar": '_', "hyphen": '-', "percnt": '%'}

// escape reads the escape that b begins with: a character, or less than 0 for a byte,
// and how long it is written; 0 where there is none. behind says that it is behind another one.
func escape(b []byte, behind bool) (r rune, n int) {
	number := func(from, to, base int) (rune, bool) {
		if to > len(b) || from >= to {
			return 0, false
		}
		v, err := strconv.ParseUint(string(b[from:to]), base, 32)
		return rune(v), err == nil && v <= unicode.MaxRune
	}
	switch {
	case b[0] == '%' || b[0] == '\\' && len(b) > 1 && b[1] == 'x':
		at := 1
		if b[0] == '\\' {
			at = 2
		}
		if v, ok := number(at, at+2, 16); ok && v > 0 && b[at] != '+' && b[at] != '-' {
			return -v, at + 2
		}
	case b[0] == '\\' && len(b) > 1 && b[1] == 'u':
		if v, ok := number(2, 6, 16); ok && utf8.ValidRune(v) {
			return v, 6
		}
	case b[0] == '\\' && len(b) >= 4 && b[1] >= '0' && b[1] <= '3':
		// Several bytes as octal numbers: one alone may be a folder of Windows.
		if v, ok := number(1, 4, 8); ok && v > 0 && (behind || len(b) > 4 && b[4] == '\\') {
			return -v, 4
		}
	case b[0] == '\\' && len(b) > 1 && (b[1] == '/' || b[1] == '"'):
		return rune(b[1]), 2
	case b[0] == '&':
		end := bytes.IndexByte(b[:min(len(b), 12)], ';')
		if end < 2 {
			return 0, 0
		}
		if named, ok := entities[string(b[1:end])]; ok {
			return named, end + 1
		}
		if b[1] != '#' {
			return 0, 0
		}
		v, ok := number(2, end, 10)
		if b[2]|0x20 == 'x' {
			v, ok = number(3, end, 16)
		}
		if ok && utf8.ValidRune(v) {
			return v, end + 1
		}
	}
	return 0, 0
}
