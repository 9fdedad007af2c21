package front_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

// inTurn answers the nth question with the nth of answers, streamed or whole, and the last
// one for ever.
func inTurn(t *testing.T, kind string, answers ...string) *backEnd {
	var n atomic.Int32
	return newBackEnd(t, func(w http.ResponseWriter, asked string) {
		at := min(int(n.Add(1)), len(answers)) - 1
		part, reason, _ := strings.Cut(answers[at], " ~ ")
		stream := strings.Contains(asked, `"stream":true`)
		w.Header().Set("Content-Type", map[bool]string{true: "text/event-stream", false: "application/json"}[stream])
		switch {
		case kind == "openai" && stream:
			_, _ = io.WriteString(w, chunks(part, "{} ~ "+reason))
		case kind == "openai":
			_, _ = io.WriteString(w, completion(part, reason))
		case stream:
			_, _ = io.WriteString(w, events(reason, part))
		default:
			_, _ = io.WriteString(w, message("["+part+"]", reason))
		}
	})
}

func TestAConversationGoesOnAfterACallThatNobodyCanAnswer(t *testing.T) {
	t.Parallel()
	for kind, answers := range map[string][]string{
		"openai": {
			`{"content":"let me see","tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]} ~ tool_calls`,
			`{"content":"fine"} ~ stop`,
		},
		"anthropic": {`{"type":"tool_use","id":"a","name":"f","input":{"x":1}} ~ tool_use`, `{"type":"text","text":"fine"} ~ end_turn`},
	} {
		for _, front := range []string{"chatnio", "rest", "iagent"} {
			t.Run(front+" to "+kind, func(t *testing.T) {
				t.Parallel()
				up := inTurn(t, kind, answers...)
				w := world.Start(t, callers+"presets: {m: {model: m}}\nchannels:\n"+channelAt("up", kind, up.url, ""))
				c := clientOf(w, front)
				for n, text := range []string{"one", "two", "three"} {
					r := world.Put(t, c, world.Ask{Model: "m", Text: text})
					if n > 0 && (r.Failed || r.Text != "fine") {
						t.Fatalf("%s: %s", text, r.Outcome())
					}
				}
				asked := up.questions()
				for _, q := range asked {
					if strings.Contains(q, `"tool_calls"`) || strings.Contains(q, `"tool_use"`) {
						t.Errorf("a call without its result is asked: %s", q)
					}
				}
				if last := asked[len(asked)-1]; kind == "openai" && !strings.Contains(last, `let me see\n[tool call f {}]`) || !strings.Contains(last, "two") {
					t.Errorf("the turns are not told: %s", last)
				}
				c.Close(t)
			})
		}
	}
}

func TestAWindowNeverBeginsWithTheModelWhereThatIsRefused(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"anthropic", "openai"} {
		answer := map[string]string{"anthropic": `{"type":"text","text":"fine"} ~ end_turn`, "openai": `{"content":"fine"} ~ stop`}[kind]
		up := inTurn(t, kind, answer)
		w := world.Start(t, callers+"channels:\n"+channelAt("up", kind, up.url, ""))
		c := world.NewChatnio(w, key, 0)
		for n := range 4 {
			for _, context := range []int{2, 3} {
				if r := world.Put(t, c, world.Ask{Model: "m", Text: fmt.Sprint("question ", n), Context: context}); r.Text != "fine" {
					t.Fatal(r.Outcome())
				}
			}
		}
		for _, q := range up.questions() {
			if kind == "anthropic" && strings.Contains(q, `"messages":[{"role":"assistant"`) {
				t.Errorf("it begins with the model: %s", q)
			}
		}
		c.Close(t)
	}
}

func TestAConversationInAnotherFormIsLearntFromARefusal(t *testing.T) {
	t.Parallel()
	up := newBackEnd(t, func(w http.ResponseWriter, asked string) {
		w.Header().Set("Content-Type", "application/json")
		if strings.Contains(asked, `"messages":[{"role":"assistant"`) {
			w.WriteHeader(400)
			_, _ = io.WriteString(w, `{"error":{"message":"Conversation roles must alternate user/assistant/user/assistant/...","type":"BadRequestError","param":null,"code":400}}`)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, chunks(`{"content":"fine"}`, `{} ~ stop`))
	})
	w := world.Start(t, callers+"channels:\n"+channelAt("up", "openai", up.url, ""))
	c := world.NewChatnio(w, key, 0)
	for n := range 4 {
		if r := world.Put(t, c, world.Ask{Model: "m", Text: fmt.Sprint("question ", n), Context: 2}); r.Text != "fine" {
			t.Errorf("question %d: %s", n, r.Outcome())
		}
	}
	if n := len(up.questions()); n != 5 {
		t.Errorf("%d attempts at four questions", n)
	}
	c.Close(t)
}

const loop = `{"model":"m","max_tokens":99,"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[{"type":"thinking","thinking":"because","signature":"%s"},` +
	`{"type":"tool_use","id":"a","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":"r"}]}],"tools":[{"name":"f","input_schema":{"type":"object"}}]}`

func TestThoughtsGoBackWithTheirCallsToWhoThoughtThem(t *testing.T) {
	t.Parallel()
	const question = `{"model":"m","max_tokens":99,"messages":[{"role":"user","content":"hi"}]}`
	thinks := `{"content":null,"reasoning_content":"because","tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]} ~ tool_calls`
	for name, c := range map[string]struct {
		answer, first, signature string
		back                     bool
	}{
		"it thinks":                      {thinks, question, "", true},
		"it does not":                    {`{"content":"fine"} ~ stop`, question, "", false},
		"nothing is known of it":         {`{"content":"fine"} ~ stop`, "", "", true},
		"another model has signed these": {thinks, question, "EqQBCgIYAhIM", false},
	} {
		up := inTurn(t, "openai", c.answer)
		w := world.Start(t, callers+"channels:\n"+channelAt("up", "openai", up.url, ""))
		for _, body := range []string{c.first, fmt.Sprintf(loop, c.signature)} {
			if body == "" {
				continue
			}
			if status, _, text := w.Do(t, "POST", "/v1/messages", body, "X-Api-Key", key); status != 200 {
				t.Fatalf("%d %s", status, text)
			}
		}
		asked := up.questions()
		if last := asked[len(asked)-1]; strings.Contains(last, `"reasoning_content":"because"`) != c.back {
			t.Errorf("%s: %s", name, last)
		}
	}
}

func TestWhoWantsThoughtsBackAndWhoRefusesThemIsLearnt(t *testing.T) {
	t.Parallel()
	for _, wants := range []bool{true, false} {
		var n atomic.Int32
		up := newBackEnd(t, func(w http.ResponseWriter, asked string) {
			w.Header().Set("Content-Type", "application/json")
			has := strings.Contains(asked, "reasoning_content")
			switch {
			case n.Add(1) == 1 && wants: // it answers without a thought
			case wants && !has:
				w.WriteHeader(400)
				_, _ = io.WriteString(w, "{\"error\":{\"message\":\"Missing `reasoning_content` field in the assistant message at message index 1.\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":\"invalid_request_error\"}}")
				return
			case !wants && has:
				w.WriteHeader(400)
				_, _ = io.WriteString(w, `{"error":{"message":"'messages.1' : for 'role:assistant' the following must be satisfied[('messages.1' : property 'messages.1.reasoning_content' is unsupported)]","type":"invalid_request_error"}}`)
				return
			}
			_, _ = io.WriteString(w, completion(`{"content":"fine"}`, "stop"))
		})
		w := world.Start(t, callers+"channels:\n"+channelAt("up", "openai", up.url, ""))
		bodies := []string{fmt.Sprintf(loop, ""), fmt.Sprintf(loop, "")}
		if wants {
			bodies = append([]string{`{"model":"m","max_tokens":99,"messages":[{"role":"user","content":"hi"}]}`}, bodies...)
		}
		for i, body := range bodies {
			if status, h, text := w.Do(t, "POST", "/v1/messages", body, "X-Api-Key", key); status != 200 || strings.Contains(h.Get("X-Dragoman-Dropped"), "reasoning") == (wants && i > 0) && i > 0 {
				t.Errorf("wants %v, question %d: %d, dropped %q: %s", wants, i, status, h.Get("X-Dragoman-Dropped"), text)
			}
		}
		if got := len(up.questions()); got != len(bodies)+1 {
			t.Errorf("wants %v: %d attempts at %d questions", wants, got, len(bodies))
		}
	}
}

func TestAnImageInAResultReachesAnthropic(t *testing.T) {
	t.Parallel()
	up := inTurn(t, "anthropic", `{"type":"text","text":"fine"} ~ end_turn`)
	w := world.Start(t, callers+"channels:\n"+channelAt("up", "anthropic", up.url, ""))
	for content, want := range map[string]string{
		`[{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo="}}]`:                         `"content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBORw0KGgo="}}]`,
		`[{"type":"text","text":"a cat"},{"type":"image_url","image_url":{"url":"https://example.org/cat.png"}}]`: `"content":[{"type":"text","text":"a cat"},{"type":"image","source":{"type":"url","url":"https://example.org/cat.png"}}]`,
		`[{"type":"text","text":"a cat"}]`: `"content":"a cat"`,
	} {
		body := fmt.Sprintf(`{"model":"m","messages":[{"role":"user","content":"look"},{"role":"assistant","content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"b","type":"function","function":{"name":"f","arguments":"{}"}}]},`+
			`{"role":"tool","tool_call_id":"a","content":%s},{"role":"tool","tool_call_id":"b","content":"r"}]}`, content)
		status, h, text := w.Do(t, "POST", "/v1/chat/completions", body, "Authorization", "Bearer "+key)
		got := up.questions()
		if status != 200 || h.Get("X-Dragoman-Dropped") != "" || len(got) != 1 || !strings.Contains(got[0], `{"type":"tool_result","tool_use_id":"a",`+want+`},{"type":"tool_result","tool_use_id":"b","content":"r"}`) {
			t.Errorf("%d, dropped %q: %s\n%s", status, h.Get("X-Dragoman-Dropped"), got, text)
		}
	}
}

func TestWhatAServerWantsBackWithACallIsKeptForItsCaller(t *testing.T) {
	t.Parallel()
	const signed = `"extra_content":{"google":{"thought_signature":"c2lnbmVk"}}`
	call := `{"tool_calls":[{"index":0,"id":"a","type":"function",` + signed + `,"function":{"name":"f","arguments":"{}"}}]} ~ tool_calls`
	for _, stream := range []bool{false, true} {
		one, two := inTurn(t, "openai", call, `{"content":"fine"} ~ stop`), inTurn(t, "openai", `{"content":"fine"} ~ stop`)
		w := world.Start(t, callers+"presets: {p: {model: m}}\nchannels:\n"+channelAt("one", "openai", one.url, "")+strings.Replace(channelAt("two", "openai", two.url, ""), "name: m,", "name: n,", 1))
		ask := func(path, key, body string) {
			t.Helper()
			if status, _, text := w.Do(t, "POST", path, body, "Authorization", "Bearer "+key); status != 200 || strings.Contains(text, "c2lnbmVk") {
				t.Fatalf("%d %s", status, text)
			}
		}
		ask("/v1/messages", key, fmt.Sprintf(`{"model":"m","max_tokens":99,"stream":%v,"messages":[{"role":"user","content":"hi"}]}`, stream))
		for _, c := range []struct {
			up         *backEnd
			key, model string
			back       bool
		}{{one, key, "m", true}, {one, "sk-bob-caller-key", "m", false}, {two, key, "n", false}, {one, key, "m", true}} {
			c.up.questions()
			ask("/v1/messages", c.key, strings.Replace(fmt.Sprintf(loop, ""), `"model":"m"`, `"model":"`+c.model+`"`, 1))
			if got := c.up.questions(); len(got) != 1 || strings.Contains(got[0], signed) != c.back {
				t.Errorf("stream %v, %s for %s: %q", stream, c.model, c.key, got)
			}
		}
		// What the client itself sends goes on, also where a preset keeps it from passing through.
		ask("/v1/chat/completions", key, `{"model":"p","messages":[{"role":"user","content":"hi"},{"role":"assistant","content":null,"tool_calls":[{"id":"z","type":"function",`+signed+`,"function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"z","content":"r"}]}`)
		if got := one.questions(); len(got) != 1 || !strings.Contains(got[0], signed) {
			t.Errorf("%q", got)
		}
	}
}

func TestMarksOfCachesGoOnThroughAPresetAndToAnthropic(t *testing.T) {
	t.Parallel()
	for kind, answer := range map[string]string{"openai": `{"content":"fine"} ~ stop`, "anthropic": `{"type":"text","text":"fine"} ~ end_turn`} {
		up := inTurn(t, kind, answer)
		w := world.Start(t, callers+"presets: {p: {model: m}}\nchannels:\n"+channelAt("up", kind, up.url, ""))
		status, h, text := w.Do(t, "POST", "/v1/chat/completions", `{"model":"p","messages":[{"role":"user","content":[{"type":"text","text":"long","cache_control":{"type":"ephemeral"}},{"type":"text","text":"hi"}]},`+
			`{"role":"assistant","content":"a","reasoning_details":[{"type":"reasoning.text","text":"hm"}]},{"role":"user","content":"b"}]}`, "Authorization", "Bearer "+key)
		if got := up.questions(); status != 200 || len(got) != 1 || !strings.Contains(got[0], `{"type":"text","text":"long","cache_control":{"type":"ephemeral"}}`) ||
			strings.Contains(got[0], `"reasoning_details":[{"type":"reasoning.text","text":"hm"}]`) != (kind == "openai") || strings.Contains(h.Get("X-Dragoman-Dropped"), "reasoning_details") == (kind == "openai") {
			t.Errorf("%s: %d, dropped %q: %s\n%s", kind, status, h.Get("X-Dragoman-Dropped"), got, text)
		}
	}
}
