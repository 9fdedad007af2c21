package chatnio

import (
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/codectest"
	"github.com/dragoman-gateway/dragoman/translate"
)

func TestTextIsDecodedWithoutAllocating(t *testing.T) {
	d := NewDecoder(nil)
	first := []byte(`{"conversation":3,"quota":0,"keyword":"","message":"","end":false,"plan":false}`)
	if _, err := d.Decode(nil, first); err != nil {
		t.Fatal(err)
	}
	codectest.DecodeAllocs(t, d, `{"conversation":0,"quota":0.016,"keyword":"","message":"Hello \u003c\n","end":false,"plan":false}`+"\n", 1, nil)
}

func TestTextIsEncodedWithoutAllocating(t *testing.T) {
	codectest.TextAllocs(t, NewEncoder(&translate.Request{}, translate.Envelope{}))
}
