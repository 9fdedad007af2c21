package anthropic

import (
	"testing"

	"github.com/dragoman-gateway/dragoman/translate"
)

const plainQuestion = `{"model":"m","max_tokens":7,"messages":[{"role":"user","content":"q"}],"stream":true}`

func TestAPlainQuestionNeedsNoDecodingToBePassedOn(t *testing.T) {
	t.Parallel()
	req := translate.Request{}
	if !Dialect.(translate.Peeker).Peek(&req, []byte(plainQuestion)) {
		t.Fatal("it was not read")
	}
	if req.Dialect != name || req.Model != "m" || !req.Stream || string(req.Raw) != plainQuestion {
		t.Errorf("read as %+v", req)
	}
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
	f.Fuzz(func(t *testing.T, body []byte) {
		var glance, full translate.Request
		if !Dialect.(translate.Peeker).Peek(&glance, body) {
			if glance.Model != "" || glance.Raw != nil {
				t.Errorf("%q: filled and not taken", body)
			}
			return
		}
		if Dialect.DecodeRequest(&full, body) != nil {
			return // the upstream will say so too
		}
		if glance.Model != full.Model || glance.Stream != full.Stream || glance.UsageInStream != full.UsageInStream ||
			string(glance.Raw) != string(full.Raw) || (glance.Raw == nil) != (full.Raw == nil) || glance.Dialect != full.Dialect {
			t.Errorf("%q: %+v at a glance, %+v decoded", body, glance, full)
		}
	})
}
