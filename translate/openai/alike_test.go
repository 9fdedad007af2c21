package openai

import (
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/codectest"
)

// FuzzAlike makes sure that a frame which is read by its likeness to the one before
// says what it says to a decoder that has seen nothing like it.
func FuzzAlike(f *testing.F) {
	for _, s := range [][2]string{
		{`{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"one"},"finish_reason":null}]}`, `{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"two\\n"},"finish_reason":null}]}`},
		{`{"id":"c","model":"m","choices":[{"delta":{"reasoning_content":"one"}}]}`, `{"id":"c","model":"m","choices":[{"delta":{"reasoning_content":""}}]}`},
		{`{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"one"},"finish_reason":null}]}`, `{"id":"c","model":"m","choices":[{"delta":{"reasoning_content":""}}]}`},
	} {
		f.Add([]byte(s[0]), []byte(s[1]), true)
		f.Add([]byte(s[1]), []byte(s[0]), false)
	}
	f.Fuzz(func(t *testing.T, first, second []byte, pass bool) { codectest.Alike(t, Dialect, first, second, pass) })
}
