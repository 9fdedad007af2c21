package openai

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
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
	f.Fuzz(func(t *testing.T, first, second []byte, pass bool) {
		req := &translate.Request{PassThrough: pass}
		learnt, fresh := Dialect.NewDecoder(req), Dialect.NewDecoder(req)
		for _, frame := range [][]byte{first, first, second, first} {
			got, errGot := learnt.Decode(nil, frame)
			fresh.(translate.Borrower).Borrow(new(jsonx.Memory))
			want, errWant := fresh.Decode(nil, frame)
			if (errGot == nil) != (errWant == nil) {
				t.Fatalf("%q: %v, else %v", frame, errGot, errWant)
			}
			if errGot != nil {
				return
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%q (-want +got):\n%s", frame, diff)
			}
		}
	})
}
