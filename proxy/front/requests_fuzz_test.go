package front_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

// requestsIn reads raw as net/http does, which is the other server of two in a row: the
// whole requests at its beginning.
func requestsIn(raw string) (all []*http.Request) {
	in := bufio.NewReader(strings.NewReader(raw))
	for {
		// Empty lines before a request are ignored (RFC 9112, section 2.2), which net/http
		// does not do.
		for next, _ := in.Peek(1); len(next) == 1 && (next[0] == '\r' || next[0] == '\n'); next, _ = in.Peek(1) {
			_, _ = in.Discard(1)
		}
		r, err := http.ReadRequest(in)
		if err != nil {
			return all
		}
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return all
		}
		all = append(all, r)
	}
}

// bare reports whether a line of raw ends with LF alone. net/http takes it for an end of
// the line, we wait for one, until the time for a request is over.
func bare(raw string) bool { return strings.Contains(strings.ReplaceAll(raw, "\r\n", ""), "\n") }

// answersTo reads what comes back for requests, up to the end of the connection, or up
// to a socket. When all that is due has come, the client leaves. waits is true where
// neither an answer nor the end came.
func answersTo(t *testing.T, c *net.TCPConn, requests []*http.Request, due int) (good int, waits bool) {
	t.Helper()
	in := bufio.NewReader(c)
	for n := 0; ; n++ {
		if n >= due {
			_ = c.CloseWrite() // what was begun and never ends
		}
		var to *http.Request
		if n < len(requests) {
			to = requests[n]
		}
		resp, err := http.ReadResponse(in, to)
		if err != nil {
			return good, errors.Is(err, os.ErrDeadlineExceeded)
		}
		if resp.StatusCode == http.StatusSwitchingProtocols {
			return good, false
		}
		if resp.StatusCode == http.StatusContinue {
			n--
			continue
		}
		body, err := io.ReadAll(resp.Body)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return good, true
		}
		if resp.StatusCode >= 500 || resp.Header.Get("X-Request-Id") == "" {
			t.Errorf("answer %d: %d %v %.300s", n, resp.StatusCode, resp.Header, body)
		}
		if resp.StatusCode < 300 {
			good++
		}
	}
}

// Whatever bytes come on a connection, there is never a good answer more than another
// server finds requests in them, none of them is a failure of ours, and who waits for
// the answer to a whole request gets one, or the end of the connection.
func FuzzHTTPSessionHasNoAnswerMoreThanRequests(f *testing.F) {
	w := world.Start(f, "trusted_proxies: [127.0.0.1]\n"+callers+"presets: {default: {model: echo}}\nchannels: [{id: a, kind: mock, models: [echo]}]\n")
	for _, h := range hostile {
		f.Add([]byte(h.raw))
	}
	const head = " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + key + "\r\n"
	for _, call := range []string{
		"/api/conversations?limit=-1&offset=99999999999999999999", "/api/conversations/%ff%00?limit=1", "/conversation/list", "/conversation/load?id=1e9", "/conversation/view?hash=%",
		"/conversation/delete?id=-1", "/v1/models", "/v1/models/%2e%2e%2f", "/quota", "/api/userinfo/", "/v1/market", "/apikey", "/conversation/mask/view", "//info", "/api/v1/models",
	} {
		f.Add([]byte("GET " + call + head + "X-Forwarded-For: 192.0.2.1, ::1, x\r\n\r\n"))
	}
	for _, post := range [][2]string{
		{"/v1/chat/completions", `{"model":"echo","stream":true,"messages":[{"role":"user","content":"hi"}]}`}, {"/v1/messages", `{"model":"echo","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`},
		{"/api/chat/stream", askBody}, {"/conversation/rename", `{"id":1,"name":"x"}`}, {"/conversation/share", `{"id":1,"refs":[-1]}`}, {"/conversation/mask/save", `{"id":-1,"context":[]}`},
		{"/v1/charge", `{}`}, {"/login", `{"token":"` + key + `"}`},
	} {
		f.Add([]byte("POST " + post[0] + head + "Idempotency-Key: k\r\nContent-Type: application/json\r\n" + chunkedTE + "\r\n" + "ff;x\r\n" + post[1] + strings.Repeat(" ", 255-len(post[1])) + "\r\n0\r\n\r\n"))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		defer func() { _ = w.Store.Delete(context.Background(), "alice", "") }()
		dialed, err := net.Dial("tcp", w.Addr)
		if err != nil {
			t.Skip(err) // no port is left
		}
		c := dialed.(*net.TCPConn)
		defer func() { _ = c.Close() }()
		_ = c.SetDeadline(time.Now().Add(world.Limit))
		_, _ = c.Write(raw) // it may be closed before all is read
		requests := requestsIn(string(raw))
		due := len(requests)
		if bare(string(raw)) {
			due = 0
		}
		good, waits := answersTo(t, c, requests, due)
		if good > len(requests) {
			t.Errorf("%d good answers to %d requests: %q", good, len(requests), raw)
		}
		if waits {
			t.Errorf("no answer and no end to %d requests: %q", len(requests), raw)
		}
	})
}
