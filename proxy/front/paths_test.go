package front_test

import (
	"bufio"
	"io"
	"net/http"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

func TestEveryFrontIsServedBelowThePrefixOnly(t *testing.T) {
	t.Parallel()
	w := world.Start(t, callers+"prefix: /chatai\nchannels:\n"+channel("a", "mock", "", "echo"))
	for path, body := range map[string]string{
		"/v1/chat/completions": `{"model":"echo","messages":[{"role":"user","content":"hi"}]}`,
		"/v1/messages":         `{"model":"echo","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`,
		"/api/chat":            `{"message":"hi","userId":"u1","preset":"echo"}`,
		"/api/state":           "",
		"/state":               "",
	} {
		for prefix, want := range map[string]int{"/chatai": 200, "": 404, "/other": 404} {
			status, _, got := w.Do(t, "POST", prefix+path, body, "Content-Type", "application/json", "Authorization", "Bearer "+key)
			if status != want {
				t.Errorf("%s%s: status %d, want %d: %s", prefix, path, status, want, got)
			}
		}
	}
	for _, path := range []string{"/chat", "/api/chat", "/ws/v1/chat?app_token=" + key} {
		_ = w.Socket(t, "/chatai"+path).Close()
		if got := w.Refused(t, path).StatusCode; got != 404 {
			t.Errorf("%s: status %d", path, got)
		}
	}
}

// docs/rules/chatnio.md 2: a client that insists on a subprotocol or on compression gets none.
func TestNoSubprotocolAndNoCompressionIsEverChosen(t *testing.T) {
	t.Parallel()
	w := world.Start(t, callers+"channels:\n"+channel("a", "mock", "", "echo"))
	for _, path := range []string{"/chat", "/ws/v1/chat?app_token=" + key} {
		conn := w.Dial(t)
		_, err := io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
			"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: chat, v2\r\nSec-WebSocket-Extensions: permessage-deflate\r\nOrigin: https://elsewhere.example\r\n\r\n")
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != 101 {
			t.Errorf("%s: status %d", path, resp.StatusCode)
		}
		for _, name := range []string{"Sec-Websocket-Protocol", "Sec-Websocket-Extensions"} {
			if got := resp.Header.Get(name); got != "" {
				t.Errorf("%s: %s is %q", path, name, got)
			}
		}
		_ = conn.Close()
	}
}

// The vendor's libraries take the id of a request from there, whatever the answer is.
func TestEveryAnswerOfTheAnthropicFrontHasItsRequestID(t *testing.T) {
	t.Parallel()
	w := world.Start(t, callers+"channels:\n"+channel("a", "mock", "", "echo"))
	for path, status := range map[string]int{"/v1/messages": 400, "/v1/messages/batches": 404, "/v1/models": 200, "/v1/models/none": 404, "/v1/files": 404} {
		method := "GET"
		if path == "/v1/messages" {
			method = "POST"
		}
		got, header, body := w.Do(t, method, path, "", "anthropic-version", "2023-06-01", "x-api-key", key)
		if id := header.Get("Request-Id"); got != status || id == "" || id != header.Get("X-Request-Id") {
			t.Errorf("%s: status %d, Request-Id %q, X-Request-Id %q: %s", path, got, id, header.Get("X-Request-Id"), body)
		}
	}
}
