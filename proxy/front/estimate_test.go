package front_test

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

// stuffed are questions that hold 400 KB somewhere else than in their text.
func stuffed(t *testing.T) map[string]string {
	t.Helper()
	long := strings.Repeat("many words ", 400<<10/11)
	data := strings.Repeat("QUJD", 100<<10)
	type object = map[string]any
	user := func(content any) object { return object{"role": "user", "content": content} }
	tool := func(name string, description string, schema any) object {
		return object{"type": "function", "function": object{"name": name, "description": description, "parameters": schema}}
	}
	call := func(args string) []any {
		return []any{user("hi"), object{"role": "assistant", "tool_calls": []any{object{"id": "c", "type": "function", "function": object{"name": "f", "arguments": args}}}},
			object{"role": "tool", "tool_call_id": "c", "content": "ok"}}
	}
	var short []any
	for range 400 << 10 / 40 {
		short = append(short, user("a"))
	}
	var named []any
	for range 400 << 10 / 250 {
		named = append(named, object{"role": "user", "name": long[:250], "content": "hi"})
	}
	hi := []any{user("hi")}
	all := map[string]object{
		"openai a tool's description":   {"messages": hi, "tools": []any{tool("f", long, object{"type": "object"})}},
		"openai a tool's schema":        {"messages": hi, "tools": []any{tool("f", "", object{"type": "object", "description": long})}},
		"openai a format's schema":      {"messages": hi, "response_format": object{"type": "json_schema", "json_schema": object{"name": "s", "schema": object{"type": "object", "description": long}}}},
		"openai a call's arguments":     {"messages": call(`{"q":"` + long + `"}`)},
		"openai speakers' names":        {"messages": named},
		"openai an image":               {"messages": []any{user([]any{object{"type": "text", "text": "hi"}, object{"type": "image_url", "image_url": object{"url": "data:image/png;base64," + data}}})}},
		"openai a sound":                {"messages": []any{user([]any{object{"type": "text", "text": "hi"}, object{"type": "input_audio", "input_audio": object{"data": data, "format": "mp3"}}})}},
		"openai a file":                 {"messages": []any{user([]any{object{"type": "text", "text": "hi"}, object{"type": "file", "file": object{"filename": "a.pdf", "file_data": "data:application/pdf;base64," + data}}})}},
		"openai what nobody knows":      {"messages": hi, "prediction": object{"type": "content", "content": long}},
		"openai many messages":          {"messages": short},
		"anthropic the system":          {"messages": hi, "system": long},
		"anthropic a tool":              {"messages": hi, "tools": []any{object{"name": "f", "description": long, "input_schema": object{"type": "object"}}}},
		"anthropic an image":            {"messages": []any{user([]any{object{"type": "image", "source": object{"type": "base64", "media_type": "image/png", "data": data}}})}},
		"anthropic a document":          {"messages": []any{user([]any{object{"type": "text", "text": "hi"}, object{"type": "document", "source": object{"type": "base64", "media_type": "application/pdf", "data": data}}})}},
		"anthropic a call's arguments":  {"messages": []any{user("hi"), object{"role": "assistant", "content": []any{object{"type": "tool_use", "id": "c", "name": "f", "input": object{"q": long}}}}, user([]any{object{"type": "tool_result", "tool_use_id": "c", "content": "ok"}})}},
		"anthropic data in an argument": {"messages": []any{user("hi"), object{"role": "assistant", "content": []any{object{"type": "tool_use", "id": "c", "name": "f", "input": object{"source": object{"type": "base64", "data": data}}}}}, user([]any{object{"type": "tool_result", "tool_use_id": "c", "content": "ok"}})}},
	}
	bodies := map[string]string{}
	for name, o := range all {
		o["max_tokens"] = 1
		for _, model := range []string{"same", "other"} { // passed on as it came, and translated
			o["model"] = model
			text, err := json.Marshal(o)
			if err != nil {
				t.Fatal(err)
			}
			bodies[name+" to "+model] = string(text)
		}
	}
	return bodies
}

// unheard are what a channel of another dialect cannot be told: there it is not sent,
// and does not count.
var unheard = map[string]bool{"openai a sound to other": true, "openai a file to other": true, "openai what nobody knows to other": true, "anthropic a document to other": true}

func TestALimitOfTokensSeesAllThatIsSent(t *testing.T) {
	t.Parallel()
	for name, body := range stuffed(t) {
		if unheard[name] {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kinds := [2]string{"openai", "anthropic"}
			path := "/v1/chat/completions"
			if strings.HasPrefix(name, "anthropic") {
				kinds[0], kinds[1], path = kinds[1], kinds[0], "/v1/messages"
			}
			w := world.Start(t, `
callers: {keys: [{name: alice, key: `+key+`, limits: small}]}
limits: {small: {tokens: 1000/h}}
channels:
`+channel("a", kinds[0], "", "{name: same, upstream: echo-nousage}")+channel("b", kinds[1], "", "{name: other, upstream: echo-nousage}"))
			var all sync.WaitGroup
			for range 4 {
				all.Go(func() {
					for range 2 {
						status, _, answer := w.Do(t, "POST", path, body, "Authorization", "Bearer "+key, "anthropic-version", "2023-06-01")
						if status != 200 && status != 429 {
							t.Errorf("%d %.300s", status, answer)
						}
					}
				})
			}
			all.Wait()
			if n := w.Model.Requests(); n > 1 {
				t.Errorf("%d of 8 reached the model", n)
			}
		})
	}
}

func TestWhatTheBackEndDoesNotReportIsChargedAsItWasEstimated(t *testing.T) {
	t.Parallel()
	bodies := stuffed(t)
	for _, name := range []string{"openai a tool's description to same", "openai a tool's description to other", "openai what nobody knows to same", "openai a call's arguments to other"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := world.Start(t, `
callers: {keys: [{name: alice, key: `+key+`, limits: small}]}
limits: {small: {tokens: 150000/h}}
channels:
`+channel("a", "openai", "", "{name: same, upstream: echo-nousage}")+channel("b", "anthropic", "", "{name: other, upstream: echo-nousage}"))
			for i, want := range []int{200, 429} {
				status, _, answer := w.Do(t, "POST", "/v1/chat/completions", bodies[name], "Authorization", "Bearer "+key)
				if status != want {
					t.Errorf("question %d: %d %.300s", i+1, status, answer)
				}
			}
		})
	}
}

// Servers that do not know max_completion_tokens read max_tokens, and others the contrary:
// what passes on as it came may be as long as the larger one says.
func TestOfTwoBoundsOfAnAnswerTheLargerOneIsReserved(t *testing.T) {
	t.Parallel()
	w := world.Start(t, "callers: {keys: [{name: alice, key: "+key+", limits: small}]}\nlimits: {small: {tokens: 1000/h}}\nchannels:\n"+
		channel("up", "openai", "", "{name: same, upstream: echo}")+channel("other", "anthropic", "", "{name: other, upstream: echo}"))
	for _, c := range []struct {
		model, bounds string
		status        int
	}{
		{"same", `"max_tokens":100000,"max_completion_tokens":1`, 429},
		{"same", `"max_completion_tokens":1,"max_tokens":100000,"seed":1`, 429},
		{"same", `"max_tokens":1,"max_completion_tokens":100000`, 429},
		{"same", `"max_tokens":1,"max_completion_tokens":2`, 200},
		{"other", `"max_tokens":100000,"max_completion_tokens":1`, 200}, // which is told the second
	} {
		body := `{"model":"` + c.model + `","messages":[{"role":"user","content":"hi"}],` + c.bounds + `}`
		if status, _, text := w.Do(t, "POST", "/v1/chat/completions", body, "Authorization", "Bearer "+key, "Content-Type", "application/json"); status != c.status {
			t.Errorf("%s to %s: %d %s", c.bounds, c.model, status, text)
		}
	}
}
