package main

import (
	"strings"
	"testing"
)

func TestALineIsEditedAndRecalledWithTheKeysOfATerminal(t *testing.T) {
	t.Parallel()
	const up, down, left, right, home, last = "\x1b[A", "\x1b[B", "\x1b[D", "\x1b[C", "\x1b[H", "\x1b[F"
	var shown strings.Builder
	e := &lineEditor{out: &shown, prompt: "> ", wide: 20}
	typed := func(all ...string) string {
		for _, k := range all {
			if e.key(k) == lineWhole {
				return e.take()
			}
		}
		return "(not whole)"
	}
	for _, c := range []struct {
		want string
		keys []string
	}{
		{"one", []string{"o", "n", "e", "\r"}},
		{"two", []string{"t", "w", "o", "\n"}},
		{"two", []string{up, "\r"}},
		{"one", []string{up, up, "\r"}},
		{"dra", []string{"d", "r", "a", up, up, down, down, "\r"}},
		{"xab漢z", []string{"a", "b", "漢", home, "x", last, "z", "\r"}},
		{"ac", []string{"a", "b", "c", left, "\x7f", "\r"}},
		{"ab", []string{"a", "b", "c", left, "\x1b[3~", right, "\r"}},
		{"b", []string{"a", "\x15", "b", "\x1b[5~", "\x00", "\r"}},
	} {
		if got := typed(c.keys...); got != c.want {
			t.Errorf("%q: %q, want %q", c.keys, got, c.want)
		}
	}
	if e.key("\x04") != lineLast {
		t.Error("Ctrl-D does not end the input")
	}
	e.key("a")
	if e.key("\x04") == lineLast {
		t.Error("Ctrl-D ends the input within a line")
	}
	for range 100 {
		e.key("漢")
	}
	shown.Reset()
	e.key(left)
	if n := widthOf([]rune(shown.String())); n > 120 {
		t.Errorf("a long line takes %d columns: %q", n, shown.String())
	}
}
