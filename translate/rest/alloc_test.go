//go:build !race

package rest

import (
	"testing"

	"github.com/dragoman-gateway/dragoman/translate"
)

func TestTextIsDecodedWithoutAllocating(t *testing.T) {
	d := Dialect.NewDecoder(nil)
	one := []byte(`{"type":"content","text":"Hello \u003c\n"}`)
	joined := []byte("{\"type\":\"content\",\"text\":\"a\"}\n{\"type\":\"content\",\"text\":\"b\"}")
	evs := make([]translate.Event, 0, 4)
	var err error
	if n := testing.AllocsPerRun(100, func() { evs, err = d.Decode(evs[:0], one) }); n != 0 || err != nil || len(evs) != 1 {
		t.Errorf("%v allocations, %v, %d events", n, err, len(evs))
	}
	if evs, err = d.Decode(evs[:0], joined); err != nil || len(evs) != 2 {
		t.Errorf("%v, %d events", err, len(evs))
	}
}

func TestTextIsEncodedWithoutAllocating(t *testing.T) {
	e := Dialect.NewEncoder(nil, translate.Head{})
	buf := make([]byte, 0, 4096)
	whole, first, rest := text("Hello <b>"), text("a\xf0\x9f"), text("\x98\x80 b")
	e.Append(buf, first)
	e.Append(buf, rest)
	if n := testing.AllocsPerRun(100, func() {
		buf = e.Append(buf[:0], whole)
		buf = e.Append(buf[:0], first)
		buf = e.Append(buf[:0], rest)
	}); n != 0 || len(buf) == 0 {
		t.Errorf("%v allocations", n)
	}
}
