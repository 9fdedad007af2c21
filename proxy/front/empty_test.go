package front_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

// answering answers each question with body, or with stream where one is asked for.
func answering(t *testing.T, body, stream string) *backEnd {
	return newBackEnd(t, func(w http.ResponseWriter, asked string) {
		if strings.Contains(asked, `"stream":true`) {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, stream)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, body)
	})
}

// completion is a whole answer of the openai dialect.
func completion(message, reason string) string {
	return fmt.Sprintf(`{"id":"c1","object":"chat.completion","created":1,"model":"up","choices":[{"index":0,"message":%s,"finish_reason":"%s"}]}`, message, reason)
}

// message is a whole answer of the anthropic dialect, events the same as a stream.
func message(content, reason string) string {
	return fmt.Sprintf(`{"id":"msg_1","type":"message","role":"assistant","model":"up","content":%s,"stop_reason":"%s","stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":1}}`, content, reason)
}

func events(reason string, blocks ...string) string {
	s := "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"up\",\"content\":[],\"stop_reason\":null,\"usage\":{\"input_tokens\":1}}}\n\n"
	for i, b := range blocks {
		s += fmt.Sprintf("event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":%d,\"content_block\":%s}\n\nevent: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":%d}\n\n", i, b, i)
	}
	return s + fmt.Sprintf("event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"%s\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":1}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n", reason)
}

func TestAnAnswerWithoutATextPassesThroughOnceAsItCame(t *testing.T) {
	t.Parallel()
	const (
		image = `{"role":"assistant","content":null,"images":[{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo="}}]}`
		audio = `{"role":"assistant","content":null,"audio":{"id":"a","data":"UklGRg==","transcript":"hi"}}`
		tool  = `{"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{}}`
		found = `{"type":"web_search_tool_result","tool_use_id":"srvtoolu_1","content":[]}`
	)
	for name, c := range map[string]struct {
		kind, body, stream string
		fails              bool
	}{
		"openai, images":                  {kind: "openai", body: completion(image, "stop"), stream: chunks(image, `{} ~ stop`)},
		"openai, images beside no text":   {kind: "openai", body: completion(strings.Replace(image, "null", `""`, 1), "stop"), stream: chunks(`{"role":"assistant","content":""}`, image, `{"content":""} ~ stop`)},
		"openai, audio":                   {kind: "openai", body: completion(audio, "stop"), stream: chunks(audio, `{} ~ stop`)},
		"openai, thoughts":                {kind: "openai", body: completion(`{"role":"assistant","content":"","reasoning_content":"hm"}`, "stop"), stream: chunks(`{"reasoning_content":"hm"}`, `{} ~ stop`)},
		"openai, length":                  {kind: "openai", body: completion(`{"role":"assistant","content":""}`, "length"), stream: chunks(`{"content":""}`, `{} ~ length`)},
		"openai, a filter":                {kind: "openai", body: completion(`{"role":"assistant","content":""}`, "content_filter"), stream: chunks(`{"content":""}`, `{} ~ content_filter`)},
		"openai, nothing":                 {kind: "openai", body: completion(`{"role":"assistant","content":""}`, "stop"), stream: chunks(`{"role":"assistant","content":""}`, `{} ~ stop`), fails: true},
		"openai, null":                    {kind: "openai", body: completion(`{"role":"assistant","content":null}`, "stop"), stream: chunks(`{"role":"assistant"}`, `{} ~ stop`), fails: true},
		"anthropic, end_turn":             {kind: "anthropic", body: message(`[]`, "end_turn"), stream: events("end_turn")},
		"anthropic, an empty text":        {kind: "anthropic", body: message(`[{"type":"text","text":""}]`, "end_turn"), stream: events("end_turn", `{"type":"text","text":""}`)},
		"anthropic, stop_sequence":        {kind: "anthropic", body: message(`[]`, "stop_sequence"), stream: events("stop_sequence")},
		"anthropic, pause_turn":           {kind: "anthropic", body: message(`[`+tool+`]`, "pause_turn"), stream: events("pause_turn", tool)},
		"anthropic, pause_turn, nothing":  {kind: "anthropic", body: message(`[]`, "pause_turn"), stream: events("pause_turn")},
		"anthropic, a tool of the server": {kind: "anthropic", body: message(`[`+tool+`,`+found+`]`, "end_turn"), stream: events("end_turn", tool, found)},
		"anthropic, max_tokens":           {kind: "anthropic", body: message(`[]`, "max_tokens"), stream: events("max_tokens")},
		"anthropic, refusal":              {kind: "anthropic", body: message(`[]`, "refusal"), stream: events("refusal")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			up := answering(t, c.body, c.stream)
			w := world.Start(t, callers+"channels:\n"+channelAt("up", c.kind, up.url, ""))
			path := map[string]string{"openai": "/v1/chat/completions", "anthropic": "/v1/messages"}[c.kind]
			for n := range 4 {
				stream := n%2 == 1
				status, _, text := w.Do(t, "POST", path, fmt.Sprintf(`{"model":"m","max_tokens":9,"stream":%v,"messages":[{"role":"user","content":"hi"}]}`, stream), "Authorization", "Bearer "+key)
				asked, want := len(up.questions()), c.body
				if stream {
					want = c.stream
				}
				switch {
				case c.fails && n < 2 && (status != 502 || !strings.Contains(text, "MODEL_ERROR") || asked > 2):
					t.Errorf("stream %v: %d after %d attempts: %s", stream, status, asked, text)
				case !c.fails && (status != 200 || text != want || asked != 1):
					t.Errorf("stream %v: %d after %d attempts:\ngot  %s\nwant %s", stream, status, asked, text, want)
				}
			}
			if m := w.Gateway.Channels()[0].Keys[0].Models[0]; !c.fails && m.Failures > 0 {
				t.Errorf("%+v", m)
			}
		})
	}
}

func TestAnEmptyAnswerIsAskedForOnceMoreAtMost(t *testing.T) {
	t.Parallel()
	one := answering(t, completion(`{"content":""}`, "stop"), chunks(`{"content":""} ~ stop`))
	two := answering(t, completion(`{"content":""}`, "stop"), chunks(`{"content":""} ~ stop`))
	three := answering(t, completion(`{"content":""}`, "stop"), chunks(`{"content":""} ~ stop`))
	for _, channels := range []string{
		channelAt("one", "openai", one.url, ""),
		channelAt("one", "openai", one.url, ", tier: 1") + channelAt("two", "openai", two.url, ", tier: 2") + channelAt("three", "openai", three.url, ", tier: 2"),
		channelAt("one", "openai", one.url, "") + channelAt("two", "openai", two.url, "") + channelAt("three", "openai", three.url, ""),
	} {
		for _, front := range frontNames() {
			w := world.Start(t, callers+"presets: {m: {model: m}}\nchannels:\n"+channels)
			c := clientOf(w, front)
			r := world.Put(t, c, world.Ask{Model: "m", Text: "hi"})
			if n := len(one.questions()) + len(two.questions()) + len(three.questions()); !r.Failed || n != 2 {
				t.Errorf("%s: %s after %d attempts", front, r.Outcome(), n)
			}
			c.Close(t)
		}
	}
}

func TestAnEmptyAnswerWithAReasonIsToldInWordsWhereThereIsNoPlaceForIt(t *testing.T) {
	t.Parallel()
	const call = `{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]}`
	for name, c := range map[string]struct {
		delta, reason, words, finish, stop string
	}{
		"thoughts and length":      {`{"content":null,"reasoning_content":"why"}`, "length", "used up its tokens", "length", "max_tokens"},
		"nothing and length":       {`{"content":""}`, "length", "used up its tokens", "length", "max_tokens"},
		"thoughts and a filter":    {`{"content":null,"reasoning_content":"why"}`, "content_filter", "withheld", "content_filter", "refusal"},
		"nothing and a filter":     {`{"content":""}`, "content_filter", "withheld", "content_filter", "refusal"},
		"nothing and SAFETY":       {`{"content":null}`, "SAFETY", "withheld", "content_filter", "refusal"},
		"nothing and model_length": {`{"content":null}`, "model_length", "used up its tokens", "length", "max_tokens"},
		"thoughts alone":           {`{"content":null,"reasoning_content":"why"}`, "stop", "no text", "stop", "end_turn"},
		"calls alone":              {call, "tool_calls", "called tools", "tool_calls", "tool_use"},
		"calls that just stop":     {call, "stop", "called tools", "tool_calls", "tool_use"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			up := answering(t, completion(c.delta, c.reason), chunks(c.delta, `{} ~ `+c.reason))
			w := world.Start(t, callers+"presets: {m: {model: m}, p: {model: m}}\nchannels:\n"+channelAt("up", "openai", up.url, ""))
			for _, stream := range []bool{false, true} {
				for _, front := range []string{"rest", "chatnio", "iagent"} {
					client := clientOf(w, front)
					r := world.Put(t, client, world.Ask{Model: "m", Text: "hi", Stream: stream})
					if asked := len(up.questions()); !r.Failed || r.Text != "" || !strings.Contains(r.Message, c.words) || asked != 1 || front == "rest" && r.Code != "MODEL_ERROR" {
						t.Errorf("%s, stream %v: %s %q after %d attempts", front, stream, r.Outcome(), r.Message, asked)
					}
					client.Close(t)
				}
				ask := fmt.Sprintf(`{"model":"p","max_tokens":9,"stream":%v,"messages":[{"role":"user","content":"hi"}]}`, stream)
				for path, want := range map[string]string{"/v1/chat/completions": `"finish_reason":"` + c.finish + `"`, "/v1/messages": `"stop_reason":"` + c.stop + `"`} {
					status, _, text := w.Do(t, "POST", path, ask, "Authorization", "Bearer "+key)
					if asked := len(up.questions()); status != 200 || !strings.Contains(text, want) || asked != 1 {
						t.Errorf("%s, stream %v: %d after %d attempts: %s", path, stream, status, asked, text)
					}
				}
			}
			if m := w.Gateway.Channels()[0].Keys[0].Models[0]; m.Failures > 0 {
				t.Errorf("%+v", m)
			}
		})
	}
}

func TestAStreamThatEndedWellWithoutItsMarkGetsOne(t *testing.T) {
	t.Parallel()
	const done, stop = "data: [DONE]\n\n", "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"
	said := chunks(`{"content":"[DONE]"}`, `{} ~ stop`)
	told := events("end_turn", `{"type":"text","text":"\"message_stop\""}`)
	for name, c := range map[string]struct{ kind, stream, want string }{
		"openai, without":            {"openai", strings.TrimSuffix(said, done), said},
		"openai, with":               {"openai", said, said},
		"openai, without a space":    {"openai", strings.Replace(said, done, "data:[DONE]\n\n", 1), strings.Replace(said, done, "data:[DONE]\n\n", 1)},
		"openai, a call at its mark": {"openai", chunks(`{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":""}}]}`), chunks(`{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":""}}]}`)},
		"anthropic, without":         {"anthropic", strings.TrimSuffix(told, stop), told},
		"anthropic, with":            {"anthropic", told, told},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			up := answering(t, "", c.stream)
			w := world.Start(t, callers+"channels:\n"+channelAt("up", c.kind, up.url, ""))
			path := map[string]string{"openai": "/v1/chat/completions", "anthropic": "/v1/messages"}[c.kind]
			for range 2 { // the second time it is the answer that was kept
				status, _, text := w.Do(t, "POST", path, `{"model":"m","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"hi"}]}`, "Authorization", "Bearer "+key, "Idempotency-Key", "one")
				if status != 200 || text != c.want {
					t.Errorf("%d, got\n%s\nwant\n%s", status, text, c.want)
				}
			}
		})
	}
}

// An image is an answer: whoever cannot be told it is told so, and the model is asked once.
func TestAnAnswerThatCannotBeToldIsAskedForOnce(t *testing.T) {
	t.Parallel()
	image := `{"content":null,"images":[{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo="}}]}`
	for name, c := range map[string]struct{ kind, reply, text string }{
		"an image":             {"openai", oddEvent(image, "null") + oddEvent(`{}`, "stop") + oddDone, ""},
		"an image and a text":  {"openai", oddEvent(image, "null") + oddEvent(`{"content":"hello"}`, "stop") + oddDone, "hello"},
		"an image of Google's": {"gemini", sseOf(`{"candidates":[{"content":{"parts":[{"inlineData":{"mimeType":"image/png","data":"iVBORw0KGgo="}}],"role":"model"},"finishReason":"STOP"}]}`), ""},
		"a tool of the server": {"anthropic", sseOf(anthropicStart, `{"type":"content_block_start","index":0,"content_block":{"type":"server_tool_use","id":"s","name":"web_search","input":{}}}`, anthropicStop, anthropicDelta, anthropicEnd), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newScripted(t)
			b.says("text/event-stream", c.reply)
			w := oddWorld(t, strings.Replace(oddChannel("odd", b.url, 1), "kind: openai", "kind: "+c.kind, 1))
			for i, p := range posts {
				if strings.HasPrefix(p.name, c.kind) {
					continue
				}
				before := b.asked.Load()
				status, _, body := w.Do(t, "POST", p.path, p.body, "Authorization", "Bearer "+key, "anthropic-version", "2023-06-01")
				if n := b.asked.Load() - before; n != 1 {
					t.Errorf("%d, %s: asked %d times: %d %s", i, p.name, n, status, body)
				}
				if failed := status != 200 || strings.Contains(body, `"error"`); failed != (c.text == "") || failed && !strings.Contains(body, "cannot be told here") || textOf(body) != c.text && !failed {
					t.Errorf("%s: %d %s", p.name, status, body)
				}
			}
		})
	}
}
