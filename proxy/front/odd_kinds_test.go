package front_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// What servers of the kinds beside openai say in pieces.
func sseOf(events ...string) string {
	var b strings.Builder
	for _, e := range events {
		b.WriteString("data: " + e + "\n\n")
	}
	return b.String()
}

func geminiPiece(text, reason string) string {
	if reason != "" {
		reason = `,"finishReason":"` + reason + `"`
	}
	return `{"candidates":[{"content":{"parts":[{"text":"` + text + `"}],"role":"model"},"index":0` + reason + `}],"modelVersion":"up","responseId":"r"}`
}

func anthropicPiece(text string) string {
	return `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"` + text + `"}}`
}

func responsesPiece(n int, text string) string {
	return fmt.Sprintf(`{"type":"response.output_text.delta","sequence_number":%d,"item_id":"i","output_index":0,"content_index":0,"delta":"%s","logprobs":[]}`, n, text)
}

const (
	geminiFault    = `{"error":{"code":503,"message":"The model is overloaded","status":"UNAVAILABLE"}}`
	geminiRefusal  = `{"error":{"code":400,"message":"topK is too large","status":"INVALID_ARGUMENT"}}`
	anthropicStart = `{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","content":[],"model":"up","stop_reason":null,"usage":{"input_tokens":3,"output_tokens":1}}}`
	anthropicBlock = `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`
	anthropicStop  = `{"type":"content_block_stop","index":0}`
	anthropicDelta = `{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":2}}`
	anthropicEnd   = `{"type":"message_stop"}`
	responsesStart = `{"type":"response.created","sequence_number":0,"response":{"id":"resp_1","object":"response","status":"in_progress","model":"up","output":[]}}`
	responsesItem  = `{"type":"response.output_item.added","sequence_number":1,"output_index":0,"item":{"id":"i","type":"message","role":"assistant","status":"in_progress","content":[]}}`
	responsesPart  = `{"type":"response.content_part.added","sequence_number":2,"item_id":"i","output_index":0,"content_index":0,"part":{"type":"output_text","text":"","annotations":[]}}`
	responsesOver  = `{"type":"response.output_item.done","sequence_number":8,"output_index":0,"item":{"id":"i","type":"message","role":"assistant","status":"completed","content":[{"type":"output_text","text":"one two","annotations":[]}]}}`
	responsesEnd   = `{"type":"response.completed","sequence_number":9,"response":{"id":"resp_1","object":"response","status":"completed","model":"up","output":[{"id":"i","type":"message","role":"assistant","status":"completed","content":[{"type":"output_text","text":"one two","annotations":[]}]}],"usage":{"input_tokens":3,"output_tokens":2}}}`
	ollamaOne      = `{"model":"up","created_at":"2026-01-01T00:00:00Z","message":{"role":"assistant","content":"one "},"done":false}`
	ollamaTwo      = `{"model":"up","created_at":"2026-01-01T00:00:00Z","message":{"role":"assistant","content":"two"},"done":false}`
	ollamaEnd      = `{"model":"up","created_at":"2026-01-01T00:00:00Z","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","prompt_eval_count":3,"eval_count":2}`
)

// Errors inside a list of Google's, and doubled and unknown events of all kinds, with clients of every
// framing. An error before the first content is one of the channel, one behind it ends the answer.
func TestErrorsInListsAndDoubledAndUnknownEventsAreToldRight(t *testing.T) {
	t.Parallel()
	const list, sse, lines = "application/json; charset=UTF-8", "text/event-stream", "application/x-ndjson"
	unknown := `{"type":"surprise","index":7,"data":{"type":"surprise"}}`
	for _, c := range []struct {
		name, kind, label, reply string
		text                     string
		failed                   bool
	}{
		{"a list", "gemini", list, "[" + geminiPiece("one ", "") + ",\r\n" + geminiPiece("two", "STOP") + "\r\n]", "one two", false},
		{"an error in the first element of a list", "gemini", list, "[" + geminiFault + "]", "", true},
		{"an error in the first element of a list that goes on", "gemini", list, "[" + geminiFault + ",\r\n" + geminiPiece("one ", "STOP") + "]", "", true},
		{"an error in a later element, before the content", "gemini", list, `[{"usageMetadata":{"promptTokenCount":3},"responseId":"r"},` + geminiFault + "]", "", true},
		{"an error in a later element, behind the content", "gemini", list, "[" + geminiPiece("one ", "") + "," + geminiFault + "]", "one ", true},
		{"an error behind the reason", "gemini", list, "[" + geminiPiece("one ", "STOP") + "," + geminiFault + "]", "one ", true},
		{"a list that is cut", "gemini", list, "[" + geminiPiece("one ", "") + "," + geminiPiece("two", "STOP")[:40], "one ", true},
		{"an error as an event", "gemini", sse, sseOf(geminiFault), "", true},
		{"an error as an event behind the content", "gemini", sse, sseOf(geminiPiece("one ", ""), geminiFault), "one ", true},
		{"an error in a list as an event behind the content", "gemini", sse, sseOf(geminiPiece("one ", ""), "["+geminiFault+"]"), "one ", true},
		{"a list as one event", "gemini", sse, sseOf("[" + geminiPiece("one ", "") + "," + geminiPiece("two", "STOP") + "]"), "one two", false},
		{"a doubled end", "gemini", sse, sseOf(geminiPiece("one ", ""), geminiPiece("two", "STOP"), geminiPiece("", "STOP"), geminiPiece("", "STOP")), "one two", false},
		{"unknown values", "gemini", sse, sseOf(`{}`, unknown, geminiPiece("one ", ""), `{"candidates":[{"index":0,"content":{"parts":[{"surprise":{}},{"text":"two"}]}}]}`, unknown, geminiPiece("", "STOP")), "one two", false},
		{"a mark of another vendor behind the reason", "gemini", sse, sseOf(geminiPiece("one ", ""), geminiPiece("two", "STOP"), "[DONE]"), "one two", false},
		{"a mark of another vendor, twice", "gemini", sse, sseOf(geminiPiece("one ", "STOP"), geminiPiece("two", "STOP"), `"[DONE]"`, "[done]"), "one two", false},
		{"a mark of another vendor in place of a reason", "gemini", sse, sseOf(geminiPiece("one ", ""), geminiPiece("two", ""), "[DONE]"), "one two", false},
		{"signs of life", "gemini", sse, sseOf("[ping]", geminiPiece("one ", ""), "[]", geminiPiece("two", "STOP")), "one two", false},

		{"doubled starts and ends", "anthropic", sse, sseOf(anthropicStart, anthropicStart, anthropicBlock, anthropicBlock, anthropicPiece("one "), anthropicPiece("two"), anthropicStop, anthropicStop, anthropicDelta, anthropicDelta, anthropicEnd, anthropicEnd), "one two", false},
		{"unknown events and blocks", "anthropic", sse, sseOf(anthropicStart, unknown, `{"type":"content_block_start","index":1,"content_block":{"type":"surprise"}}`, `{"type":"content_block_delta","index":1,"delta":{"type":"surprise_delta","x":1}}`, `{"type":"content_block_stop","index":1}`,
			anthropicBlock, anthropicPiece("one "), unknown, anthropicPiece("two"), `{"type":"content_block_delta","index":0,"delta":{"type":"surprise_delta"}}`, anthropicStop, anthropicDelta, anthropicEnd), "one two", false},
		{"pieces of a block that nobody began", "anthropic", sse, sseOf(anthropicPiece("one "), anthropicPiece("two"), anthropicStop, anthropicDelta, anthropicEnd), "one two", false},

		{"doubled starts and ends", "responses", sse, sseOf(responsesStart, responsesStart, responsesItem, responsesItem, responsesPart, responsesPart, responsesPiece(3, "one "), responsesPiece(4, "two"), responsesOver, responsesOver, responsesEnd, responsesEnd), "one two", false},
		{"unknown events and items", "responses", sse, sseOf(responsesStart, unknown, `{"type":"response.surprise","sequence_number":1,"output_index":5}`, responsesItem, responsesPiece(3, "one "), `{"type":"response.output_text.surprise","output_index":0,"delta":"x"}`, responsesPiece(4, "two"),
			`{"type":"response.output_item.added","output_index":1,"item":{"id":"j","type":"surprise"}}`, `{"type":"response.output_item.done","output_index":1,"item":{"id":"j","type":"surprise"}}`, responsesOver, responsesEnd), "one two", false},
		{"an end and more behind it", "responses", sse, sseOf(responsesStart, responsesItem, responsesPiece(3, "one "), responsesPiece(4, "two"), responsesEnd, responsesPiece(5, "three"), responsesEnd), "one two", false},

		{"a doubled end", "ollama", lines, ollamaOne + "\n" + ollamaTwo + "\n" + ollamaEnd + "\n" + ollamaEnd + "\n" + ollamaTwo + "\n", "one two", false},
		{"unknown lines", "ollama", lines, unknown + "\n\n" + ollamaOne + "\n" + `{"status":"surprise","completed":3}` + "\n" + ollamaTwo + "\n" + ollamaEnd + "\n", "one two", false},
		{"a mark of another vendor behind the end", "ollama", lines, ollamaOne + "\n" + ollamaTwo + "\n" + ollamaEnd + "\n[DONE]\n", "one two", false},
		{"an error as a line behind the content", "ollama", lines, ollamaOne + "\n" + `{"error":"an error was encountered while running the model"}` + "\n", "one ", true},
	} {
		for _, p := range posts {
			if p.name == "rest" || p.name == "anthropic" {
				continue
			}
			t.Run(c.kind+" "+c.name+" "+p.name, func(t *testing.T) {
				t.Parallel()
				b := newScripted(t)
				b.says(c.label, c.reply)
				w := oddWorld(t, strings.Replace(oddChannel("odd", b.url, 1), "kind: openai", "kind: "+c.kind, 1))
				status, _, body := w.Do(t, "POST", p.path, p.body, "Authorization", "Bearer "+key, "anthropic-version", "2023-06-01")
				failed := status != 200 || strings.Contains(body, `"error"`)
				if failed != c.failed || failed && (strings.Contains(body, oddDone) || strings.Contains(body, "message_stop")) {
					t.Fatalf("%d %.600s", status, body)
				}
				// An answer in one piece has come with its error: nothing of it is out then.
				whole := !strings.Contains(p.name, "ed") || c.label == list
				if shown := textOf(body); shown != c.text && !(failed && whole) {
					t.Errorf("it shows %q: %.600s", shown, body)
				}
				if strings.HasPrefix(p.name, c.kind) && c.kind != "responses" && strings.Contains(strings.ToUpper(body), "[DONE]") {
					t.Errorf("a client of %s cannot read the mark: %s", c.kind, body)
				}
				if p.name == "gemini listed" && !wellFormed(body) {
					t.Errorf("it is no list, or no error: %s", body)
				}
			})
		}
	}
}

// wellFormed reports whether body is JSON: an error, or a list of which only the last element may be one.
func wellFormed(body string) bool {
	var list []map[string]json.RawMessage
	if json.Unmarshal([]byte(body), &list) != nil {
		var one map[string]json.RawMessage
		return json.Unmarshal([]byte(body), &one) == nil && one["error"] != nil
	}
	for _, e := range list[:len(list)-1] {
		if e["error"] != nil {
			return false
		}
	}
	return true
}

// A refusal of the question inside a list is told to the client, with its own words.
func TestARefusalInsideAListOfGooglesIsTheClients(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ label, reply string }{
		{"application/json", "[" + geminiRefusal + "\n]"},
		{"application/json", geminiRefusal},
		{"text/event-stream", sseOf(geminiRefusal)},
	} {
		b := newScripted(t)
		b.says(c.label, c.reply)
		w := oddWorld(t, strings.Replace(oddChannel("odd", b.url, 1), "kind: openai", "kind: gemini", 1))
		for _, p := range posts {
			if strings.HasPrefix(p.name, "rest") {
				continue
			}
			status, _, body := w.Do(t, "POST", p.path, p.body, "Authorization", "Bearer "+key, "anthropic-version", "2023-06-01")
			if status != 400 || !strings.Contains(body, "topK is too large") {
				t.Errorf("%s: %d %s", p.name, status, body)
			}
		}
	}
}

// A call whose beginning and end are told twice is one call.
func TestADoubledCallIsOneCall(t *testing.T) {
	t.Parallel()
	item := `"item":{"id":"fc_1","type":"function_call","call_id":"call_1","name":"look","arguments":"%s","status":"completed"}}`
	added := `{"type":"response.output_item.added","output_index":0,` + fmt.Sprintf(item, "")
	args := `{"type":"response.function_call_arguments.delta","item_id":"fc_1","output_index":0,"delta":"{\"at\":1}"}`
	argsDone := `{"type":"response.function_call_arguments.done","item_id":"fc_1","output_index":0,"arguments":"{\"at\":1}"}`
	done := `{"type":"response.output_item.done","output_index":0,` + fmt.Sprintf(item, `{\"at\":1}`)
	begin := `{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"call_1","name":"look","input":{}}}`
	piece := `{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"at\":1}"}}`
	for _, c := range []struct{ name, kind, reply string }{
		{"both ends", "responses", sseOf(responsesStart, added, added, args, argsDone, argsDone, done, done, `{"type":"response.completed","response":{"id":"resp_1","object":"response","status":"completed","output":[]}}`)},
		{"no pieces", "responses", sseOf(responsesStart, added, argsDone, argsDone, done, done, `{"type":"response.completed","response":{"id":"resp_1","object":"response","status":"completed","output":[]}}`)},
		{"no beginning", "responses", sseOf(responsesStart, done, done, `{"type":"response.completed","response":{"id":"resp_1","object":"response","status":"completed","output":[]}}`)},
		{"both ends", "anthropic", sseOf(anthropicStart, begin, begin, piece, anthropicStop, anthropicStop, strings.Replace(anthropicDelta, "end_turn", "tool_use", 1), anthropicEnd, anthropicEnd)},
	} {
		for _, p := range posts[:4] {
			t.Run(c.kind+" "+c.name+" "+p.name, func(t *testing.T) {
				t.Parallel()
				b := newScripted(t)
				b.says("text/event-stream", c.reply)
				w := oddWorld(t, strings.Replace(oddChannel("odd", b.url, 1), "kind: openai", "kind: "+c.kind, 1))
				status, _, body := w.Do(t, "POST", p.path, p.body, "Authorization", "Bearer "+key, "anthropic-version", "2023-06-01")
				if same := p.name == c.kind+" streamed"; same {
					if status != 200 || strings.Contains(body, `"error"`) {
						t.Errorf("%d %s", status, body)
					}
					return // it has passed through as it came
				}
				if n := strings.Count(body, `"id":"call_1"`); status != 200 || n != 1 || strings.Count(body, `at`+`\"`)+strings.Count(body, `"at":1`) != 1 {
					t.Errorf("%d, %d calls: %s", status, n, body)
				}
			})
		}
	}
}

// Some gateways end every stream with OpenAI's mark, one that has broken off too (docs/rules/faults.md 2).
func TestTheMarkOfAnotherVendorWithoutAReasonIsACutOnceAModelHasGivenOne(t *testing.T) {
	t.Parallel()
	b := newScripted(t)
	w := oddWorld(t, strings.Replace(oddChannel("odd", b.url, 1), "kind: openai", "kind: gemini", 1))
	ask := func(i int) (int, string) {
		status, _, body := w.Do(t, "POST", posts[i].path, posts[i].body, "Authorization", "Bearer "+key, "anthropic-version", "2023-06-01")
		return status, body
	}
	bare := sseOf(geminiPiece("Hello", ""), geminiPiece(", ", ""), "[DONE]")
	b.says("text/event-stream", bare)
	for i, p := range posts {
		if status, body := ask(i); status != 200 || strings.Contains(body, `"error"`) {
			t.Errorf("before, %s: %d %s", p.name, status, body)
		}
	}
	b.says("text/event-stream", sseOf(geminiPiece("Hello", "STOP"), "[DONE]"))
	for i, p := range posts {
		if status, body := ask(i); status != 200 || strings.Contains(body, `"error"`) {
			t.Errorf("with a reason, %s: %d %s", p.name, status, body)
		}
	}
	b.says("text/event-stream", bare)
	for i, p := range posts {
		_, body := ask(i)
		if !strings.Contains(body, `"error"`) || strings.Contains(body, "[DONE]") || strings.Contains(body, "message_stop") {
			t.Errorf("after, %s: %s", p.name, body)
		}
	}
}

func responsesCall(at int, id, name, args string) string {
	return fmt.Sprintf(`{"type":"response.output_item.done","output_index":%d,"item":{"id":"fc_%d","type":"function_call","call_id":"%s","name":"%s","arguments":%s,"status":"completed"}}`, at, at, id, name, args)
}

func responsesArgs(at int, piece string) string {
	return fmt.Sprintf(`{"type":"response.function_call_arguments.delta","output_index":%d,"item_id":"fc_%d","delta":"%s"}`, at, at, piece)
}

const responsesEmptyEnd = `{"type":"response.completed","response":{"id":"resp_1","object":"response","status":"completed","output":[]}}`

// Calls that have one id, and arguments that are written as a text, in the other kinds' forms.
func TestCallsOfTheOtherKindsAreToldApartAndHaveTheirArguments(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, kind, label, reply string }{
		{"one id", "gemini", "text/event-stream", sseOf(`{"candidates":[{"content":{"parts":[{"functionCall":{"id":"a","name":"look","args":{"at":1}}},{"functionCall":{"id":"a","name":"find","args":{"in":2}}}]},"finishReason":"STOP"}]}`)},
		{"texts", "gemini", "text/event-stream", sseOf(`{"candidates":[{"content":{"parts":[{"functionCall":{"name":"look","args":"{\"at\":1}"}},{"functionCall":{"name":"find","args":"{\"in\":2}"}}]},"finishReason":"STOP"}]}`)},
		{"one id", "responses", "text/event-stream", sseOf(responsesStart, responsesCall(0, "a", "look", `"{\"at\":1}"`), responsesCall(1, "a", "find", `"{\"in\":2}"`), responsesEmptyEnd)},
		{"objects and texts", "responses", "text/event-stream", sseOf(responsesStart, responsesCall(0, "a", "look", `{"at":1}`), responsesCall(1, "b", "find", `"\"{\\\"in\\\":2}\""`), responsesEmptyEnd)},
		{"none before some", "responses", "text/event-stream", sseOf(responsesStart, strings.Replace(responsesCall(0, "a", "look", `""`), ".done", ".added", 1), responsesArgs(0, `{}`), responsesArgs(0, `{\"at\":1}`), responsesCall(0, "a", "look", `"{\"at\":1}"`),
			strings.Replace(responsesCall(1, "b", "find", `""`), ".done", ".added", 1), responsesArgs(1, `null`), responsesCall(1, "b", "find", `"{\"in\":2}"`), responsesEmptyEnd)},
		{"one id", "ollama", "application/x-ndjson", `{"message":{"role":"assistant","content":"","tool_calls":[{"id":"a","function":{"name":"look","arguments":{"at":1}}},{"id":"a","function":{"name":"find","arguments":{"in":2}}}]},"done":false}` + "\n" + ollamaEnd + "\n"},
		{"one on each line", "ollama", "application/x-ndjson", `{"message":{"role":"assistant","content":"","tool_calls":{"function":{"name":"look","arguments":{"at":1}}}},"done":false}` + "\n" + `{"message":{"role":"assistant","content":"","tool_calls":[{"name":"find","arguments":"\"{\\\"in\\\":2}\""}]},"done":false}` + "\n" + ollamaEnd + "\n"},
	} {
		b := newScripted(t)
		b.says(c.label, c.reply)
		w := oddWorld(t, strings.Replace(oddChannel("odd", b.url, 1), "kind: openai", "kind: "+c.kind, 1))
		status, _, body := w.Do(t, "POST", "/v1/messages", `{"model":"echo","max_tokens":50,"messages":[{"role":"user","content":"hi"}]}`, "X-Api-Key", key, "anthropic-version", "2023-06-01")
		var m struct {
			Content []struct {
				ID, Name string
				Input    map[string]int
			}
		}
		if err := json.Unmarshal([]byte(body), &m); err != nil || status != 200 || len(m.Content) != 2 {
			t.Errorf("%s, %s: %d %v %s", c.kind, c.name, status, err, body)
			continue
		}
		if one, two := m.Content[0], m.Content[1]; one.ID == two.ID || one.Name != "look" || one.Input["at"] != 1 || two.Name != "find" || two.Input["in"] != 2 {
			t.Errorf("%s, %s: %s", c.kind, c.name, body)
		}
	}
}
