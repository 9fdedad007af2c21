package anthropic

import (
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/codectest"
)

// FuzzAlike makes sure that a frame which is read by its likeness to the one before
// says what it says to a decoder that has seen nothing like it.
func FuzzAlike(f *testing.F) {
	for _, s := range [][2]string{
		{`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"one"}}`, `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"two\\n"}}`},
		{`{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"one"}}`, `{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":""}}`},
		{`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"one"}}`, `{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":""}}`},
	} {
		f.Add([]byte(s[0]), []byte(s[1]), true)
		f.Add([]byte(s[1]), []byte(s[0]), false)
	}
	f.Fuzz(func(t *testing.T, first, second []byte, pass bool) { codectest.Alike(t, Dialect, first, second, pass) })
}
