package openai

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/dragoman-gateway/dragoman/translate"
)

var plainQuestions = []string{
	`{"model":"m","messages":[{"role":"user","content":"q"}]}`,
	`{"model":"m","max_tokens":3,"temperature":0.5,"top_p":1e-1,"stream":true,"stream_options":{"include_usage":true},"user":"u","messages":[{"content":"a \"b\" \u00e9","role":"assistant"},{"role":"system","content":"s"},{"role":"developer","content":"d"},{"role":"user","content":"{}"}]}`,
	`{"model":"m","max_tokens":1,"max_completion_tokens":2,"messages":[{"role":"assistant","content":""},{"role":"user","content":""}]}`,
	`{"model":"m","messages":[{"role":"user","content":"q","name":"n"}],"temperature":"x"}`,
	`{"model":"m","messages":[{"role":"user","content":"q"},{"role":"tool","content":"q"}],"user":null}`,
}

func TestAUsualQuestionIsReadWithoutReflection(t *testing.T) {
	t.Parallel()
	for _, s := range plainQuestions[:2] {
		req := translate.Request{Beta: "before"}
		if !decodePlain(&req, []byte(s)) || req.Beta != "before" {
			t.Errorf("not read: %s", s)
		}
	}
}

// FuzzPlain makes sure that a usual question is the same however it is read.
func FuzzPlain(f *testing.F) {
	for _, s := range plainQuestions {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var plain, full translate.Request
		if !decodePlain(&plain, body) {
			if diff := cmp.Diff(full, plain); diff != "" {
				t.Errorf("%q: filled and not taken: %s", body, diff)
			}
			return
		}
		if err := decodeAny(&full, body); err != nil {
			t.Fatalf("%q: %v", body, err)
		}
		if diff := cmp.Diff(full, plain, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%q (-full +plain):\n%s", body, diff)
		}
	})
}

func BenchmarkDecodeRequest(b *testing.B) {
	for name, decode := range map[string]func(*translate.Request, []byte){
		"plain": func(r *translate.Request, s []byte) { decodePlain(r, s) },
		"any":   func(r *translate.Request, s []byte) { _ = decodeAny(r, s) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var r translate.Request
				decode(&r, []byte(plainQuestions[1]))
			}
		})
	}
}
