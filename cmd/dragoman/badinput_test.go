package main

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/internal/redistest"
)

// refused wants a call of operators to be refused with status, in the one form of errors, and
// without a word of what there is.
func (r *running) refused(method, path, token string, status int) {
	r.t.Helper()
	got, body := r.call(method, r.operator+path, token)
	if got != status || !strings.HasPrefix(body, `{"error":{"code":"`) {
		r.t.Errorf("%s %s: %d %s, want %d", method, path, got, body, status)
	}
	for _, hint := range []string{"operator-token", "reading-token", "echo", "configured", "read_token", r.file} {
		if status == http.StatusUnauthorized && strings.Contains(body, hint) {
			r.t.Errorf("%s %s hints at %q: %s", method, path, hint, body)
		}
	}
}

// What operators get wrong is refused with its reason and changes nothing, in a gateway that runs.
func TestWhatOperatorsGetWrongIsRefusedAndChangesNothing(t *testing.T) {
	t.Parallel()
	text := strings.Replace(fmt.Sprintf(reloadConf, "echo"), "operator-token", "operator-token, read_token: reading-token", 1)
	var r *running
	t.Cleanup(func() { // the log is whole when serve has ended
		if r != nil && strings.Contains(r.log.String(), "an operator's call failed") {
			t.Errorf("the log takes mistakes of operators for failures:\n%s", r.log)
		}
	})
	r = runServeOn(t, text)

	// Those that only show something want a token, those that change something the full one.
	for _, path := range []string{"/api/channels", "/api/configuration", "/api/exchanges", "/api/events", "/api/conversations?caller=alice", "/api/ledger", "/metrics"} {
		r.refused("GET", path, "wrong", http.StatusUnauthorized)
	}
	for _, write := range []string{"POST /api/reload", "POST /api/configuration/apply", "POST /api/configuration/rollback", "PUT /api/channels/a/weight", "DELETE /api/channels/a/weight",
		"POST /api/channels/a/open", "POST /api/channels/a/drain", "POST /api/channels/a/test", "POST /api/keys", "DELETE /api/keys/key_1", "DELETE /api/conversations/c?caller=alice",
		"POST /api/conversations/c/clear?caller=alice", "GET /api/conversations/c?caller=alice", "POST /api/sockets/s1/close", "POST /api/playground"} {
		method, path, _ := strings.Cut(write, " ")
		r.refused(method, path, "reading-token", http.StatusForbidden)
	}

	// A text with several mistakes names every line, whichever way it comes.
	before := r.shown()
	wrong := text + "chanels: []\nbalance: dice\nlimits: {few: {requests: often}}\n"
	mistakes := []string{fmt.Sprintf(`"line":%d`, strings.Count(text, "\n")+1), fmt.Sprintf(`"line":%d`, strings.Count(text, "\n")+2), fmt.Sprintf(`"line":%d`, strings.Count(text, "\n")+3), "chanels", "dice", "limits.few.requests"}
	r.wants(http.StatusOK, append(mistakes, `"valid":false`)...)(r.post("/api/configuration/validate", map[string]string{"text": wrong}))
	for _, call := range []string{"diff", "apply"} {
		r.wants(http.StatusBadRequest, mistakes...)(r.post("/api/configuration/"+call, map[string]string{"text": wrong}))
	}
	if file, err := os.ReadFile(r.file); err != nil || string(file) != text {
		t.Errorf("a refused text is in the file: %v %s", err, file)
	}
	r.write(wrong)
	r.wants(http.StatusBadRequest, mistakes...)(r.call("POST", r.operator+"/api/reload", "operator-token"))
	r.write(text)
	if now := r.shown(); now != before || r.models() != "echo" {
		t.Errorf("it has changed something:\n%s\n%s", before, now)
	}

	// Whoever goes on guessing waits; the right token is taken meanwhile.
	slowed := 0
	for i := range 100 {
		if status, _ := r.call("GET", r.operator+"/api/channels", fmt.Sprint("guess", i)); status == http.StatusTooManyRequests {
			slowed++
		}
	}
	if status, _ := r.call("GET", r.operator+"/api/channels", "operator-token"); slowed == 0 || status != http.StatusOK {
		t.Errorf("%d of 100 guesses were slowed, the right token gets %d", slowed, status)
	}
}

// shown is the configuration that runs, as operators read it.
func (r *running) shown() string {
	r.t.Helper()
	_, text := r.call("GET", r.operator+"/api/configuration", "operator-token")
	return text
}

// happens reads the stream of events from cursor on, until one says what, and returns the cursor
// to go on with.
func (r *running) happens(cursor, what string) (next string) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), "GET", r.operator+"/api/events", nil)
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer operator-token")
	if cursor != "" {
		req.Header.Set("Last-Event-ID", cursor)
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil || resp.StatusCode != http.StatusOK {
		r.t.Fatal(resp, err)
	}
	defer func() { _ = resp.Body.Close() }()
	late := time.AfterFunc(time.Minute, func() { _ = resp.Body.Close() })
	defer late.Stop()
	in := bufio.NewScanner(resp.Body)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		if id, ok := strings.CutPrefix(in.Text(), "id: "); ok {
			next = id
		}
		if strings.Contains(in.Text(), what) {
			return next
		}
	}
	r.t.Fatalf("the stream does not say %q: %v", what, in.Err())
	return ""
}

func TestALostStreamOfEventsGoesOnOrSaysWhatWasMissed(t *testing.T) {
	t.Parallel()
	r := runServe(t, "echo")
	ask := func(id string) {
		post(t, r.base, `{"model":"echo","messages":[{"role":"user","content":"hi"}]}`, map[string]string{"X-Request-Id": id})
	}
	cursor := r.happens("", "event: overview")
	ask("one")
	cursor = r.happens(cursor, `"id":"one"`)
	ask("two")
	ask("three")
	r.happens(r.happens(cursor, `"id":"two"`), `"id":"three"`)
	r.happens("another-3", `"why":"the gateway was started anew since"`)
	if status, body := r.call("GET", r.operator+"/api/events?cursor=nonsense", "operator-token"); status != http.StatusBadRequest {
		t.Errorf("%d %s", status, body)
	}
}

func TestACollectorThatIsAwayCostsItsSpansOnly(t *testing.T) {
	t.Parallel()
	away, _ := openaiServer(t, http.StatusOK, "")
	away.Close()
	second, _ := openaiServer(t, http.StatusOK, answered)
	r := runServeOn(t, strings.Replace(fmt.Sprintf(tracesConf, away.URL, second.URL, second.URL), "sample: 0", "sample: 1, timeout: 1s", 1))
	for range 5 {
		if got := post(t, r.base, aQuestion, nil); !strings.Contains(got, "Hello") {
			t.Fatal(got)
		}
	}
	const dropped = "dragoman_trace_spans_dropped_total "
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		_, text := r.call("GET", r.operator+"/metrics", "operator-token")
		if strings.Contains(text, dropped+"10\n") { // an exchange and an attempt each
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s", text[strings.Index(text, dropped):])
		}
	}
	r.logged("the collector did not take spans")
}

func TestWhatLimitsWouldSayIsOfThisProcessWhereSeveralCount(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	limited := strings.Replace(fmt.Sprintf(reloadConf, "echo"), "key: sk-alice", "key: sk-alice, limits: few", 1) + "limits: {few: {requests: 5/d, budget: {amount: 3, per: day}}}\nprices: {echo: {call: 1}}\n"
	for url, partly := range map[string]bool{"": false, s.URL(0): true} {
		text := limited
		if url != "" {
			text += "shared: {url: \"" + url + "\"}\n"
		}
		r := runServeOn(t, text)
		said := fmt.Sprintf(`"this_process_only":%t`, partly)
		// Each process has a store of its own, and so a budget.
		r.wants(http.StatusOK, said, `"rule":"few"`, `"left":5`)(r.post("/api/limits/what-if", map[string]string{"caller": "alice", "model": "echo"}))
		status, text := r.call("GET", r.operator+"/api/limits", "operator-token")
		r.wants(http.StatusOK, said)(status, text)
		resp, err := http.Post(r.base+"/v1beta/models/echo:generateContent?key=sk-alice", "application/json", strings.NewReader(`{"contents":[{"parts":[{"text":"hi"}]}]}`))
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatal(resp, err)
		}
		_ = resp.Body.Close()
		status, text = r.call("GET", r.operator+"/api/limits", "operator-token")
		if n := strings.Count(text, said); status != http.StatusOK || n != 3 {
			t.Errorf("%d rows of %s: %d %s", n, said, status, text)
		}
	}
}
