package front_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

// What popular client programs send, from end to end.

func TestASystemMessageAmidTheConversationReachesEveryKindOfChannel(t *testing.T) {
	t.Parallel()
	const claude = `{"model":"%s","max_tokens":50,"stream":%v,"messages":[{"role":"user","content":"hi"},{"role":"system","content":"Answer in French."}]}`
	const chat = `{"model":"%s","stream":%v,"messages":[{"role":"user","content":"hi"},{"role":"system","content":"Answer in French."}]}`
	for _, kind := range config.Kinds {
		stays := !kind.Remembers() && kind.Name != "gemini"
		want := "user: hi | system: Answer in French."
		switch {
		case kind.Name == "rest" || kind.Name == "iagent":
			want = "Answer in French." // folded into the message
		case kind.Name == "gemini":
			want = "Answer in French. | user: hi" // behind what else is instructed
		case !stays:
			want = "system: Answer in French. | user: hi"
		}
		w := world.Start(t, callers+"presets: {pre: {model: recall, system: Be brief.}}\nchannels:\n"+channel("up", kind.Name, "", "recall"))
		for _, model := range []string{"recall", "pre"} {
			for _, stream := range []bool{false, true} {
				for path, body := range map[string]string{"/v1/messages": claude, "/v1/chat/completions": chat} {
					status, _, said := w.Do(t, "POST", path, fmt.Sprintf(body, model, stream), "Authorization", "Bearer "+key, "Content-Type", "application/json")
					if stream {
						said = pieces(said)
					}
					ordered := want
					if model == "pre" && stays {
						ordered = "system: Be brief. | " + want
					}
					if status != 200 || !strings.Contains(said, want) && !strings.Contains(said, ordered) || model == "pre" && !strings.Contains(said, "Be brief.") {
						t.Errorf("%s for %s on %s, stream %v: %d %s, want %s", path, model, kind.Name, stream, status, said, want)
					}
				}
			}
		}
	}
}

// pieces are the texts of a stream, joined.
func pieces(stream string) string {
	var b strings.Builder
	for line := range strings.Lines(stream) {
		for _, name := range []string{`"text":"`, `"content":"`} {
			if _, rest, ok := strings.Cut(line, name); ok && strings.HasPrefix(line, "data: ") {
				text, _, _ := strings.Cut(rest, `"`)
				b.WriteString(text)
			}
		}
	}
	return b.String()
}

// headersOf are those of a client with a key.
func headersOf(key string) []string {
	return []string{"X-Api-Key", key, "Anthropic-Version", "2023-06-01", "Content-Type", "application/json"}
}

func TestTokensAreCountedByTheChannelElseEstimatedAndNothingElseComesOfIt(t *testing.T) {
	t.Parallel()
	w := world.Start(t, `
callers: {keys: [{name: alice, key: `+key+`, limits: tight}, {name: bob, key: sk-bob-caller-key, models: [echo]}]}
limits: {tight: {requests: 1/d, tokens: 1/d, concurrent: 1, budget: {amount: 0.001, per: day}}}
prices: {echo: {call: 1}}
presets: {pre: {model: echo, system: "Be very brief."}}
channels:
`+channel("an", "anthropic", "", "echo", "fail-500", "fail-401", "fail-400")+channel("op", "openai", "", "say"))
	const one = `{"model":"%s","messages":[{"role":"user","content":"one two three"}]}`
	const all = `{"model":"echo","system":[{"type":"text","text":"a b"}],"messages":[{"role":"user","content":"c"},{"role":"system","content":"d"}],"tools":[{"name":"f","input_schema":{"type":"object"}}],"thinking":{"type":"enabled","budget_tokens":1024}}`
	for _, c := range []struct {
		why, body string
		status    int
		want      string
	}{
		{"a channel of this dialect", fmt.Sprintf(one, "echo"), 200, `{"input_tokens":3}`},
		{"behind a preset", fmt.Sprintf(one, "pre"), 200, `{"input_tokens":6}`},
		{"a long one", all, 200, `{"input_tokens":4}`},
		{"a channel of another", fmt.Sprintf(one, "say"), 200, `{"input_tokens":4}`},
		{"one that fails", fmt.Sprintf(one, "fail-500"), 200, `{"input_tokens":4}`},
		{"one whose key is refused", fmt.Sprintf(one, "fail-401"), 200, `{"input_tokens":4}`},
		{"one that refuses to count", fmt.Sprintf(one, "fail-400"), 200, `{"input_tokens":4}`},
		{"nobody's model", fmt.Sprintf(one, "nobody"), 404, `"type":"not_found_error"`},
		{"no model", `{"messages":[{"role":"user","content":"x"}]}`, 400, "model is required"},
		{"no messages", `{"model":"echo"}`, 400, "messages is required"},
		{"a wrong role", `{"model":"echo","messages":[{"role":"tool","content":"x"}]}`, 400, "messages[0].role"},
		{"no JSON", `{"model":`, 400, "not valid JSON"},
	} {
		for range 2 { // its breaker is not told
			status, h, body := w.Do(t, "POST", "/v1/messages/count_tokens?beta=true", c.body, headersOf(key)...)
			if status != c.status || !strings.Contains(body, c.want) || h.Get("Request-Id") == "" {
				t.Errorf("%s: %d %s, want %d %s", c.why, status, body, c.status, c.want)
			}
		}
	}
	if status, _, body := w.Do(t, "POST", "/v1/messages/count_tokens", fmt.Sprintf(one, "say"), headersOf("sk-bob-caller-key")...); status != 404 {
		t.Errorf("a model that is not for this caller: %d %s", status, body)
	}
	if status, _, body := w.Do(t, "POST", "/v1/messages/count_tokens", fmt.Sprintf(one, "echo"), headersOf("sk-wrong")...); status != 401 {
		t.Errorf("a wrong key: %d %s", status, body)
	}
	if n := w.Model.Requests(); n != 0 {
		t.Errorf("%d questions were asked", n)
	}
	for _, h := range w.Gateway.Channels() {
		for _, m := range h.Keys[0].Models {
			if m.State != "ready" || m.Failures != 0 {
				t.Errorf("a breaker was told: %+v", m)
			}
		}
	}
	refused := 0
	for i := 0; i < 1000 && refused == 0; i++ { // one more comes back each second
		status, h, _ := w.Do(t, "POST", "/v1/messages/count_tokens", fmt.Sprintf(one, "say"), headersOf(key)...)
		if status == 429 && h.Get("Retry-After") != "" {
			refused++
		} else if status != 200 {
			t.Errorf("%d", status)
		}
	}
	if refused == 0 {
		t.Error("none of many more was refused")
	}
	status, _, body := w.Do(t, "POST", "/v1/messages", `{"model":"say","max_tokens":1,"messages":[{"role":"user","content":"x"}]}`, headersOf(key)...)
	if status != 429 || !strings.Contains(body, "tokens") {
		t.Errorf("a question afterwards: %d %s, want the limit of tokens, which is as it was", status, body)
	}
}

func TestAClientIsToldWhatIsNotWorthAnotherTry(t *testing.T) {
	t.Parallel()
	w := world.Start(t, `
callers: {keys: [{name: alice, key: `+key+`}, {name: poor, key: sk-poor-caller-key, limits: poor}, {name: busy, key: sk-busy-caller-key, limits: busy}]}
limits: {poor: {budget: {amount: 1, per: day}}, busy: {requests: 1/h}}
prices: {echo: {call: 2}}
channels:
`+channel("up", "openai", "", "echo", "fail-422", "fail-500", "fail-429", "free")+channel("strange", "openai", "", "fail-403"))
	for _, path := range []string{"/v1/chat/completions", "/v1/messages"} {
		ask := func(key, model string) (int, string) {
			status, h, _ := w.Do(t, "POST", path, `{"model":"`+model+`","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`, "Authorization", "Bearer "+key, "Content-Type", "application/json")
			return status, h.Get("X-Should-Retry")
		}
		if path == "/v1/chat/completions" {
			ask("sk-busy-caller-key", "free")
		}
		for _, c := range []struct {
			key, model string
			status     []int
			want       string
		}{
			{"sk-wrong", "echo", []int{401}, "false"}, {key, "nobody", []int{404}, "false"},
			{key, "fail-422", []int{422}, "false"}, {"sk-poor-caller-key", "echo", []int{429}, "false"},
			{"sk-busy-caller-key", "free", []int{429}, ""}, {key, "fail-500", []int{502}, ""}, {key, "fail-429", []int{429}, ""}, {key, "fail-403", []int{503, 529}, ""}, {key, "echo", []int{200}, ""},
		} {
			status, got := ask(c.key, c.model)
			if !slices.Contains(c.status, status) || got != c.want {
				t.Errorf("%s %s: %d, x-should-retry %q, want %v %q", path, c.model, status, got, c.status, c.want)
			}
		}
	}
	for path, want := range map[string]string{"/v1/nothing": "false", "/v1/messages/nothing": "false", "/api/nothing": ""} {
		if status, h, _ := w.Do(t, "GET", path, ""); status != 404 || h.Get("X-Should-Retry") != want {
			t.Errorf("%s: %d %q", path, status, h.Get("X-Should-Retry"))
		}
	}
}
