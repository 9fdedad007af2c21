package front_test

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
	"github.com/dragoman-gateway/dragoman/proxy/front"
)

// Requests as people, their tools and their proxies make them.

func TestAddressesAndKeysAreTakenAsPeopleTypeThem(t *testing.T) {
	t.Parallel()
	const body = `{"model":"echo","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`
	for _, prefix := range []string{"", "/deep/er"} {
		text := callers + "channels:\n" + channel("up", "openai", "", "echo")
		if prefix != "" {
			text = "prefix: " + prefix + "\n" + text
		}
		w := world.Start(t, text)
		for _, path := range []string{
			"/v1/chat/completions", "//v1/chat/completions", "/v1//chat/completions", "/chat/completions", "/v1/v1/chat/completions", "///v1///chat//completions/", "/chat/completions/?a=b", "/api/v1/chat/completions",
			"/v1/messages", "//v1/messages", "/messages", "/messages?beta=true", "/v1/v1/messages/", "/v1//messages?beta=true", "//messages/count_tokens", "/v1/v1/messages/count_tokens", "/api//chat",
		} {
			sent := body
			if path == "/api//chat" {
				sent = `{"message":"hi","userId":"u","preset":"echo"}`
			}
			for _, credential := range [][]string{{"Authorization", "Bearer " + key}, {"X-Api-Key", key}, {"Api-Key", key}, {"Authorization", "bearer  " + key}, {"Authorization", key}, {"Authorization", "Bearer Bearer " + key}, {"Authorization", `Bearer "` + key + `"`}, {"X-Goog-Api-Key", key}, {"Authorization", "Bearer ", "X-Api-Key", "Bearer " + key}} {
				if status, _, said := w.Do(t, "POST", prefix+path, sent, append(credential, "Content-Type", "application/json")...); status != 200 {
					t.Errorf("POST %s%s with %s: %d %s", prefix, path, credential[0], status, said)
				}
			}
		}
		for _, path := range []string{"/v1/models", "//v1/models", "/models", "/v1/models/echo", "/v1/v1/models", "/api/conversations", "/quota"} {
			for _, name := range []string{"X-Api-Key", "Api-Key"} {
				if status, _, said := w.Do(t, "GET", prefix+path, "", name, key); status != 200 || strings.Contains(said, `"status":false`) {
					t.Errorf("GET %s%s with %s: %d %s", prefix, path, name, status, said)
				}
				if status, _, _ := w.Do(t, "GET", prefix+path, "", name, "sk-wrong"); status != 401 && path != "/quota" {
					t.Errorf("GET %s%s with a wrong %s: %d", prefix, path, name, status)
				}
			}
		}
		for _, path := range []string{"/edits", "/v2/chat/completions", "//nothing", "/chat/completions/more"} {
			if status, _, _ := w.Do(t, "POST", prefix+path, body, "Authorization", "Bearer "+key); status != 404 {
				t.Errorf("POST %s%s: %d", prefix, path, status)
			}
		}
	}
}

func TestHEADIsAnsweredWhereverGETIs(t *testing.T) {
	t.Parallel()
	w := world.Start(t, callers+"channels:\n"+channel("up", "openai", "", "echo"))
	paths := []string{"/v1/models/echo", "/v1/models/none", "/api/conversations/none", "/conversation/load?id=1", "/v1beta/models/echo", "/v1/responses/none", "/nothing", "/v1/nothing"}
	changing := []string{"/conversation/delete", "/conversation/clean", "/conversation/share/delete"}
	for _, f := range front.All {
		for _, path := range f.Paths("GET") {
			if !slices.Contains(changing, strings.TrimPrefix(path, "/api")) && !strings.Contains(path, "{") {
				paths = append(paths, path)
			}
		}
	}
	if len(paths) < 60 {
		t.Errorf("there are only %q", paths)
	}
	for _, path := range paths {
		get, head, said := w.Do(t, "GET", path, "", "Authorization", "Bearer "+key)
		status, h, body := w.Do(t, "HEAD", path, "", "Authorization", "Bearer "+key)
		if status != get || body != "" || said == "" || h.Get("Content-Type") != head.Get("Content-Type") || h.Get("Content-Length") != fmt.Sprint(len(said)) && path != "/v1/nothing" /* which says the method */ {
			t.Errorf("HEAD %s: %d with %q, length %s; GET: %d with %d bytes", path, status, body, h.Get("Content-Length"), get, len(said))
		}
	}
	for _, path := range changing {
		for _, path := range []string{path + "?id=1", "/api" + path + "?id=1"} {
			if status, _, _ := w.Do(t, "HEAD", path, "", "Authorization", "Bearer "+key); status != 404 {
				t.Errorf("HEAD %s, which changes something: %d", path, status)
			}
		}
	}
}

func TestAClientOfHTTP10GetsNoChunks(t *testing.T) {
	t.Parallel()
	w := world.Start(t, callers+"channels:\n"+channel("up", "openai", "", "echo")+channel("an", "anthropic", "", "say"))
	for _, more := range []string{"", "Connection: keep-alive\r\n", "Connection: close\r\n"} {
		for _, model := range []string{"echo", "say"} {
			for path, mark := range map[string]string{"/v1/chat/completions": "data: [DONE]\n\n", "/v1/messages": "event: message_stop\n", "/api/chat/stream": `"type":"end"`} {
				body := `{"model":"` + model + `","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"hi"}]}`
				if path == "/api/chat/stream" {
					body = `{"message":"hi","userId":"u","preset":"` + model + `"}`
				}
				conn := w.Dial(t)
				_, _ = fmt.Fprintf(conn, "POST %s HTTP/1.0\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n%s", path, key, more, len(body), body)
				head, err := bufio.NewReader(conn).ReadString('\x00') // to the end of the connection, or of a whole answer
				_, said, _ := strings.Cut(head, "\r\n\r\n")
				if err != io.EOF || strings.Contains(strings.ToLower(head), "transfer-encoding") || strings.Contains(head, "Content-Length") || !strings.Contains(head, "Connection: close") ||
					!strings.Contains(said, mark) || strings.Contains(said, "\r\n") || !strings.HasPrefix(said, "data:") && !strings.HasPrefix(said, "event:") {
					t.Errorf("%s %s %q: %v\n%s", path, model, more, err, head)
				}
			}
		}
	}
}

// packed is body in a coding.
func packed(t *testing.T, coding, body string) string {
	t.Helper()
	var b bytes.Buffer
	var pack io.WriteCloser
	switch coding {
	case "gzip", "x-gzip", "GZIP":
		pack = gzip.NewWriter(&b)
	case "deflate":
		pack = zlib.NewWriter(&b)
	case "bare":
		pack, _ = flate.NewWriter(&b, 9)
	}
	if _, err := io.WriteString(pack, body); err != nil {
		t.Fatal(err)
	}
	if err := pack.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestAPackedBodyIsUnpackedWithinTheBoundsOfABody(t *testing.T) {
	t.Parallel()
	w := world.Start(t, bodiesOf("256KiB")+callers+"channels:\n"+channel("up", "openai", "", "echo"))
	question := func(n int) string {
		return `{"model":"echo","max_tokens":9,"messages":[{"role":"user","content":"` + strings.Repeat("a", n) + `"}]}`
	}
	client := &http.Client{Transport: &http.Transport{DisableCompression: true, DisableKeepAlives: true}}
	defer client.CloseIdleConnections()
	ask := func(path, coding, body string, chunked bool) (int, http.Header, string) {
		var from io.Reader = strings.NewReader(body)
		if chunked {
			from = io.MultiReader(from)
		}
		req, _ := http.NewRequest("POST", "http://"+w.Addr+path, from)
		req.Header.Set("Authorization", "Bearer "+key)
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Content-Encoding", coding)
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		said, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		return resp.StatusCode, resp.Header, string(said)
	}
	for _, path := range []string{"/v1/chat/completions", "/v1/messages"} {
		for _, chunked := range []bool{false, true} {
			for _, coding := range []string{"gzip", "x-gzip", "GZIP", "deflate", "bare"} {
				name := coding
				if name == "bare" {
					name = "deflate"
				}
				for _, n := range []int{2, 20 << 10, 225 << 10} {
					if status, _, said := ask(path, name, packed(t, coding, question(n)), chunked); status != 200 {
						t.Errorf("%s %s of %d, chunked %v: %d %.200s", path, coding, n, chunked, status, said)
					}
				}
				if status, _, said := ask(path, name, packed(t, coding, question(2<<20)), chunked); status != 413 {
					t.Errorf("%s %s of 2 MiB, chunked %v: %d %.200s", path, coding, chunked, status, said)
				}
			}
			for _, body := range []string{question(2), question(30 << 10), packed(t, "gzip", question(2))[:20]} {
				if status, _, said := ask(path, "gzip", body, chunked); status != 400 || !strings.Contains(said, "Content-Encoding") {
					t.Errorf("%s what is no gzip, chunked %v: %d %s", path, chunked, status, said)
				}
			}
			for _, coding := range []string{"br", "zstd", "gzip, gzip"} {
				status, h, said := ask(path, coding, question(2), chunked)
				if status != 415 || !strings.Contains(said, strings.Split(coding, ",")[0]) || h.Get("Accept-Encoding") != "gzip, deflate" {
					t.Errorf("%s %s, chunked %v: %d %q %s", path, coding, chunked, status, h.Get("Accept-Encoding"), said)
				}
			}
			if status, _, said := ask(path, "identity", question(2), chunked); status != 200 {
				t.Errorf("%s identity: %d %s", path, status, said)
			}
		}
	}
	if held := w.BodiesHeld(); held != 0 {
		t.Errorf("%d bytes are still held", held)
	}
}

func TestWholeNumbersMayHaveAPoint(t *testing.T) {
	t.Parallel()
	w := world.Start(t, callers+"presets: {pre: {model: echo}}\nchannels:\n"+channel("up", "openai", "", "echo")+channel("an", "anthropic", "", "say"))
	for _, model := range []string{"echo", "say", "pre"} {
		for _, path := range []string{"/v1/chat/completions", "/v1/messages"} {
			for number, want := range map[string]int{`100.0`: 200, `1e2`: 200, `1.0E+2`: 200, `100`: 200, `100.5`: 400, `"100"`: 400, `0.0`: 400, `-1.0`: 400, `1e400`: 400} {
				more := `"seed":1.0,"n":1.0,`
				if path == "/v1/messages" {
					more = `"top_k":5.0,`
				}
				body := `{"model":"` + model + `",` + more + `"max_tokens":` + number + `,"messages":[{"role":"user","content":"hi"}]}`
				if status, _, said := w.Do(t, "POST", path, body, "Authorization", "Bearer "+key, "Content-Type", "application/json"); status != want {
					t.Errorf("%s on %s with max_tokens %s: %d %s", path, model, number, status, said)
				}
			}
		}
	}
}

func TestAMissingEndpointSaysWhatThereIs(t *testing.T) {
	t.Parallel()
	w := world.Start(t, callers+"channels:\n"+channel("up", "openai", "", "echo"))
	for _, c := range []struct {
		path string
		want []string
	}{
		{"/v1/responses/resp_1/cancel", []string{"POST /v1/responses/resp_1/cancel is not served here", "POST /v1/responses"}},
		{"/v1/edits", []string{"POST /v1/edits is not served here", "POST /v1/embeddings", "GET /v1/models"}},
		{"/v1/files", []string{"POST /v1/files is not served here", "POST /v1/embeddings"}},
		{"/v1/messages/batches", []string{"POST /v1/messages/batches is not served here", "/v1/messages/count_tokens", `"type":"not_found_error"`}},
		{"/v1/" + strings.Repeat("x", 500), []string{"POST /v1/xxx", "is not served here"}},
		{"/v1/a%22%0d%0ab", []string{"is not served here"}},
		{"/v1/chat/%63ompletions", []string{"POST /v1/chat/completions is not served here as it was written, with escapes, dots", "; use POST /v1/chat/completions"}},
		{"/v1/chat/../chat/completions", []string{"POST /v1/chat/completions is not served here as it was written"}},
	} {
		status, _, said := w.Do(t, "POST", c.path, `{}`, "Authorization", "Bearer "+key)
		for _, want := range c.want {
			if status != 404 || !strings.Contains(said, want) || len(said) > 1000 {
				t.Errorf("%s: %d %s, want %s", c.path, status, said, want)
			}
		}
	}
}
