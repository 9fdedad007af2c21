package front_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

// backEnd is a server of a test's own, which remembers what it was asked.
type backEnd struct {
	url string

	mu    sync.Mutex
	asked []string
}

// newBackEnd serves answer, which writes the answer to one question.
func newBackEnd(t *testing.T, answer func(w http.ResponseWriter, body string)) *backEnd {
	t.Helper()
	b := &backEnd{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		b.mu.Lock()
		b.asked = append(b.asked, string(body))
		b.mu.Unlock()
		answer(w, string(body))
	}))
	t.Cleanup(s.Close)
	b.url = s.URL
	return b
}

// questions are the bodies that came since the last call.
func (b *backEnd) questions() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	got := b.asked
	b.asked = nil
	return got
}

// chunks is a stream of openai's dialect with deltas, each with its reason to end.
func chunks(deltas ...string) string {
	var s strings.Builder
	for _, d := range deltas {
		delta, word, found := strings.Cut(d, " ~ ")
		reason := "null"
		if found {
			reason = `"` + word + `"`
		}
		fmt.Fprintf(&s, "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"up\",\"choices\":[{\"index\":0,\"delta\":%s,\"finish_reason\":%s}]}\n\n", delta, reason)
	}
	return s.String() + "data: [DONE]\n\n"
}

// strict answers like an openai server that refuses every question with one of members
// in words, in which %s is the member.
func strict(t *testing.T, status int, words string, members ...string) *backEnd {
	return newBackEnd(t, func(w http.ResponseWriter, body string) {
		var asked map[string]json.RawMessage
		_ = json.Unmarshal([]byte(body), &asked)
		for _, m := range members {
			if asked[m] != nil {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(status)
				_, _ = fmt.Fprintf(w, words, m)
				return
			}
		}
		if string(asked["stream"]) == "true" {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, chunks(`{"content":"hello"}`, `{} ~ stop`))
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"id":"c1","object":"chat.completion","created":1,"model":"up","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}]}`)
	})
}

func channelAt(id, kind, url, more string) string {
	return fmt.Sprintf("  - {id: %s, kind: %s, url: %q, keys: [%s], models: [{name: m, upstream: up}]%s}\n", id, kind, url, channelKey, more)
}

const extraForbidden = `{"detail":[{"type":"extra_forbidden","loc":["body",%q],"msg":"Extra inputs are not permitted","input":1}]}`

func TestAMemberThatABackEndRefusesIsLeftOutAndThatIsRemembered(t *testing.T) {
	t.Parallel()
	for _, words := range []struct {
		status int
		text   string
	}{
		{422, extraForbidden},
		{400, `{"error":{"message":"Unrecognized request argument supplied: %s","type":"invalid_request_error","param":null,"code":null}}`},
		{400, `{"error":{"code":400,"message":"Invalid JSON payload received. Unknown name \"%s\": Cannot find field.","status":"INVALID_ARGUMENT"}}`},
	} {
		for _, front := range frontNames() {
			t.Run(fmt.Sprintf("%s, %d", front, words.status), func(t *testing.T) {
				t.Parallel()
				up := strict(t, words.status, words.text, "stream_options")
				conf := callers + "presets: {m: {model: m}}\nchannels:\n" + channelAt("up", "openai", up.url, "")
				w := world.Start(t, conf)
				c := clientOf(w, front)
				for n, asked := range []int{2, 1} {
					if front == "openai" { // whose client of the tests asks for usage itself
						if status, h, text := w.Do(t, "POST", "/v1/chat/completions", `{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}`, "Authorization", "Bearer "+key); status != 200 || !strings.Contains(text, "hello") || h.Get("X-Dragoman-Dropped") != "" {
							t.Fatalf("question %d: %d %s", n, status, text)
						}
					} else if r := world.Put(t, c, world.Ask{Model: "m", Text: fmt.Sprint("hi ", n), Stream: true}); r.Text != "hello" || r.Failed || !r.Ended {
						t.Fatalf("question %d: %s", n, r.Outcome())
					}
					got := up.questions()
					if front == "iagent" || len(got) == 1 && !strings.Contains(got[0], `"stream":true`) {
						continue // it asks for whole answers
					}
					if len(got) != asked || strings.Contains(got[len(got)-1], "stream_options") {
						t.Errorf("question %d: the back end was asked %q", n, got)
					}
				}
				if quirks := w.Gateway.Channels()[0].Keys[0].Models[0].Quirks; front != "iagent" && !slices.Contains(quirks, "refuses stream_options") {
					t.Errorf("quirks %q", quirks)
				}
				c.Close(t)
			})
		}
	}
}

func TestAMemberThatIsRefusedInsideAnAnswerIsLeftOutToo(t *testing.T) {
	t.Parallel()
	const refusal = `{"error":{"message":"Unsupported parameter: '%s' is not supported with this model.","type":"invalid_request_error","param":"%[1]s","code":"unsupported_parameter"}}`
	for name, c := range map[string]struct{ label, before string }{
		"a body": {"application/json", ""}, "a body called a stream": {"text/event-stream", ""}, "an event": {"text/event-stream", "data: "},
		"an event called an error": {"text/event-stream", "event: error\ndata: "}, "an event behind an empty one": {"text/event-stream", `data: {"id":"c1","model":"up","choices":[]}` + "\n\ndata: "},
	} {
		for _, front := range []string{"anthropic", "rest", "chatnio"} {
			t.Run(name+", "+front, func(t *testing.T) {
				t.Parallel()
				up := newBackEnd(t, func(w http.ResponseWriter, body string) {
					for _, m := range []string{"stream_options"} {
						if strings.Contains(body, `"`+m+`"`) {
							w.Header().Set("Content-Type", c.label)
							_, _ = fmt.Fprintf(w, c.before+refusal+"\n\n", m)
							return
						}
					}
					w.Header().Set("Content-Type", "text/event-stream")
					_, _ = io.WriteString(w, chunks(`{"content":"hello"}`, `{} ~ stop`))
				})
				w := world.Start(t, callers+"presets: {m: {model: m}}\nchannels:\n"+channelAt("up", "openai", up.url, ""))
				client := clientOf(w, front)
				for n, asked := range []int{2, 1} {
					if r := world.Put(t, client, world.Ask{Model: "m", Text: fmt.Sprint("hi ", n), Stream: true}); r.Text != "hello" || r.Failed || !r.Ended {
						t.Fatalf("question %d: %s", n, r.Outcome())
					}
					if got := up.questions(); len(got) != asked {
						t.Errorf("question %d: the back end was asked %q", n, got)
					}
				}
				client.Close(t)
			})
		}
	}
}

func TestWhatIsLeftOutForABackEndIsNamed(t *testing.T) {
	t.Parallel()
	up := strict(t, 422, extraForbidden, "temperature", "top_p", "reasoning_effort", "stream_options")
	w := world.Start(t, callers+"channels:\n"+channelAt("up", "openai", up.url, ""))
	ask := func(stream bool) (int, http.Header, string) {
		return w.Do(t, "POST", "/v1/messages", fmt.Sprintf(`{"model":"m","max_tokens":3000,"stream":%v,"temperature":1,"top_p":0.5,"thinking":{"type":"enabled","budget_tokens":2000},"messages":[{"role":"user","content":"hi"}]}`, stream), "X-Api-Key", key)
	}
	for n, asked := range []int{5, 1, 1} {
		status, h, text := ask(true)
		if got := up.questions(); status != 200 || !strings.Contains(text, "hello") || len(got) != asked {
			t.Fatalf("question %d: %d after %d attempts: %s", n, status, len(got), text)
		}
		for _, name := range []string{"temperature", "top_p", "reasoning_effort"} {
			if !strings.Contains(h.Get("X-Dragoman-Dropped"), name) {
				t.Errorf("question %d: dropped %q, not %s", n, h.Get("X-Dragoman-Dropped"), name)
			}
		}
		if strings.Contains(h.Get("X-Dragoman-Dropped"), "stream_options") {
			t.Error("what nobody asked for is named as lost")
		}
	}
	if rows := w.Gateway.Channels()[0].Keys[0].Models[0]; rows.State != "ready" || rows.Failures != 0 {
		t.Errorf("%+v", rows)
	}
}

func TestAClientsOwnMemberIsItsOwnFaultWhereItPassesThrough(t *testing.T) {
	t.Parallel()
	up := strict(t, 400, `{"error":{"message":"Unrecognized request argument supplied: %s","type":"invalid_request_error","param":null,"code":null}}`, "seed", "stream_options")
	w := world.Start(t, callers+"channels:\n"+channelAt("up", "openai", up.url, ""))
	post := func(body string) (int, http.Header, string) {
		return w.Do(t, "POST", "/v1/chat/completions", body, "Authorization", "Bearer "+key)
	}
	status, _, text := post(`{"model":"m","seed":7,"messages":[{"role":"user","content":"hi"}]}`)
	if got := up.questions(); status != 400 || !strings.Contains(text, "supplied: seed") || len(got) != 1 {
		t.Errorf("%d after %d attempts: %s", status, len(got), text)
	}
	for _, body := range []string{
		`{"stream_options":{"include_usage":true}, "model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}`,
		`{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}] , "stream_options" : {"include_usage":true} }`,
		`{"model":"m","stream_options":{"include_usage":true},"stream":true,"messages":[{"role":"user","content":"hi"}]}`,
	} {
		status, h, text := post(body)
		got := up.questions()
		if status != 200 || !strings.Contains(text, "hello") || h.Get("X-Dragoman-Dropped") != "stream_options" {
			t.Errorf("%s: %d, dropped %q: %s", body, status, h.Get("X-Dragoman-Dropped"), text)
		}
		var left struct {
			Model    string
			Stream   bool
			Messages []json.RawMessage
		}
		if last := got[len(got)-1]; strings.Contains(last, "stream_options") || json.Unmarshal([]byte(last), &left) != nil || left.Model != "up" || !left.Stream || len(left.Messages) != 1 {
			t.Errorf("%s: the back end got %s", body, last)
		}
	}
}

func TestWhatAQuestionIsMadeOfIsNeverLeftOut(t *testing.T) {
	t.Parallel()
	for _, member := range []string{"messages", "model", "tools", "tool_choice", "stream", "response_format"} {
		up := strict(t, 422, extraForbidden, member)
		w := world.Start(t, callers+"presets: {p: {model: m}}\nchannels:\n"+channelAt("up", "openai", up.url, ""))
		status, _, text := w.Do(t, "POST", "/v1/chat/completions", `{"model":"p","stream":true,"messages":[{"role":"user","content":"hi"}],"response_format":{"type":"json_object"},`+
			`"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"auto"}`, "Authorization", "Bearer "+key)
		if got := up.questions(); status != 422 || len(got) != 1 {
			t.Errorf("%s: %d after %d attempts: %s", member, status, len(got), text)
		}
	}
}

// clientOf is a client of the front called name.
func clientOf(w *world.World, name string) world.Client {
	for _, front := range world.Fronts {
		if c := front(w, key); c.Front() == name {
			return c
		}
	}
	return nil
}

func TestWhatWasLearntOfAChannelIsForgottenWhenItIsConfiguredOtherwise(t *testing.T) {
	t.Parallel()
	up, other := strict(t, 422, extraForbidden, "stream_options"), strict(t, 422, extraForbidden, "stream_options")
	w := world.Start(t, callers+"channels:\n"+channelAt("up", "openai", up.url, "")+strings.Replace(channelAt("other", "openai", other.url, ""), "name: m,", "name: n,", 1))
	apply := func(change func(*config.Channel)) {
		next := *w.Conf
		next.Channels = slices.Clone(w.Conf.Channels)
		change(&next.Channels[0])
		if err := w.Gateway.Apply(&next); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		before      func()
		asked, also int
	}{
		{func() {}, 2, 2},
		{func() {}, 1, 1},
		{func() { apply(func(*config.Channel) {}) }, 1, 1}, // nothing of it is new
		{func() { apply(func(c *config.Channel) { c.Weight = 7 }) }, 2, 1},
		{func() { apply(func(c *config.Channel) { c.Weight = 7 }) }, 1, 1},
		{func() { apply(func(*config.Channel) {}) }, 2, 1},
	} {
		step.before()
		for model, b := range map[string]*backEnd{"m": up, "n": other} {
			status, _, text := w.Do(t, "POST", "/v1/messages", `{"model":"`+model+`","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"hi"}]}`, "X-Api-Key", key)
			want := step.asked
			if b == other {
				want = step.also
			}
			if got := len(b.questions()); status != 200 || got != want {
				t.Errorf("%s: %d after %d attempts, want %d: %s", model, status, got, want, text)
			}
		}
	}
	for _, c := range w.Gateway.Channels() {
		if q := c.Keys[0].Models[0].Quirks; !slices.Contains(q, "refuses stream_options") {
			t.Errorf("%s shows %q", c.ID, q)
		}
	}
}
