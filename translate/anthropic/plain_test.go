package anthropic

import (
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/codectest"
	"github.com/dragoman-gateway/dragoman/translate"
)

var plainQuestions = []string{
	`{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"q"}]}`,
	`{"model":"m","max_tokens":1,"system":"s","temperature":1,"top_p":-0.5,"stream":true,"messages":[{"role":"user","content":"a \"b\" \u00e9"} , {"content":"","role":"assistant"}]}`,
	`{"model":"m","max_tokens":1,"system":"","messages":[{"role":"system","content":"q"}]}`,
	`{"model":"m","max_tokens":1,"system":null,"messages":[{"role":"user","content":[]}]}`,
}

func plain(req *translate.Request, body []byte) bool {
	o, ok := translate.Outline(body, known)
	return ok && decodePlain(req, body, o)
}

func reflected(req *translate.Request, body []byte) error {
	o, ok := translate.Outline(body, known)
	return decodeAny(req, body, o, ok)
}

func TestAUsualQuestionIsReadWithoutReflection(t *testing.T) {
	t.Parallel()
	for _, s := range plainQuestions[:2] {
		req := translate.Request{Beta: "before"}
		if !plain(&req, []byte(s)) || req.Beta != "before" {
			t.Errorf("not read: %s", s)
		}
	}
}

// FuzzPlain makes sure that a usual question is the same however it is read.
func FuzzPlain(f *testing.F) {
	for _, s := range plainQuestions {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) { codectest.Plain(t, plain, reflected, body) })
}

func BenchmarkDecodeRequest(b *testing.B) {
	codectest.BenchmarkQuestion(b, plain, reflected, []byte(plainQuestions[1]))
}
