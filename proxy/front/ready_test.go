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

func TestReadinessEndsWithTheSignalToStop(t *testing.T) {
	t.Parallel()
	w := world.Start(t, "prefix: /chatai\n"+pair("openai"))
	conn := w.Dial(t)
	defer func() { _ = conn.Close() }()
	r := bufio.NewReader(conn)
	get := func(method, path string) (int, string) {
		t.Helper()
		fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: %s\r\n\r\n", method, path, w.Addr)
		resp, err := http.ReadResponse(r, &http.Request{Method: method})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		body, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, strings.TrimSpace(string(body))
	}
	for _, path := range []string{"/readyz", "/livez"} {
		for _, method := range []string{"GET", "HEAD"} {
			if status, _ := get(method, path); status != 200 {
				t.Errorf("%s %s: %d", method, path, status)
			}
		}
		if status, _ := get("POST", path); status != 404 && status != 405 {
			t.Errorf("POST %s: %d", path, status)
		}
	}

	// A question runs, so that the stop takes a while.
	asks := w.Dial(t)
	defer func() { _ = asks.Close() }()
	body := `{"model":"echo-first-60000","messages":[{"role":"user","content":"hi"}]}`
	fmt.Fprintf(asks, "POST /chatai/v1/chat/completions HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s", w.Addr, key, len(body), body)
	asked(t, w, "openai", 1)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		w.Shutdown(world.Limit)
	}()
	w.Eventually(t, "the gateway stops", w.Gateway.Draining)
	if status, body := get("GET", "/readyz"); status != 503 || body != `{"status":"stopping","store":"ok"}` {
		t.Errorf("%d %s", status, body)
	}
	_ = asks.Close()
	<-stopped
}
