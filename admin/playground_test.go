package admin

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/translate"
)

// stage is a playground that answers by itself.
type stage struct{}

func (stage) Protocols() []PlayProtocol {
	return []PlayProtocol{{Name: "openai", System: true, Names: "model"}}
}

func (stage) Ask(_ context.Context, q PlayQuestion, tell func(PlayEvent)) error {
	if q.Protocol != "openai" {
		return translate.Invalid("there is no such protocol")
	}
	tell(PlayEvent{Kind: "begun", Caller: "playground-1"})
	tell(PlayEvent{Kind: "sent", Ms: 1, Text: q.Text})
	tell(PlayEvent{Kind: "end", Ms: 2, Result: "ok"})
	return nil
}

func TestTheFramesOfThePlaygroundAreStreamedWithTimes(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.wants(d.call("POST", "/api/playground", `{"protocol":"openai","text":"hi"}`), 404, "NOT_FOUND")
	d.s.playground = stage{}
	w := d.call("POST", "/api/playground", `{"protocol":"openai","text":"<b>"}`)
	for _, want := range []string{"event: begun\ndata: {\"kind\":\"begun\",\"ms\":0,\"caller\":\"playground-1\"}\n\n", `{"kind":"sent","ms":1,"text":"\u003cb\u003e"}`, "event: end\n"} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("there is no %q in\n%s", want, w.Body)
		}
	}
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "text/event-stream" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	d.wants(d.call("POST", "/api/playground", `{"protocol":"openai","text":"hi"}`, "Authorization", "Bearer "+readToken), 403, "PERMISSION_DENIED")
	for _, body := range []string{``, `{}`, `{"protocol":"gopher","text":"hi"}`, `{"protocol":"openai","text":"` + strings.Repeat("x", maxPlayText+1) + `"}`, `{"protocol":"openai","text":"hi","key":"sk"}`} {
		d.wants(d.call("POST", "/api/playground", body), 400, "VALIDATION_ERROR")
	}
}
