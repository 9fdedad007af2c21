package front_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

func TestACredentialThatIsThereTwiceIsRefusedUnlessBothAreTheSame(t *testing.T) {
	t.Parallel()
	w := world.Start(t, callers+"presets: {default: {model: echo}}\nchannels:\n"+channel("o", "openai", "", "echo"))
	const other = "sk-bob-caller-key"
	calls := []struct{ method, path, body string }{
		{"GET", "/v1/models", ""}, {"GET", "/api/conversations", ""}, {"GET", "/conversation/list", ""}, {"GET", "/v1beta/models", ""},
	}
	for _, c := range markedBodies {
		calls = append(calls, struct{ method, path, body string }{"POST", c.path, c.body})
	}
	ask := func(method, path, body string, head ...string) (int, string) {
		t.Helper()
		raw := method + " " + path + " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + fmt.Sprintf("Content-Length: %d\r\n", len(body))
		for i := 0; i < len(head); i += 2 {
			raw += head[i] + ": " + head[i+1] + "\r\n"
		}
		resp, got := answerTo(t, w, raw+"\r\n"+body)
		return resp.StatusCode, got
	}
	for i, c := range calls {
		pairs := [][2]string{{key, other}, {other, key}, {"Bearer " + key, "Basic " + key}, {key, ""}, {"", key}, {key, "wrong"}}
		if i > 0 {
			pairs = pairs[i%len(pairs):][:1] // all of them at one path
		}
		for _, name := range []string{"Authorization", "authorization", "x-api-key", "api-key", "X-Goog-Api-Key"} {
			for _, values := range pairs {
				status, body := ask(c.method, c.path, c.body, name, values[0], strings.ToUpper(name), values[1])
				if status != 400 || !strings.Contains(strings.ToLower(body), "the header "+strings.ToLower(name)+" is there twice") || !strings.HasPrefix(body, "{") || strings.Contains(body, "sk-") {
					t.Errorf("%s %s with %s %q: %d %s", c.method, c.path, name, values, status, body)
				}
			}
		}
		if status, body := ask(c.method, c.path, c.body, "Authorization", "Bearer "+key, "Authorization", "Bearer "+key); status != 200 {
			t.Errorf("%s %s with the same twice: %d %s", c.method, c.path, status, body)
		}
	}
	for _, path := range []string{"/chat", "/v1/responses", "/ws/v1/chat?app_token=" + key} {
		status, body := ask("GET", path, "", "Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==", "Authorization", "Bearer "+key, "Authorization", "Bearer "+other)
		if status != 400 || !strings.Contains(body, "twice") {
			t.Errorf("the socket %s: %d %s", path, status, body)
		}
	}
	long := strings.Replace(markedBodies[0].body, "hello", strings.Repeat("x", 1<<20), 1)
	if status, body := ask("POST", "/v1/chat/completions", long, "Authorization", key, "Authorization", other); status != 400 || !strings.Contains(body, "twice") {
		t.Errorf("with a long body: %d %s", status, body)
	}
}
