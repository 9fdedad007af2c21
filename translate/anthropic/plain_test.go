package anthropic

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/dragoman-gateway/dragoman/translate"
)

var plainQuestions = []string{
	`{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"q"}]}`,
	`{"model":"m","max_tokens":1,"system":"s","temperature":1,"top_p":-0.5,"stream":true,"messages":[{"role":"user","content":"a \"b\" \u00e9"} , {"content":"","role":"assistant"}]}`,
	`{"model":"m","max_tokens":1,"system":"","messages":[{"role":"system","content":"q"}]}`,
	`{"model":"m","max_tokens":1,"system":null,"messages":[{"role":"user","content":[]}]}`,
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
