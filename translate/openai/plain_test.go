package openai

import (
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/codectest"
	"github.com/dragoman-gateway/dragoman/translate"
)

var plainQuestions = []string{
	`{"model":"m","messages":[{"role":"user","content":"q"}]}`,
	`{"model":"m","max_tokens":3,"temperature":0.5,"top_p":1e-1,"stream":true,"stream_options":{"include_usage":true},"user":"u","messages":[{"content":"a \"b\" \u00e9","role":"assistant"},{"role":"system","content":"s"},{"role":"developer","content":"d"},{"role":"user","content":"{}"}]}`,
	`{"model":"m","max_tokens":1,"max_completion_tokens":2,"messages":[{"role":"assistant","content":""},{"role":"user","content":""}]}`,
	`{"model":"m","messages":[{"role":"user","content":"q","name":"n"}],"temperature":"x"}`,
	`{"model":"m","messages":[{"role":"user","content":"q"},{"role":"tool","content":"q"}],"user":null}`,
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
