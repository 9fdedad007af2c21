package openai

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/translate"
)

// at is a question of an endpoint.
func at(path string) *translate.Request {
	for i := range Endpoints {
		if Endpoints[i].Path == path {
			return &translate.Request{Opaque: &translate.Opaque{Endpoint: &Endpoints[i]}}
		}
	}
	panic("no endpoint " + path)
}

func TestAPassageIsReadForItsCountsAndItsEnd(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		path   string
		frames []string // of a stream, else
		body   string
		usage  translate.Usage
		ends   string // done, complete, or the fault
	}{
		{"/embeddings", nil, `{"data":[],"usage":{"prompt_tokens":8,"total_tokens":8}}`, translate.Usage{Input: 8}, "done"},
		{"/rerank", nil, `{"results":[],"usage":{"total_tokens":15}}`, translate.Usage{Input: 15}, "done"},
		{"/rerank", nil, `{"results":[],"meta":{"tokens":{"input_tokens":9,"output_tokens":1}}}`, translate.Usage{Input: 9, Output: 1}, "done"},
		{"/audio/speech", nil, "RIFF", translate.Usage{}, "done"},
		{"/embeddings", nil, `{"usage":"none"}`, translate.Usage{}, "done"},
		{"/embeddings", nil, `{"error":null,"usage":{"prompt_tokens":1}}`, translate.Usage{Input: 1}, "done"},
		{"/embeddings", nil, `{"error":{"message":"x","type":"server_error"}}`, translate.Usage{}, "broken"},
		{"/embeddings", nil, ``, translate.Usage{}, "broken"},
		{"/embeddings", nil, ` <HTML>`, translate.Usage{}, "broken"},
		{"/completions", nil, `{"error":{"message":"x"}} data: [DONE]`, translate.Usage{}, "broken"},
		{"/audio/speech", nil, "{\x00\x01\x00", translate.Usage{}, "done"},
		{"/audio/speech", nil, "<a\x00\x01", translate.Usage{}, "done"},
		{"/rerank", nil, `<?xml version="1.0"?>`, translate.Usage{}, "broken"},
		{"/embeddings", nil, "It works!", translate.Usage{}, "broken"},
		{"/moderations", nil, `"ok"`, translate.Usage{}, "broken"},
		{"/rerank", nil, `[{"index":0,"score":0.5}]`, translate.Usage{}, "done"},
		{"/images/generations", nil, "\xef\xbb\xbfno such host", translate.Usage{Images: 0}, "broken"},
		{"/images/generations", nil, "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", translate.Usage{}, "done"},
		{"/audio/translations", nil, "It works!", translate.Usage{}, "done"},
		{"/audio/transcriptions", nil, `<a> sound`, translate.Usage{}, "done"},
		{"/completions", []string{`{"choices":[{"text":"a"}]}`, `{"choices":[{"text":"b","finish_reason":"stop"}]}`}, "", translate.Usage{Output: 2, Estimated: true}, "complete"},
		{"/completions", []string{`{"choices":[{"text":"a","finish_reason":"length"}]}`, `{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}`, ` [DONE]`}, "", translate.Usage{Input: 3, Output: 4}, "done"},
		{"/completions", []string{`{"choices":[{"text":"a"},{"text":"","finish_reason":"stop"}]}`}, "", translate.Usage{Output: 1, Estimated: true}, "open"},
		{"/images/generations", []string{`{"type":"image_generation.partial_image"}`, `{"type":"image_generation.completed","usage":{"input_tokens":5,"output_tokens":6}}`}, "", translate.Usage{Input: 5, Output: 6, Images: 1}, "complete"},
		{"/audio/speech", []string{`{"type":"speech.audio.delta"}`, `{"type":"speech.audio.done"}`}, "", translate.Usage{}, "complete"},
		{"/completions", []string{`{"error":{"message":"x","type":"rate_limit_error","code":"rate_limit_exceeded"}}`}, "", translate.Usage{}, "busy"},
		{"/completions", []string{`7`}, "", translate.Usage{}, "broken"},
	} {
		d := Beside.NewDecoder(at(c.path)).(translate.Passage)
		var evs []translate.Event
		var err error
		for _, f := range c.frames {
			if err == nil {
				evs, err = d.Decode(evs, []byte(f))
			}
		}
		if c.frames == nil {
			for n := range len(c.body) {
				d.Pass([]byte(c.body[n : n+1]))
			}
			evs, err = d.Passed(evs, strings.HasPrefix(c.body, `{"`))
		}
		if got := outcome(d, err); got != c.ends {
			t.Errorf("%s: %s, want %s (%v)", c.frames, got, c.ends, err)
		}
		var last translate.Usage
		if len(evs) > 0 {
			last = evs[len(evs)-1].Usage
		}
		if last != c.usage {
			t.Errorf("%s %s: %+v, want %+v", c.frames, c.body, last, c.usage)
		}
	}
}

// outcome is how an answer stands.
func outcome(d translate.Passage, err error) string {
	var e *translate.Error
	switch {
	case errors.As(err, &e):
		return e.Fault.String()
	case d.Done():
		return "done"
	case d.(translate.Ender).Complete():
		return "complete"
	}
	return "open"
}

func TestOnlyTheModelOfAPassingBodyIsAnotherOne(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"model":"a\"b" , "x":1}`:        `{"model":"up/1" , "x":1}`,
		`{"y":{"model":"z"},"model":"m"}`: `{"y":{"model":"z"},"model":"up/1"}`,
	} {
		req := at("/embeddings")
		if err := Beside.DecodeRequest(req, []byte(body)); err != nil {
			t.Fatal(err)
		}
		req.Model = "up/1"
		if got, err := Beside.AppendRequest(nil, req); string(got) != want || err != nil {
			t.Errorf("%s, %v", got, err)
		}
	}
	req := at("/embeddings")
	body := `{"model":"m","input":"` + strings.Repeat("x", 100) + `","image":"data:image/png;base64,` + strings.Repeat("A", 5000) + `"}`
	if err := Beside.DecodeRequest(req, []byte(body)); err != nil || req.PassedLength() > 200 {
		t.Error(fmt.Sprint(req.PassedLength(), " bytes of text: ", err))
	}
}
