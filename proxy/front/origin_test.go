package front_test

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

// page is where a page of another site comes from.
const page = "https://page.example"

func TestAPageOfAnotherOriginMayReadEveryAnswer(t *testing.T) {
	t.Parallel()
	w := world.Start(t, pair("openai"))
	question := `{"model":"recall","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`
	stream := strings.Replace(question, "{", `{"stream":true,`, 1)
	for _, c := range []struct {
		method, path, body string
		status             int
		more               []string
	}{
		{"POST", "/v1/chat/completions", question, 200, nil},
		{"POST", "/v1/chat/completions", stream, 200, nil},
		{"POST", "/v1/chat/completions", "{", 400, nil},
		{"POST", "/v1/chat/completions", strings.Replace(question, `"recall"`, `"none"`, 1), 404, nil},
		{"POST", "/v1/chat/completions", question, 401, []string{"Authorization", "Bearer no"}},
		{"POST", "/v1/chat/completions", question, 415, []string{"Content-Type", "text/plain"}},
		{"POST", "/v1/messages", question, 200, nil},
		{"POST", "/v1/messages", stream, 200, nil},
		{"POST", "/v1/messages", "{", 400, nil},
		{"POST", "/v1/messages", question, 401, []string{"Authorization", "Bearer no"}},
		{"GET", "/v1/models", "", 200, nil},
		{"GET", "/v1/models", "", 200, []string{"anthropic-version", "2023-06-01"}},
		{"GET", "/v1/models", "", 401, []string{"Authorization", "Bearer no"}},
		{"GET", "/v1/models/none", "", 404, nil},
		{"GET", "/api/v1/models", "", 200, nil},
		{"GET", "/v1/chat/completions", "", 405, nil},
		{"GET", "/v1/nothing", "", 404, nil},
		{"POST", "/api/chat", askAs("u", "hi"), 200, nil},
		{"POST", "/api/chat/stream", askAs("u", "hi"), 200, nil},
		{"POST", "/api/chat", "{", 400, nil},
		{"POST", "/api/chat", askAs("u", "hi"), 401, []string{"Authorization", "Bearer no"}},
		{"GET", "/api/conversations", "", 200, nil},
		{"GET", "/api/conversations/none", "", 404, nil},
		{"PUT", "/api/conversations", "", 405, nil},
		{"GET", "/info", "", 200, nil},
		{"GET", "/quota", "", 200, nil},
		{"GET", "/api/quota", "", 401, []string{"Authorization", "sk-no"}},
		{"GET", "/admin/x", "", 401, nil},
		{"GET", "/nothing", "", 404, nil},
		{"GET", "/chat", "", 400, nil},
		{"GET", "/chat", "", 401, []string{"Authorization", "Bearer sk-no"}},
		{"GET", "/ws/v1/chat?app_token=" + key, "", 426, nil},
		{"GET", "/ws/v1/chat", "", 401, nil},
		{"OPTIONS", "/v1/chat/completions", "", 200, nil},
		{"OPTIONS", "/v1/messages", "", 200, nil},
		{"OPTIONS", "/v1/models", "", 200, nil},
		{"OPTIONS", "/api/conversations/x", "", 200, nil},
		{"OPTIONS", "/ws/v1/chat", "", 200, nil},
		{"OPTIONS", "/nothing", "", 200, nil},
	} {
		headers := append([]string{"Origin", page, "Authorization", "Bearer " + key, "X-Api-Key", ""}, c.more...)
		status, h, body := w.Do(t, c.method, c.path, c.body, headers...)
		if status != c.status {
			t.Errorf("%s %s: %d %s, want %d", c.method, c.path, status, body, c.status)
		}
		readable(t, c.method+" "+c.path, h)
		if _, h, _ := w.Do(t, c.method, c.path, c.body, headers[2:]...); h.Get("Access-Control-Allow-Origin") != "" || h.Get("Access-Control-Expose-Headers") != "" {
			t.Errorf("%s %s: a client that is no page is told %v", c.method, c.path, h)
		}
	}
}

func TestAPageMayReadTheRefusalOfWhatIsNoRequest(t *testing.T) {
	t.Parallel()
	w := world.Start(t, pair("openai"))
	const from = "Host: x\r\nOrigin: " + page + "\r\n"
	for name, raw := range map[string]string{
		"a header's name":  "GET /info HTTP/1.1\r\n" + from + "A B: c\r\n\r\n",
		"two framings":     "POST /v1/messages HTTP/1.1\r\n" + from + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
		"too large a body": "POST /v1/messages HTTP/1.1\r\n" + from + "Authorization: Bearer " + key + "\r\nContent-Length: 99999999\r\n\r\n",
	} {
		c := w.Dial(t)
		_, _ = io.WriteString(c, raw)
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if resp.StatusCode/100 != 4 {
			t.Errorf("%s: %d", name, resp.StatusCode)
		}
		readable(t, name, resp.Header)
		_ = c.Close()
	}
}

// readable: a page of another origin is shown the answer with these headers.
func readable(t *testing.T, of string, h http.Header) {
	t.Helper()
	if got := h.Values("Access-Control-Allow-Origin"); len(got) != 1 || got[0] != page {
		t.Errorf("%s: Access-Control-Allow-Origin %q", of, got)
	}
	if got := h.Values("Vary"); len(got) != 1 || got[0] != "Origin" {
		t.Errorf("%s: Vary %q", of, got)
	}
	if got := h.Get("Access-Control-Expose-Headers"); !strings.Contains(got, "X-Request-Id") || !strings.Contains(got, "Retry-After") {
		t.Errorf("%s: Access-Control-Expose-Headers %q", of, got)
	}
	if got, ok := h["Access-Control-Allow-Credentials"]; ok {
		t.Errorf("%s: Access-Control-Allow-Credentials %q", of, got)
	}
}
