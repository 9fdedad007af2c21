package front_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

// Each front's path, a body for a model, and the headers of a caller.
var onceFronts = []struct {
	path, body string
	headers    []string
}{
	{"/api/chat", `{"message":"hi","userId":"u","preset":"%s"}`, []string{"Authorization", "Bearer " + key}},
	{"/api/chat/stream", `{"message":"hi","userId":"u","preset":"%s"}`, []string{"Authorization", "Bearer " + key}},
	{"/v1/chat/completions", `{"model":"%s","messages":[{"role":"user","content":"hi"}]}`, []string{"Authorization", "Bearer " + key}},
	{"/v1/chat/completions", `{"model":"%s","stream":true,"messages":[{"role":"user","content":"hi"}]}`, []string{"Authorization", "Bearer " + key}},
	{"/v1/messages", `{"model":"%s","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`, []string{"X-Api-Key", key}},
	{"/v1/messages", `{"model":"%s","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"hi"}]}`, []string{"X-Api-Key", key}},
}

func onceConf() string {
	return callers + "channels:\n" +
		channel("up", "openai", "replay: false", "echo", "tools", "reason", "fail-500", "fail-400", "fail-429-retry-7", "errormid", "first-60000") +
		channel("same", "anthropic", "", "claude-echo") +
		channel("slow", "openai", quick, "stall")
}

func onceWorld(t *testing.T) *world.World { return world.Start(t, onceConf()) }

func eachOnce(t *testing.T, test func(t *testing.T, w *world.World, do func(model, once string) (int, string, string))) {
	for i, f := range onceFronts {
		t.Run(fmt.Sprintf("%s %d", f.path, i), func(t *testing.T) {
			t.Parallel()
			once := func(t *testing.T, w *world.World) {
				test(t, w, func(model, once string) (int, string, string) {
					t.Helper()
					status, h, body := w.Do(t, "POST", f.path, fmt.Sprintf(f.body, model), append(f.headers, "Content-Type", "application/json", "Idempotency-Key", once)...)
					return status, h.Get("Idempotent-Replayed"), body
				})
			}
			if world.Fleet() { // it only takes longer
				once(t, onceWorld(t))
				return
			}
			synctest.Test(t, func(t *testing.T) { once(t, world.Alone(t, onceConf())) })
		})
	}
}

func TestARepeatedRequestGetsTheSameAnswerAndAsksNobody(t *testing.T) {
	t.Parallel()
	eachOnce(t, func(t *testing.T, w *world.World, do func(model, once string) (int, string, string)) {
		for _, model := range []string{"echo", "claude-echo", "tools", "reason", "fail-500", "stall", "errormid"} {
			before := w.Model.Requests()
			status, replayed, first := do(model, "k-"+model)
			asked := w.Model.Requests()
			again, marked, second := do(model, `"k-`+model+`"`)
			if replayed != "" || marked != "true" || again != status {
				t.Errorf("%s: %d %q, then %d %q", model, status, replayed, again, marked)
			}
			if asked != before+1 || w.Model.Requests() != asked {
				t.Errorf("%s: the model was asked %d times, and %d times more", model, asked-before, w.Model.Requests()-asked)
			}
			if !strings.Contains(first, "data: ") && first != second {
				t.Errorf("%s: first %s\nthen %s", model, first, second)
			}
			if strings.HasPrefix(first, "data: ") != strings.HasPrefix(second, "data: ") || lastLine(first) != lastLine(second) {
				t.Errorf("%s: first %s\nthen %s", model, first, second)
			}
		}
	})
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}

func TestAStreamIsRepeatedAsStartOneContentAndEnd(t *testing.T) {
	t.Parallel()
	w := onceWorld(t)
	attempts := "1"
	ask := func() (string, string) {
		status, h, body := w.Do(t, "POST", "/api/chat/stream", `{"message":"hi","userId":"u","preset":"echo"}`, "Authorization", "Bearer "+key, "Idempotency-Key", "k")
		if got := h.Get("X-Dragoman-Attempts"); got != attempts || (h.Get("X-Dragoman-Channel") == "") != (attempts == "0") {
			t.Errorf("%q attempts, want %s; channel %q", got, attempts, h.Get("X-Dragoman-Channel"))
		}
		attempts = "0" // a repetition asks nobody
		if status != 200 || h.Get("Content-Type") != "text/event-stream; charset=utf-8" || h.Get("Cache-Control") != "no-cache, no-transform" {
			t.Fatalf("%d %v %s", status, h, body)
		}
		return h.Get("X-Request-Id"), body
	}
	id, first := ask()
	again, second := ask()
	events := strings.Split(strings.TrimSuffix(first, "\n\n"), "\n\n")
	want := events[0] + "\n\n" + `data: {"type":"content","text":"Hello, you said \"hi\" (n=1)"}` + "\n\n" + events[len(events)-1] + "\n\n"
	if second != want || id == again {
		t.Errorf("request %s got\n%srequest %s got\n%s", id, first, again, second)
	}
}

func TestWhatTheModelDidNotAnswerIsAskedAgain(t *testing.T) {
	t.Parallel()
	eachOnce(t, func(t *testing.T, w *world.World, do func(model, once string) (int, string, string)) {
		for _, model := range []string{"nobody", "fail-429-retry-7"} {
			for range 2 {
				if status, replayed, body := do(model, "k"); replayed != "" || status < 400 {
					t.Errorf("%s: %d %q %s", model, status, replayed, body)
				}
			}
		}
	})
}

func TestAnIdempotencyKeyIsForOneRequestOfOneCaller(t *testing.T) {
	t.Parallel()
	w := onceWorld(t)
	ask := func(path, message, caller, once string) (int, string, string) {
		t.Helper()
		status, h, body := w.Do(t, "POST", path, askAs("u", message), "Authorization", "Bearer "+caller, "Idempotency-Key", once)
		return status, h.Get("Idempotent-Replayed"), body
	}
	if status, _, body := ask("/api/chat", "one", key, "k"); status != 200 {
		t.Fatal(status, body)
	}
	if status, _, body := ask("/api/chat", "two", key, "k"); status != 422 || !strings.Contains(body, `"IDEMPOTENCY_KEY_REUSED"`) {
		t.Errorf("another body: %d %s", status, body)
	}
	for _, c := range [][3]string{{"/api/chat/stream", key, "k"}, {"/api/chat", "sk-bob-caller-key", "k"}, {"/api/chat", key, "K"}} {
		if status, replayed, body := ask(c[0], "one", c[1], c[2]); status != 200 || replayed != "" {
			t.Errorf("%v: %d %q %s", c, status, replayed, body)
		}
	}
	for _, bad := range []string{strings.Repeat("x", 256), `""`, `"` + strings.Repeat("x", 256) + `"`} {
		if status, _, body := ask("/api/chat", "one", key, bad); status != 400 || !strings.Contains(body, `"VALIDATION_ERROR"`) {
			t.Errorf("key %s: %d %s", clip(bad), status, body)
		}
	}
	for _, good := range []string{strings.Repeat("x", 255), `"` + strings.Repeat("ü", 255) + `"`} {
		if status, _, body := ask("/api/chat", "one", key, good); status != 200 {
			t.Errorf("key %s: %d %s", clip(good), status, body)
		}
	}
}

func TestARepetitionWhileTheFirstRequestRunsIsAConflict(t *testing.T) {
	t.Parallel()
	w := onceWorld(t)
	c := w.Dial(t)
	body := `{"message":"hi","userId":"u","preset":"first-60000"}`
	fmt.Fprintf(c, "POST /api/chat HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nIdempotency-Key: k\r\nContent-Length: %d\r\n\r\n%s", key, len(body), body)
	w.Eventually(t, "the model is asked", func() bool { return w.Model.Active() == 1 })
	again := func() int {
		status, _, got := w.Do(t, "POST", "/api/chat", body, "Authorization", "Bearer "+key, "Idempotency-Key", "k")
		if status != 409 || !strings.Contains(got, `"REQUEST_IN_PROGRESS"`) {
			t.Errorf("%d %s", status, got)
		}
		return status
	}
	again()
	_ = c.Close()
	w.Eventually(t, "the abandoned question is forgotten", func() bool { return w.Model.Active() == 0 })
	w.Eventually(t, "it may be asked again", func() bool {
		status, _, _ := w.Do(t, "POST", "/api/chat", askAs("u", "other"), "Authorization", "Bearer "+key, "Idempotency-Key", "k")
		return status == 200
	})
}

func TestAnIdempotencyKeyIsForOneFormOfGooglesAnswers(t *testing.T) {
	t.Parallel()
	w := onceWorld(t)
	for _, c := range [][2]string{{"?alt=sse", "text/event-stream"}, {"", "application/json"}} {
		status, h, body := w.Do(t, "POST", "/v1beta/models/echo:streamGenerateContent"+c[0], `{"contents":[{"parts":[{"text":"hi"}]}]}`,
			"Authorization", "Bearer "+key, "Content-Type", "application/json", "Idempotency-Key", "k")
		if status != 200 || !strings.HasPrefix(h.Get("Content-Type"), c[1]) || h.Get("Idempotent-Replayed") != "" {
			t.Errorf("%q: %d %v %s", c[0], status, h, body)
		}
	}
}
