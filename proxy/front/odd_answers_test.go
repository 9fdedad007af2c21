package front_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

// scripted is a back end of kind openai that answers every question with the reply that
// is set, whatever was asked for.
type scripted struct {
	url   string
	reply atomic.Pointer[string]
	label atomic.Pointer[string]
	asked atomic.Int32
}

func newScripted(t *testing.T) *scripted {
	t.Helper()
	b := &scripted{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		b.asked.Add(1)
		w.Header().Set("Content-Type", *b.label.Load())
		_, _ = io.WriteString(w, *b.reply.Load())
	}))
	t.Cleanup(s.Close)
	b.url = s.URL
	return b
}

func (b *scripted) says(label, reply string) {
	b.label.Store(&label)
	b.reply.Store(&reply)
}

// oddEvent is one event of a stream of chat completions.
func oddEvent(delta, reason string) string {
	if reason != "null" {
		reason = `"` + reason + `"`
	}
	return `data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"up","choices":[{"index":0,"delta":` + delta + `,"finish_reason":` + reason + "}]}\n\n"
}

const oddDone = "data: [DONE]\n\n"

func oddChannel(id, url string, tier int) string {
	return fmt.Sprintf("  - {id: %s, kind: openai, url: %q, tier: %d, models: [echo]}\n", id, url, tier)
}

func oddWorld(t *testing.T, channels string) *world.World {
	t.Helper()
	return world.Start(t, "callers: {keys: [{name: alice, key: "+key+"}]}\nchannels:\n"+channels)
}

func TestOddAnswersAreToldRightOnEveryFront(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, label, reply string
		text               string // that every front shows
		failed             bool   // and whether it ends with an error
	}{
		{"a reason in every event", "text/event-stream", oddEvent(`{"content":"one "}`, "stop") + oddEvent(`{"content":"two "}`, "stop") + oddEvent(`{"content":"three"}`, "stop") + oddDone, "one two three", false},
		{"a text behind the reason", "text/event-stream", oddEvent(`{"content":"one "}`, "null") + oddEvent(`{}`, "stop") + oddEvent(`{"content":"two"}`, "null") + oddDone, "one two", false},
		{"a failure for a reason", "text/event-stream", oddEvent(`{"content":"part"}`, "null") + oddEvent(`{}`, "network_error") + oddDone, "part", true},
		{"an error in a choice", "text/event-stream", oddEvent(`{"content":"part"}`, "null") + `data: {"choices":[{"index":0,"delta":{},"finish_reason":"error","error":{"code":502,"message":"gone"}}]}` + "\n\n" + oddDone, "part", true},
		{"an event named error", "text/event-stream", oddEvent(`{"content":"part"}`, "null") + "event: error\ndata: {\"message\":\"gone\"}\n\n" + oddDone, "part", true},
		{"an empty function_call", "text/event-stream", oddEvent(`{"content":"hello"}`, "null") + oddEvent(`{"function_call":{"name":"","arguments":""}}`, "stop") + oddDone, "hello", false},
		{"events as JSON", "application/json", oddEvent(`{"content":"hello"}`, "stop") + oddDone, "hello", false},
		{"events as HTML", "text/html; charset=utf-8", oddEvent(`{"content":"hello"}`, "stop") + oddDone, "hello", false},
		{"a body as events", "text/event-stream", `{"id":"c1","object":"chat.completion","model":"up","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}]}`, "hello", false},
		{"a body and an end mark", "text/event-stream", "\n" + `{"id":"c1","object":"chat.completion","model":"up","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}]}` + "\n\n" + oddDone, "hello", false},
		{"harmless events", "text/event-stream", "data: ping\n\ndata: null\n\n" + oddEvent(`{"content":"hello"}`, "null") + "data: [done]\n\n", "hello", false},
		{"a long event", "text/event-stream", oddEvent(`{"content":"`+strings.Repeat("x", 1_500_000)+`"}`, "stop") + oddDone, strings.Repeat("x", 1_500_000), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newScripted(t)
			b.says(c.label, c.reply)
			var w *world.World
			for i, p := range posts {
				if i == 0 || c.failed { // else its breaker opens
					w = oddWorld(t, oddChannel("odd", b.url, 1))
				}
				status, _, body := w.Do(t, "POST", p.path, p.body, "Authorization", "Bearer "+key, "anthropic-version", "2023-06-01")
				failed := status != 200 || strings.Contains(body, `"error"`)
				if failed != c.failed || failed && strings.Contains(body, oddDone) {
					t.Errorf("%s: %d %.300s", p.name, status, body)
				}
				if shown := textOf(body); !strings.Contains(p.name, "streamed") && failed {
					continue // nothing came of it
				} else if shown != c.text {
					t.Errorf("%s shows %.100q, want %.100q: %.300s", p.name, shown, c.text, body)
				}
			}
		})
	}
}

// textOf joins the texts of an answer, whole or streamed, in any dialect.
func textOf(body string) (text string) {
	for _, member := range []string{`"content":"`, `"text":"`, `"response":"`, `"data":"`} {
		for rest := body; ; {
			_, after, ok := strings.Cut(rest, member)
			if !ok {
				break
			}
			value, _, _ := strings.Cut(after, `"`)
			text += value
			rest = after
		}
		if text != "" {
			return text
		}
	}
	return text
}

func TestAnEndMarkWithoutAReasonIsACutOnceAModelHasGivenOne(t *testing.T) {
	t.Parallel()
	b := newScripted(t)
	w := oddWorld(t, oddChannel("odd", b.url, 1))
	ask := func(i int) (int, string) {
		status, _, body := w.Do(t, "POST", posts[i].path, posts[i].body, "Authorization", "Bearer "+key, "anthropic-version", "2023-06-01")
		return status, body
	}
	bare := oddEvent(`{"content":"Hello"}`, "null") + oddEvent(`{"content":", "}`, "null") + oddDone
	b.says("text/event-stream", bare)
	for i, p := range posts {
		if status, body := ask(i); status != 200 || strings.Contains(body, `"error"`) {
			t.Errorf("before, %s: %d %s", p.name, status, body)
		}
	}
	if n := strings.Count(w.Log.String(), "without a finish_reason"); n != 1 {
		t.Errorf("the log says so %d times:\n%s", n, w.Log.String())
	}
	if got := fmt.Sprint(quirksOf(w)); got != "[no finish_reason]" {
		t.Errorf("known: %s", got)
	}
	b.says("text/event-stream", oddEvent(`{"content":"Hello"}`, "stop")+oddDone)
	if status, body := ask(3); status != 200 || !strings.Contains(body, "end_turn") {
		t.Errorf("%d %s", status, body)
	}
	if got := fmt.Sprint(quirksOf(w)); got != "[finish_reason]" {
		t.Errorf("known: %s", got)
	}
	b.says("text/event-stream", bare)
	for i, p := range posts {
		status, body := ask(i)
		if !strings.Contains(body, `"error"`) || strings.Contains(body, "[DONE]") || strings.Contains(body, "message_stop") {
			t.Errorf("after, %s: %d %s", p.name, status, body)
		}
	}
	b.says("application/json", `{"id":"c1","object":"chat.completion","model":"up","choices":[{"index":0,"message":{"role":"assistant","content":"hello"}}]}`)
	// On a slow machine what went well is too long ago, and the channel rests for a moment.
	w.Eventually(t, "a body has an end of its own", func() bool { status, _ := ask(0); return status == 200 })
	if err := w.Gateway.Apply(w.Conf); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(quirksOf(w)); got != "[finish_reason]" {
		t.Errorf("known after a reload that changes nothing: %s", got)
	}
	next := *w.Conf
	next.Channels = slices.Clone(next.Channels)
	next.Channels[0].Weight = 7
	if err := w.Gateway.Apply(&next); err != nil {
		t.Fatal(err)
	}
	if got := quirksOf(w); len(got) > 0 {
		t.Errorf("known after a reload: %v", got)
	}
	b.says("text/event-stream", bare)
	w.Eventually(t, "a stream without a reason is whole again after a reload", func() bool {
		status, body := ask(3)
		return status == 200 && !strings.Contains(body, `"error"`)
	})
}

func quirksOf(w *world.World) []string { return w.Gateway.Channels()[0].Keys[0].Models[0].Quirks }

func TestAFailureForAReasonGoesToTheNextChannelBeforeTheFirstText(t *testing.T) {
	t.Parallel()
	b := newScripted(t)
	b.says("text/event-stream", oddEvent(`{}`, "network_error")+oddDone)
	good := newScripted(t)
	good.says("text/event-stream", oddEvent(`{"content":"hello"}`, "stop")+oddDone)
	w := oddWorld(t, oddChannel("bad", b.url, 1)+oddChannel("good", good.url, 2))
	for _, p := range posts {
		if status, _, body := w.Do(t, "POST", p.path, p.body, "Authorization", "Bearer "+key, "anthropic-version", "2023-06-01"); status != 200 || !strings.Contains(body, "hello") {
			t.Errorf("%s: %d %s", p.name, status, body)
		}
	}
	if b.asked.Load() == 0 {
		t.Error("it was not asked")
	}
}

func TestWhatHasNoFormHerePassesThroughOnceAsItCame(t *testing.T) {
	t.Parallel()
	image := strings.Repeat("A", 3<<20)
	for name, c := range map[string]struct{ label, reply string }{
		"a second choice":                      {"application/json", `{"id":"c1","choices":[{"index":1,"message":{"role":"assistant","content":"b"},"finish_reason":"stop"},{"index":0,"message":{"role":"assistant","content":""},"finish_reason":"stop"}]}`},
		"images":                               {"application/json", `{"id":"c1","choices":[{"index":0,"message":{"role":"assistant","content":null,"images":[{"type":"image_url","image_url":{"url":"data:image/png;base64,` + image + `"}}]},"finish_reason":"stop"}]}`},
		"audio":                                {"application/json", `{"id":"c1","choices":[{"index":0,"message":{"role":"assistant","content":null,"audio":{"id":"a","data":"UklGRg=="}},"finish_reason":"stop"}]}`},
		"a call of a tool that is no function": {"application/json", `{"id":"c1","choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[{"id":"a","type":"custom","custom":{"name":"f","input":"hi"}}]},"finish_reason":"tool_calls"}]}`},
		"thoughts that nobody can read":        {"application/json", `{"id":"c1","choices":[{"index":0,"message":{"role":"assistant","content":"","reasoning_details":[{"type":"reasoning.encrypted","data":"x"}]},"finish_reason":"stop"}]}`},
		"a streamed call of such a tool":       {"text/event-stream", oddEvent(`{"tool_calls":[{"index":0,"id":"a","type":"custom","custom":{"name":"f","input":"hi"}}]}`, "null") + oddEvent(`{}`, "tool_calls") + oddDone},
		"a streamed image": {"text/event-stream", oddEvent(`{"role":"assistant","content":""}`, "null") + oddEvent(`{"content":"","images":[{"type":"image_url","image_url":{"url":"data:image/png;base64,`+image+`"}}]}`, "null") +
			oddEvent(`{}`, "stop") + oddDone},
		"streamed, the second choice alone": {"text/event-stream", `data: {"id":"c1","choices":[{"index":1,"delta":{"content":"b"},"finish_reason":null}]}` + "\n\n" + oddEvent(`{}`, "stop") + oddDone},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newScripted(t)
			b.says(c.label, c.reply)
			w := oddWorld(t, oddChannel("odd", b.url, 1))
			p := posts[0]
			if c.label != "application/json" {
				p = posts[1]
			}
			status, _, body := w.Do(t, "POST", p.path, p.body, "Authorization", "Bearer "+key)
			if status != 200 || body != c.reply {
				t.Errorf("%d, %d bytes for %d: %.300s", status, len(body), len(c.reply), body)
			}
			if n := b.asked.Load(); n != 1 {
				t.Errorf("asked %d times", n)
			}
		})
	}
}

// Where an answer would pass through in a form that no client of a stream reads, it is told in the right one.
func TestWhatNoClientReadsDoesNotPassThrough(t *testing.T) {
	t.Parallel()
	whole := `{"id":"c1","object":"chat.completion","created":1,"model":"up","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}]}`
	message := `{"id":"m1","type":"message","role":"assistant","model":"up","content":[{"type":"text","text":"hello"}],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":1}}`
	dense := func(events string) string { return strings.ReplaceAll(events, "\n\n", "\n") + "\n" }
	for _, c := range []struct{ name, kind, reply string }{
		{"a whole answer as an event", "openai", "data: " + whole + "\n\n" + oddDone},
		{"a mark in quotes", "openai", oddEvent(`{"content":"hello"}`, "stop") + "data: \"[DONE]\"\n\n"},
		{"a mark in other letters", "openai", oddEvent(`{"content":"hello"}`, "stop") + "data: DONE\n\n"},
		{"no empty lines", "openai", dense(oddEvent(`{"content":"hel"}`, "null") + oddEvent(`{"content":"lo"}`, "stop") + oddDone)},
		{"no names", "anthropic", sseOf(anthropicStart, anthropicBlock, anthropicPiece("hel"), anthropicPiece("lo"), anthropicStop, anthropicDelta, anthropicEnd)},
		{"a whole message as an event", "anthropic", "event: message\ndata: " + message + "\n\n"},
		{"no empty lines", "anthropic", dense(sseOf(anthropicStart, anthropicBlock, anthropicPiece("hel"), anthropicPiece("lo"), anthropicStop, anthropicDelta, anthropicEnd))},
	} {
		b := newScripted(t)
		b.says("text/event-stream", c.reply)
		w := oddWorld(t, strings.Replace(oddChannel("odd", b.url, 1), "kind: openai", "kind: "+c.kind, 1))
		for _, p := range posts {
			if p.name != c.kind+" streamed" {
				continue
			}
			status, _, body := w.Do(t, "POST", p.path, p.body, "Authorization", "Bearer "+key, "anthropic-version", "2023-06-01")
			if shown := textOf(body); status != 200 || shown != "hello" {
				t.Errorf("%s, %s: %d, %q: %s", c.kind, c.name, status, shown, body)
			}
			for event := range strings.SplitSeq(strings.TrimSpace(body), "\n\n") {
				data := event[strings.Index(event, "data: ")+len("data: "):]
				if c.kind == "anthropic" && !strings.HasPrefix(event, "event: ") {
					t.Errorf("%s, %s has no name: %s", c.kind, c.name, event)
				}
				if data != "[DONE]" && (!json.Valid([]byte(data)) || strings.Contains(data, `"message":{"role":"assistant","content":"hello"`)) {
					t.Errorf("%s, %s: %s", c.kind, c.name, event)
				}
			}
			if mark := map[string]string{"openai": oddDone, "anthropic": "message_stop"}[c.kind]; strings.Count(body, mark) < 1 {
				t.Errorf("%s, %s has no end: %s", c.kind, c.name, body)
			}
		}
	}
}
