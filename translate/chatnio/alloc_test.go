//go:build !race

package chatnio

import (
	"testing"

	"github.com/dragoman-gateway/dragoman/translate"
)

func TestTextIsDecodedWithoutAllocating(t *testing.T) {
	d := NewDecoder(nil)
	first := []byte(`{"conversation":3,"quota":0,"keyword":"","message":"","end":false,"plan":false}`)
	frame := []byte(`{"conversation":0,"quota":0.016,"keyword":"","message":"Hello \u003c\n","end":false,"plan":false}` + "\n")
	evs, err := d.Decode(make([]translate.Event, 0, 4), first)
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() { evs, err = d.Decode(evs[:0], frame) }); n != 0 || err != nil || len(evs) != 1 {
		t.Errorf("%v allocations, %v, %d events", n, err, len(evs))
	}
}

func TestTextIsEncodedWithoutAllocating(t *testing.T) {
	e := NewEncoder(&translate.Request{}, translate.Head{})
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
