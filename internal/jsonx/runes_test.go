package jsonx

import (
	"bytes"
	"testing"
	"unicode/utf8"
)

func TestWholeStopsBeforeARuneThatIsNotComplete(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		"": 0, "abc": 3, "ж": 2, "aж"[:2]: 1, "a😀"[:4]: 1, "a😀"[:2]: 1, "a😀": 5,
		"\xff": 1, "a\x80\x80\x80": 4, "\x80\x80\x80\x80\x80": 5, "a\xe4\xbd": 1, "a\xe4b": 3,
	} {
		if got := Whole(text); got != want {
			t.Errorf("Whole(%q) = %d, want %d", text, got, want)
		}
		if got := Whole([]byte(text)); got != want {
			t.Errorf("Whole of the bytes of %q = %d, want %d", text, got, want)
		}
	}
}

func TestCutKeepsWholeRunes(t *testing.T) {
	t.Parallel()
	for most, want := range map[int]string{0: "", 1: "a", 2: "a", 3: "aж", 4: "aжb", 9: "aжb"} {
		if got := Cut("aжb", most); got != want {
			t.Errorf("Cut to %d = %q, want %q", most, got, want)
		}
	}
}

func FuzzRunesLosesNothingAndSplitsNoRune(f *testing.F) {
	f.Add([]byte("ключ 😀 你好"), uint8(3))
	f.Add([]byte("\xf0\x9f\x98"), uint8(1))
	f.Add([]byte("a\xffb\xe4\xbd"), uint8(2))
	f.Fuzz(func(t *testing.T, text []byte, step uint8) {
		size := int(step)%7 + 1
		var r Runes
		var got []byte
		for rest := text; len(rest) > 0; {
			n := min(size, len(rest))
			piece := bytes.Clone(rest[:n])
			out := r.Next(piece)
			if utf8.Valid(text) && !utf8.Valid(out) {
				t.Fatalf("%q was split", text)
			}
			got = append(got, out...)
			for i := range piece {
				piece[i] = '!'
			}
			rest = rest[n:]
		}
		got = append(got, r.Rest()...)
		if !bytes.Equal(got, text) {
			t.Fatalf("got %q, want %q", got, text)
		}
		if len(r.Rest()) > 0 || len(r.Next(nil)) > 0 {
			t.Fatal("Rest left something behind")
		}
	})
}
