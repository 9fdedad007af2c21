package front_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/fasthttp/websocket"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
	"github.com/dragoman-gateway/dragoman/translate"
)

// endless is a back end that does not stop talking before it has said 96 MiB.
func endless(t *testing.T) (url string, said *atomic.Int64) {
	t.Helper()
	said = new(atomic.Int64)
	event := `data: {"choices":[{"index":0,"delta":{"content":"` + strings.Repeat("x", 512<<10) + `"}}]}` + "\n\n"
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		for range 192 {
			n, err := io.WriteString(w, event)
			if said.Add(int64(n)); err != nil {
				return
			}
		}
		_, _ = io.WriteString(w, "data: [DONE]\n\n")
	}))
	t.Cleanup(s.Close)
	return s.URL, said
}

// framesOf asks on a chatnio socket and returns the size of all frames and the last one. It
// looks into no other: so long an answer takes a parser under the race detector a minute.
func framesOf(t *testing.T, w *world.World) (size int, last string) {
	t.Helper()
	ws := w.Socket(t, "/chat")
	defer func() { _ = ws.Close() }()
	for _, frame := range []string{`{"token":"` + key + `","id":-1}`, `{"type":"chat","model":"m","message":"hi"}`} {
		if err := ws.WriteMessage(websocket.TextMessage, []byte(frame)); err != nil {
			t.Fatal(err)
		}
	}
	for {
		_, frame, err := ws.ReadMessage()
		if err != nil {
			t.Fatalf("after %d bytes: %v", size, err)
		}
		size += len(frame)
		if bytes.Contains(frame, []byte(`"end":true`)) {
			return size, string(frame)
		}
	}
}

func TestAnAnswerThatIsCollectedHasOneBoundOnEveryFront(t *testing.T) {
	t.Parallel()
	const room = 8 << 20 // what lies in sockets and buffers
	for _, front := range []string{"rest", "chatnio"} {
		t.Run(front, func(t *testing.T) {
			t.Parallel()
			url, said := endless(t)
			w := world.Start(t, "callers: {keys: [{name: alice, key: "+key+"}]}\nchannels: [{id: up, kind: openai, url: \""+url+"/v1\", models: [m], replay: false}]\n")
			shown := 0
			if front == "rest" {
				status, _, body := w.Do(t, "POST", "/api/chat", `{"message":"hi","userId":"u"}`, "Authorization", "Bearer "+key)
				if status != 502 || !strings.Contains(body, "too long") {
					t.Errorf("%d %.200s", status, body)
				}
			} else {
				last := ""
				if shown, last = framesOf(t, w); !strings.Contains(last, "too long") {
					t.Errorf("it ended after %d bytes with %s", shown, last)
				}
			}
			if shown > translate.MaxAnswer+1<<20 {
				t.Errorf("%d bytes were shown", shown)
			}
			if n := said.Load(); n < translate.MaxAnswer-1<<20 || n > translate.MaxAnswer+room {
				t.Errorf("%d bytes were taken", n)
			}
		})
	}
}

func TestARefusalKeepsItsSecretsFromClientsAndItsHostsForTheLog(t *testing.T) {
	t.Parallel()
	const channelKey = "sk-Vq7channelcredentialZw83Kd91Lm50Xy"
	said := "cannot reach backend-01.prod.mycorp:808 (10.0.0.3), see /home/ops/llm/keys.json; key " + strings.Join(strings.Split(channelKey, ""), "\u200b") +
		" (request id: 202611290812345678901234567890123)"
	body, err := json.Marshal(map[string]any{"error": map[string]any{"message": said, "type": "invalid_request_error", "code": "bad"}})
	if err != nil {
		t.Fatal(err)
	}
	var page atomic.Bool
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(400)
		if page.Load() {
			_, _ = io.WriteString(w, `{"error":{"message":"<!DOCTYPE html><html><body>nginx on vm-3</body></html>","type":"invalid_request_error"}}`)
			return
		}
		_, _ = w.Write(body)
	}))
	defer s.Close()
	w := world.Start(t, fmt.Sprintf("callers: {keys: [{name: alice, key: %s}]}\nchannels: [{id: up, kind: openai, url: %q, models: [m], keys: [%s]}]\n", key, s.URL+"/v1", channelKey))
	ask := func() []string {
		var all []string
		for _, path := range []string{"/v1/chat/completions", "/v1/messages"} {
			status, _, got := w.Do(t, "POST", path, `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`, "Authorization", "Bearer "+key, "X-Api-Key", key)
			if status != 400 {
				t.Errorf("%s: %d %s", path, status, got)
			}
			all = append(all, got)
		}
		return all
	}
	for _, got := range ask() {
		if !strings.Contains(got, "cannot reach [address] ([address]), see [path]; key [key] (request id: 202611290812345678901234567890123)") {
			t.Errorf("a client is told %s", got)
		}
	}
	log := w.Log.String()
	for _, want := range []string{"backend-01.prod.mycorp:808", "10.0.0.3", "/home/ops/llm/keys.json", "202611290812345678901234567890123", "[key]"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %q: %s", want, log)
		}
	}
	page.Store(true)
	for _, got := range ask() {
		if strings.Contains(got, "html") || strings.Contains(got, "nginx") || !strings.Contains(got, "web page") {
			t.Errorf("a client is told %s", got)
		}
	}
}
