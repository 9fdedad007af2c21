package front_test

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

const (
	ollamaChat   = `{"model":"%s","messages":[{"role":"user","content":"hi"}],"stream":%v}`
	ollamaPrompt = `{"model":"%s","prompt":"hi","stream":%v}`
)

// The paths are below /ollama on every port, where Ollama has them on a port of their own, and some
// of them there on the shared port too, where POST /api/chat is rest's as well.
func TestTheOllamaPathsAreAnsweredOnEveryPort(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"ollama", "openai"} {
		w := world.Start(t, callers+"ollama: {listen: \"127.0.0.1:0\"}\nchannels:\n"+channel("up", kind, "", "echo", "\"v/echo:7b\"", "fail-500"))
		for _, c := range []struct {
			where, method, path, body string
			status                    int
			media, holds              string
		}{
			{"all", "POST", "/api/chat", fmt.Sprintf(ollamaChat, "echo", false), 200, "application/json", `"content":"Hello, you said \"hi\" (n=1)"},"done":true,"done_reason":"stop"`},
			{"all", "POST", "/api/chat", fmt.Sprintf(ollamaChat, "echo:latest", true), 200, "application/x-ndjson", `"done":false}` + "\n{"},
			{"all", "POST", "/api/generate", fmt.Sprintf(ollamaPrompt, "v/echo:7b", true), 200, "application/x-ndjson", `"response":"Hello","done":false`},
			{"all", "POST", "/api/generate", fmt.Sprintf(ollamaPrompt, "echo", false), 200, "application/json", `"response":"Hello, you said`},
			{"all", "POST", "/api/generate", `{"model":"echo","keep_alive":0}`, 200, "application/json", `"done_reason":"unload"`},
			{"all", "POST", "/api/chat", `{"model":"echo:latest","messages":[]}`, 200, "application/json", `"done_reason":"load"`},
			{"all", "POST", "/api/chat", `{"model":"none","messages":[]}`, 404, "application/json", `"code":"MODEL_NOT_FOUND"`},
			{"all", "POST", "/api/chat", fmt.Sprintf(ollamaChat, "none:latest", true), 404, "application/json", `{"error":"`},
			{"all", "POST", "/api/chat", fmt.Sprintf(ollamaChat, "fail-500", true), 502, "application/json", `"code":"MODEL_ERROR"`},
			{"all", "GET", "/api/tags", "", 200, "application/json", `{"name":"v/echo:7b","model":"v/echo:7b"`},
			{"all", "POST", "/api/show", `{"model":"echo:latest"}`, 200, "application/json", `"general.basename":"echo"`},
			{"all", "POST", "/api/show", `{"name":"none"}`, 404, "application/json", `"code":"MODEL_NOT_FOUND"`},
			{"all", "GET", "/api/version", "", 200, "application/json", `{"version":"0.`},
			{"own", "GET", "/", "", 200, "text/plain", "Ollama is running"},
			{"own", "GET", "/api/ps", "", 200, "application/json", `{"models":[]}`},
			{"own", "POST", "/api/embed", `{}`, 404, "application/json", "embeddings are not made"},
			{"own", "POST", "/api/chat", `{"model":"m"}`, 400, "application/json", `"code":"VALIDATION_ERROR"`},
			{"own", "GET", "/v1/models", "", 200, "application/json", `"object":"list"`},
			{"below", "GET", "", "", 200, "text/plain", "Ollama is running"},
			{"below", "POST", "/api/pull", `{"model":"m"}`, 404, "application/json", `"code":"NOT_FOUND"`},
			{"below", "POST", "/api/chat", `{"model":"m","message":"hi"}`, 400, "application/json", "rest front"},
			{"shared", "POST", "/api/chat", `{"message":"hi","userId":"u","preset":"echo"}`, 200, "application/json", `"success":true`},
			{"shared", "POST", "/api/chat", `{"messages":`, 400, "application/json", `"success":false`},
			{"shared", "POST", "/api/embed", `{}`, 404, "application/json", `"success":false`},
			{"shared", "POST", "/api/embed", `{}`, 404, "application/json", "POST /api/embed is not served here; embeddings are made at POST /v1/embeddings, and Ollama's other paths are below /ollama"},
			{"shared", "GET", "/api/ps", "", 404, "application/json", "GET /api/ps is not served here; use GET /ollama/api/ps"},
			{"shared", "DELETE", "/api/delete", `{}`, 404, "application/json", "models are not kept here"},
			{"shared", "POST", "/api/embedded", `{}`, 404, "application/json", "not found or method not allowed"},
		} {
			targets := map[string]string{"own": w.OllamaAddr, "below": w.Addr + "/ollama", "shared": w.Addr}
			for where, at := range targets {
				if c.where != "all" && c.where != where {
					continue
				}
				host, base, _ := strings.Cut(at, "/")
				if base != "" {
					base = "/" + base
				}
				status, h, body := w.DoAt(t, host, c.method, base+c.path, c.body, "Authorization", "Bearer "+key)
				if status != c.status || !strings.HasPrefix(h.Get("Content-Type"), c.media) || !strings.Contains(body, c.holds) {
					t.Errorf("%s, %s %s: %d %s %s", kind, c.method, at+c.path, status, h.Get("Content-Type"), body)
				}
			}
		}
		for _, path := range []string{"/api/chat", "/ollama/api/chat"} {
			if status, _, body := w.Do(t, "POST", path, fmt.Sprintf(ollamaChat, "echo", false)); status != 401 || !strings.Contains(body, `"code":"UNAUTHORIZED"`) {
				t.Errorf("%s without a key: %d %s", path, status, body)
			}
		}
		var asked []string
		for _, seen := range w.Model.Seen() {
			asked = append(asked, seen.Path)
		}
		if all := strings.Join(asked, " "); strings.Contains(all, "/api/generate") != (kind == "ollama") || strings.Contains(all, "/api/chat") != (kind == "ollama") {
			t.Errorf("%s was asked on %s", kind, all)
		}
	}
}

// A port of the front's own is given up with the other one, and takes no more than the bounds allow.
func TestOllamasOwnPortIsGivenUpWithTheServer(t *testing.T) {
	t.Parallel()
	w := world.Start(t, callers+"ollama: {listen: \"127.0.0.1:0\"}\nchannels:\n"+channel("up", "mock", "", "echo"))
	resp, err := http.Get("http://" + w.OllamaAddr + "/api/version")
	if err != nil || resp.StatusCode != 200 {
		t.Fatal(err, resp)
	}
	_ = resp.Body.Close()
	w.Shutdown(world.Limit)
	if c, err := net.Dial("tcp", w.OllamaAddr); err == nil {
		_ = c.Close()
		t.Error("it is still answered")
	}
}
