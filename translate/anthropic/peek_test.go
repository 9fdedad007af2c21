package anthropic

import (
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/codectest"
)

const plainQuestion = `{"model":"m","max_tokens":7,"messages":[{"role":"user","content":"q"}],"stream":true}`

func TestAPlainQuestionNeedsNoDecodingToBePassedOn(t *testing.T) {
	t.Parallel()
	codectest.PlainQuestion(t, Dialect, plainQuestion)
}

// FuzzPeek makes sure that a glance at a question and its decoding agree, where
// the glance is enough.
func FuzzPeek(f *testing.F) {
	for _, s := range []string{
		plainQuestion, `{"model":"m","Model":"n","messages":[{}]}`, `{"model":"\u006d","max_tokens":1,"messages":[{"role":"user","content":"q"}]}`,
		`{"model":"m","max_tokens":0,"messages":[{"role":"user","content":"q"}]}`,
		`{"model":"m","max_tokens":1e3,"messages":[{"role":"user","content":"q"}]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) { codectest.Peek(t, Dialect, body) })
}
