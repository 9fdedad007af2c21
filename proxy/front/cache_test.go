package front_test

import (
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

func TestAKeptAnswerIsGivenInTheClientsOwnDialect(t *testing.T) {
	t.Parallel()
	w := world.Start(t, callers+`
presets: {kept: {model: echo, cache: 10m, max_tokens: 50}}
channels:
`+channel("up", "openai", "", "echo"))
	const said = `Hello, you said \"hi\" (n=1)`
	for i, p := range []struct{ path, body, want string }{
		{"/v1/chat/completions", `{"model":"kept","stream":true,"messages":[{"role":"user","content":"hi"}]}`, "data: [DONE]"},
		{"/v1/chat/completions", `{"model":"kept","stream":true,"messages":[{"role":"user","content":"hi"}]}`, "data: [DONE]"},
		{"/v1/chat/completions", `{"model":"kept","messages":[{"role":"user","content":"hi"}]}`, said},
		{"/v1/messages", `{"model":"kept","max_tokens":50,"messages":[{"role":"user","content":"hi"}]}`, said},
		{"/v1/messages", `{"model":"kept","max_tokens":50,"stream":true,"messages":[{"role":"user","content":"hi"}]}`, "event: message_stop"},
		{"/api/chat", `{"message":"hi","userId":"u","preset":"kept"}`, said},
	} {
		status, head, body := w.Do(t, "POST", p.path, p.body, "Authorization", "Bearer "+key, "anthropic-version", "2023-06-01")
		want := "hit"
		if i == 0 {
			want = "miss"
		}
		if status != 200 || head.Get("X-Dragoman-Cache") != want || !strings.Contains(body, p.want) || strings.Count(body, "Hello") != 1 {
			t.Errorf("%d: %d, %q, want %q: %s", i, status, head.Get("X-Dragoman-Cache"), want, body)
		}
	}
	if n := w.Model.Requests(); n != 1 {
		t.Errorf("the model was asked %d times", n)
	}
	// The turn was stored although no model was asked: the next question has another history.
	_, head, body := w.Do(t, "POST", "/api/chat", `{"message":"hi","userId":"u","preset":"kept"}`, "Authorization", "Bearer "+key)
	if head.Get("X-Dragoman-Cache") != "miss" || !strings.Contains(body, "(n=3)") {
		t.Errorf("the second turn: %q, %s", head.Get("X-Dragoman-Cache"), body)
	}
	status, head, _ := w.Do(t, "POST", "/v1/chat/completions", `{"model":"echo","messages":[{"role":"user","content":"hi"}]}`, "Authorization", "Bearer "+key)
	if status != 200 || head.Values("X-Dragoman-Cache") != nil {
		t.Errorf("without a preset: %d, %q", status, head.Get("X-Dragoman-Cache"))
	}
}
