package anthropic

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/dragoman-gateway/dragoman/translate"
)

// seed adds the frames and bodies of testdata.
func seed(f *testing.F, add func(data []byte)) {
	f.Helper()
	files, _ := filepath.Glob("testdata/*.txtar")
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for line := range bytes.Lines(data) {
			line = bytes.TrimSpace(bytes.TrimPrefix(line, []byte("data: ")))
			if len(line) > 0 && line[0] == '{' {
				add(bytes.Clone(line))
			}
		}
	}
}

func FuzzDecodeRequest(f *testing.F) {
	body, _ := Dialect.AppendRequest(nil, full())
	f.Add(body)
	f.Add([]byte(`{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[{"type":"text","text":"x"}]}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var req translate.Request
		if err := Dialect.DecodeRequest(&req, body); err != nil {
			var e *translate.Error
			if !errors.As(err, &e) || e.Code != translate.CodeValidation {
				t.Fatalf("%T %v", err, err)
			}
			return
		}
		if req.Model == "" {
			t.Fatal("no model")
		}
		for _, pass := range []bool{false, true} {
			r := req
			r.PassThrough, r.Model = pass, "other"
			if pass && r.Raw == nil {
				continue
			}
			out, err := Dialect.AppendRequest(nil, &r)
			if e := (*translate.Error)(nil); !pass && errors.As(err, &e) && e.Code == translate.CodeValidation {
				continue // nothing is left that could be told
			}
			if err != nil || !json.Valid(out) {
				t.Fatalf("%q became %q, %v", body, out, err)
			}
			var again translate.Request
			if err := Dialect.DecodeRequest(&again, out); pass && (err != nil || again.Model != "other" || again.Stream != req.Stream) {
				t.Fatalf("%q became %q: %v", body, out, err)
			}
		}
	})
}

func FuzzDecodeFrame(f *testing.F) {
	seed(f, func(data []byte) { f.Add(data, data) })
	f.Add([]byte("[DONE]"), []byte("{}"))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		req := &translate.Request{UsageInStream: true}
		d, e := Dialect.NewDecoder(req), Dialect.NewEncoder(req, head)
		p := Dialect.NewDecoder(&translate.Request{PassThrough: true})
		var answer translate.Answer
		var out []byte
		ends := 0
		for _, frame := range [][]byte{first, second, first} {
			if evs, err := p.Decode(nil, frame); err == nil && len(evs) == 0 {
				t.Fatalf("a passed-through frame is lost: %q", frame)
			}
			evs, err := poisoned(d, nil, frame)
			if err != nil {
				var te *translate.Error
				if !errors.As(err, &te) {
					t.Fatalf("%T", err)
				}
				checkFrames(t, e.AppendError(nil, te, true))
				break
			}
			for _, ev := range evs {
				if ev.Kind == translate.KindFinish {
					ends++
				}
				answer.Add(ev)
				out = e.Append(out, ev)
			}
		}
		if ends > 1 {
			t.Fatal("two ends")
		}
		checkFrames(t, e.AppendTail(out))
		answer.Settle()
		if whole := Dialect.NewEncoder(req, head).AppendWhole(nil, &answer); !json.Valid(whole) {
			t.Fatalf("a whole answer is no JSON: %q", whole)
		}
	})
}

// checkFrames checks that every line of a stream is JSON.
func checkFrames(t *testing.T, stream []byte) {
	t.Helper()
	for _, f := range frames(stream) {
		if string(f) != "[DONE]" && !json.Valid(f) {
			t.Fatalf("a frame is no JSON: %q", f)
		}
	}
}

func FuzzDecodeWhole(f *testing.F) {
	seed(f, func(data []byte) { f.Add(200, data) })
	f.Add(500, []byte("oops"))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		req := &translate.Request{}
		evs, err := Dialect.NewDecoder(req).DecodeWhole(nil, status, body)
		if err != nil {
			var te *translate.Error
			if !errors.As(err, &te) {
				t.Fatalf("%T", err)
			}
			if out := Dialect.NewEncoder(req, head).AppendError(nil, te, false); !json.Valid(out) {
				t.Fatalf("an error is no JSON: %q", out)
			}
			return
		}
		if len(evs) < 2 || evs[0].Kind != translate.KindStart || evs[len(evs)-1].Kind != translate.KindFinish {
			t.Fatalf("no start or no end in %q", body)
		}
		var answer translate.Answer
		for _, ev := range evs {
			answer.Add(ev)
		}
		if out := Dialect.NewEncoder(req, head).AppendWhole(nil, &answer); !json.Valid(out) {
			t.Fatalf("a whole answer is no JSON: %q", out)
		}
	})
}
