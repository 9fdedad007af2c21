package front_test

import (
	"encoding/json"
	"strings"
	"testing"
)

// Where an answer passes through, its client gets the form that it has asked for, and nothing that a
// library for that form would fail on.
func TestWhatPassesThroughHasTheFormThatWasAskedFor(t *testing.T) {
	t.Parallel()
	const events, lines, object = "text/event-stream", "application/x-ndjson", "application/json"
	const ollama, openai = "/ollama/api/chat", "/v1/chat/completions"
	hello := oddEvent(`{"content":"one "}`, "null") + oddEvent(`{"content":"two"}`, "stop") + oddDone
	two := ollamaOne + "\n" + ollamaTwo + "\n" + ollamaEnd + "\n"
	for _, c := range []struct {
		name, kind, label, reply string
		path, body               string
		want                     string // the whole answer; empty: one object with the text
	}{
		{"a list in place of an object", "gemini", object, "[" + geminiPiece("one ", "") + "," + geminiPiece("two", "STOP") + "]",
			"/v1beta/models/echo:generateContent", `{"contents":[{"parts":[{"text":"hi"}]}]}`, ""},
		{"a list of one in place of an object", "gemini", object, " [" + geminiPiece("one two", "STOP") + "]\n",
			"/v1beta/models/echo:generateContent", `{"contents":[{"parts":[{"text":"hi"}]}]}`, ""},
		{"lines in place of an object", "ollama", lines, two, ollama, `{"model":"echo","stream":false,"messages":[{"role":"user","content":"hi"}]}`, ""},
		{"lines with the label of an object", "ollama", object, two, ollama, `{"model":"echo","stream":false,"messages":[{"role":"user","content":"hi"}]}`, ""},
		{"an object of several lines", "ollama", object, strings.Replace(strings.Replace(strings.Replace(ollamaEnd, `"content":""`, `"content":"one two"`, 1), `,"done"`, ",\n \"done\"", 1), "}}", "}\n}\n", 1), ollama,
			`{"model":"echo","stream":false,"messages":[{"role":"user","content":"hi"}]}`, strings.Replace(strings.Replace(ollamaEnd, `"content":""`, `"content":"one two"`, 1), `,"done"`, ",\n \"done\"", 1)},
		{"words that keep a connection alive", "openai", events, "data: ping\n\ndata: null\n\n" + strings.Replace(hello, oddDone, "event: ping\ndata: pong\n\ndata: []\n\ndata: 5\n\n"+oddDone, 1), openai,
			`{"model":"echo","stream":true,"messages":[{"role":"user","content":"hi"}]}`, hello},
	} {
		t.Run(c.kind+" "+c.name, func(t *testing.T) {
			t.Parallel()
			b := newScripted(t)
			b.says(c.label, c.reply)
			w := oddWorld(t, strings.Replace(oddChannel("odd", b.url, 1), "kind: openai", "kind: "+c.kind, 1))
			status, _, body := w.Do(t, "POST", c.path, c.body, "Authorization", "Bearer "+key)
			if c.want == "" {
				var one struct{ Error any }
				if status != 200 || json.Unmarshal([]byte(body), &one) != nil || textOf(body) != "one two" {
					t.Errorf("%d %s", status, body)
				}
			} else if status != 200 || body != c.want {
				t.Errorf("%d %s\nwant %s", status, body, c.want)
			}
		})
	}
}

// Lines of a stream of Ollama's that are no objects are nonsense, as they are in one piece, and events
// in the place of lines are told as lines.
func TestLinesThatAreNoObjectsAreABrokenAnswer(t *testing.T) {
	t.Parallel()
	const question = `{"model":"echo","messages":[{"role":"user","content":"hi"}]}`
	for _, line := range []string{"null", "[]", "5", "true", `"ping"`, "ping", "{}x", "[" + ollamaOne + "]"} {
		b := newScripted(t)
		b.says("application/x-ndjson", ollamaOne+"\n"+line+"\n"+ollamaTwo+"\n"+ollamaEnd+"\n")
		w := oddWorld(t, strings.Replace(oddChannel("odd", b.url, 1), "kind: openai", "kind: ollama", 1))
		for _, p := range []struct{ path, body string }{{"/ollama/api/chat", question}, {posts[1].path, posts[1].body}} {
			status, _, body := w.Do(t, "POST", p.path, p.body, "Authorization", "Bearer "+key)
			if status != 200 || textOf(body) != "one " || !strings.Contains(body, "not a JSON object") || strings.Contains(body, "\n"+line+"\n") {
				t.Errorf("%s %s: %d %s", p.path, line, status, body)
			}
		}
	}
	b := newScripted(t)
	b.says("text/event-stream", sseOf(ollamaOne, ollamaTwo, ollamaEnd))
	w := oddWorld(t, strings.Replace(oddChannel("odd", b.url, 1), "kind: openai", "kind: ollama", 1))
	status, _, body := w.Do(t, "POST", "/ollama/api/chat", question, "Authorization", "Bearer "+key)
	if status != 200 || textOf(body) != "one two" || strings.Contains(body, "data:") || !strings.HasSuffix(body, "}\n") {
		t.Errorf("%d %s", status, body)
	}
}

// A stream of the Responses API that ends with a mark in place of its response is cut for a client of
// that API, which goes on from the response; others are told what came.
func TestAnEndMarkInPlaceOfTheResponseIsACut(t *testing.T) {
	t.Parallel()
	b := newScripted(t)
	b.says("text/event-stream", sseOf(responsesStart, responsesItem, responsesPiece(3, "one two"))+oddDone)
	w := oddWorld(t, strings.Replace(oddChannel("odd", b.url, 1), "kind: openai", "kind: responses", 1))
	status, _, body := w.Do(t, "POST", "/v1/responses", `{"model":"echo","stream":true,"store":false,"input":"hi"}`, "Authorization", "Bearer "+key)
	if status != 200 || !strings.Contains(body, "response.failed") || strings.Contains(body, "[DONE]") {
		t.Errorf("%d %s", status, body)
	}
	if status, _, body := w.Do(t, "POST", posts[1].path, posts[1].body, "Authorization", "Bearer "+key); status != 200 || textOf(body) != "one two" || !strings.HasSuffix(body, oddDone) {
		t.Errorf("%d %s", status, body)
	}
}
