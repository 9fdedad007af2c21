package front_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

// A client may send its next request before it has the answer to the first one. It
// then gets each answer when that is ready, in order, whole or streamed.
func TestAnAnswerDoesNotWaitForThatOfAPipelinedRequest(t *testing.T) {
	t.Parallel()
	for _, first := range []string{
		"GET /api/conversations HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + key + "\r\n\r\n",
		post("/api/chat", askAs("u", "hi")),
		post("/api/chat/stream", askAs("u", "hi")),
		post("/v1/chat/completions", `{"model":"echo","stream":true,"messages":[{"role":"user","content":"hi"}]}`),
	} {
		line, _, _ := strings.Cut(first, " HTTP")
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			w := world.Start(t, callers+"channels:\n"+channel("up", "openai", "", "echo", "hang"))
			slow := post("/api/chat", `{"message":"hi","userId":"v","preset":"hang"}`)
			for _, pieces := range [][]string{{first + first + slow}, {first + first[:20], first[20:] + slow[:40], slow[40:]}} {
				c := w.Dial(t)
				in := bufio.NewReader(c)
				for _, piece := range pieces {
					if _, err := io.WriteString(c, piece); err != nil {
						t.Fatal(err)
					}
				}
				for n := range 2 {
					resp, err := http.ReadResponse(in, nil)
					if err != nil {
						t.Fatalf("answer %d: %v", n, err)
					}
					if body, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != 200 || len(body) == 0 {
						t.Errorf("answer %d: %d %s, %v", n, resp.StatusCode, body, err)
					}
				}
				w.Eventually(t, "the slow question runs", func() bool { return w.Model.Active() == 1 })
				_ = c.Close()
				w.Eventually(t, "the slow question is abandoned", func() bool { return w.Model.Active() == 0 })
			}
		})
	}
}

func post(path, body string) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", path, key, len(body), body)
}
