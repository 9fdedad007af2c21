package rest

import (
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/codectest"
	"github.com/dragoman-gateway/dragoman/translate"
)

func TestTextIsDecodedWithoutAllocating(t *testing.T) {
	d := Dialect.NewDecoder(nil)
	codectest.DecodeAllocs(t, d, `{"type":"content","text":"Hello \u003c\n"}`, 1, nil)
	joined := "{\"type\":\"content\",\"text\":\"a\"}\n{\"type\":\"content\",\"text\":\"b\"}"
	if evs, err := d.Decode(nil, []byte(joined)); err != nil || len(evs) != 2 {
		t.Errorf("%v, %d events", err, len(evs))
	}
}

func TestTextIsEncodedWithoutAllocating(t *testing.T) {
	codectest.TextAllocs(t, Dialect.NewEncoder(nil, translate.Envelope{}))
}
