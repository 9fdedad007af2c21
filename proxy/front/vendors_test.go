package front_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
	"github.com/dragoman-gateway/dragoman/translate"
	"github.com/dragoman-gateway/dragoman/translate/anthropic"
	"github.com/dragoman-gateway/dragoman/translate/gemini"
	"github.com/dragoman-gateway/dragoman/translate/ollama"
	"github.com/dragoman-gateway/dragoman/translate/openai"
)

// vendor is a stateless front as its client speaks to it.
type vendor struct {
	dialect translate.Dialect
	path    string
}

var vendors = []vendor{{openai.Dialect, "/v1/chat/completions"}, {anthropic.Dialect, "/v1/messages"}, {gemini.Dialect, "/v1beta"}, {ollama.Dialect, "/ollama"}}

// richKinds are the kinds of channels that can say tool calls and reasoning.
var richKinds = []string{"openai", "anthropic", "gemini", "ollama", "mock"}

// ask puts req as a client of the dialect and returns its answer.
func (v vendor) ask(t *testing.T, w *world.World, req translate.Request) *translate.Answer {
	t.Helper()
	limit := 100
	req.Dialect, req.Params.MaxTokens = v.dialect.Name(), &limit
	body, err := v.dialect.AppendRequest(nil, &req)
	if err != nil {
		t.Fatal(err)
	}
	path := v.path
	if p, ok := v.dialect.(translate.Pather); ok {
		path = string(p.AppendPath([]byte(path), &req))
	}
	status, _, text := w.Do(t, "POST", path, string(body), "Authorization", "Bearer "+key, "Content-Type", "application/json")
	dec, a := v.dialect.NewDecoder(&req), &translate.Answer{}
	frames := []string{text}
	if req.Stream {
		frames = nil
		for block := range strings.SplitSeq(strings.TrimSuffix(text, "\n\n"), "\n\n") {
			_, data, events := strings.Cut("\n"+block, "\ndata: ")
			if !events {
				frames = strings.Split(strings.TrimSpace(block), "\n") // of JSON
				break
			}
			frames = append(frames, data)
		}
	}
	for _, f := range frames {
		var evs []translate.Event
		if req.Stream && status == 200 {
			evs, err = dec.Decode(nil, []byte(f))
		} else {
			evs, err = dec.DecodeWhole(nil, status, []byte(f))
		}
		if err != nil {
			t.Fatalf("%v in %d %s", err, status, f)
		}
		for _, ev := range evs {
			a.Add(ev)
		}
	}
	if e, ok := dec.(translate.Ender); ok && e.Complete() && v.dialect == gemini.Dialect {
		for _, ev := range e.End(nil) { // which has no mark of it
			a.Add(ev)
		}
	}
	if !dec.Done() {
		t.Errorf("no end mark: %s", text)
	}
	return a
}

// eachVendor runs test for both stateless fronts and every kind of channel that can
// say more than text, whole and streamed.
func eachVendor(t *testing.T, model string, test func(t *testing.T, v vendor, w *world.World, kind string, stream bool)) {
	t.Helper()
	for _, kind := range richKinds {
		for _, v := range vendors {
			for _, stream := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s to %s, stream %v", v.dialect.Name(), kind, stream), func(t *testing.T) {
					t.Parallel()
					test(t, v, world.Start(t, callers+"channels:\n"+channel("up", kind, "", model)), kind, stream)
				})
			}
		}
	}
}

func TestToolCallsAndTheirResultsPassThroughEveryPairThatCanSayThem(t *testing.T) {
	t.Parallel()
	eachVendor(t, "tools", func(t *testing.T, v vendor, w *world.World, kind string, stream bool) {
		const question = "weather in \"Paris\"\n漢字 😀 \\"
		req := translate.Request{
			Model: "tools", Stream: stream, Messages: []translate.Message{translate.TextMessage(translate.RoleUser, question)},
			Tools: []translate.Tool{{Name: "look", Schema: json.RawMessage(`{"type":"object"}`)}, {Name: "now", Schema: json.RawMessage(`{"type":"object"}`)}},
		}
		a := v.ask(t, w, req)
		if len(a.Parts) != 2 || a.Finish != translate.FinishTool {
			t.Fatalf("%+v, finish %s", a.Parts, a.Finish)
		}
		results := translate.Message{Role: translate.RoleTool}
		for i, name := range []string{"look", "now"} {
			p := a.Parts[i]
			var args struct{ Q string }
			if err := json.Unmarshal([]byte(p.Args), &args); err != nil || args.Q != question || p.Name != name || p.ID == "" {
				t.Errorf("%+v: %v", p, err)
			}
			results.Parts = append(results.Parts, translate.Part{Kind: translate.PartToolResult, ID: p.ID, Text: name + " ключ"})
		}
		if a.Parts[0].ID == a.Parts[1].ID {
			t.Error("both calls have one id")
		}
		req.Messages = append(req.Messages, a.Message(), results)
		if a = v.ask(t, w, req); a.Text() != "tool said: look ключ; now ключ" || a.Finish != translate.FinishStop {
			t.Errorf("%q, finish %s", a.Text(), a.Finish)
		}
	})
}

func TestReasoningPassesThroughEveryPairThatCanSayIt(t *testing.T) {
	t.Parallel()
	eachVendor(t, "reason", func(t *testing.T, v vendor, w *world.World, kind string, stream bool) {
		a := v.ask(t, w, translate.Request{Model: "reason", Stream: stream, Messages: []translate.Message{translate.TextMessage(translate.RoleUser, "hi")}})
		if a.Reasoning() != "Let me think." || a.Text() != hello || a.Finish != translate.FinishStop {
			t.Errorf("%+v, finish %s", a.Parts, a.Finish)
		}
		signed := slices.ContainsFunc(a.Parts, func(p translate.Part) bool { return p.Signature != "" })
		if kind == "anthropic" && v.dialect.Name() == "anthropic" && !signed {
			t.Error("the signature was lost")
		}
	})
}

// A front that cannot say reasoning gives the text without it.
func TestReasoningHarmsNoFrontThatCannotSayIt(t *testing.T) {
	t.Parallel()
	for _, kind := range richKinds {
		for _, newClient := range world.Fronts[2:] {
			t.Run(newClient(nil, "").Front()+" to "+kind, func(t *testing.T) {
				t.Parallel()
				w := world.Start(t, callers+"channels:\n"+channel("up", kind, "", "reason"))
				ways(t, func() world.Client { return newClient(w, key) }, func(t *testing.T, c world.Client, a world.Ask) {
					a.Model, a.Text = "reason", "hi"
					if r := world.Put(t, c, a); r.Text != hello || !r.Ended {
						t.Errorf("got %s", r.Outcome())
					}
				})
			})
		}
	}
}

// put sends body, without its braces, for model.
func put(t *testing.T, w *world.World, path, model string, stream bool, body string) (status int, dropped, text string) {
	t.Helper()
	body = fmt.Sprintf(`{"model":%q,"stream":%v,%s}`, model, stream, body)
	status, h, text := w.Do(t, "POST", path, body, "Authorization", "Bearer "+key, "Content-Type", "application/json")
	return status, h.Get("X-Dragoman-Dropped"), text
}

const (
	oddOpenAI    = `"seed":7,"logit_bias":{"1":1},"service_tier":"auto","messages":[{"role":"user","content":"hi"}]`
	oddAnthropic = `"max_tokens":9,"service_tier":"auto","system":[{"type":"text","text":"x","cache_control":{"type":"ephemeral"}}],` +
		`"messages":[{"role":"user","content":"hi"}]`
)

// What a channel cannot be told is named on every answer, a failure too.
func TestWhatAChannelCannotBeToldIsNamedWhateverTheAnswer(t *testing.T) {
	t.Parallel()
	for _, kind := range config.Kinds {
		if kind.Name == "mock" {
			continue // it reads the question itself
		}
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			conf := callers + "channels:\n" + channel("up", kind.Name, "", "echo")
			for _, v := range vendors {
				for _, stream := range []bool{false, true} { // a failure must not shut the channel of the next
					id := fmt.Sprintf("fail-500-%s-%v", v.dialect.Name(), stream)
					conf += channel(id, kind.Name, "", id)
				}
			}
			w := world.Start(t, conf)
			for _, c := range []struct {
				v       vendor
				body    string
				dropped []string
			}{
				{vendors[0], oddOpenAI, []string{"logit_bias", "service_tier", "seed"}},
				{vendors[1], oddAnthropic, []string{"service_tier", "cache_control"}},
			} {
				for _, stream := range []bool{false, true} {
					for _, model := range []string{"echo", fmt.Sprintf("fail-500-%s-%v", c.v.dialect.Name(), stream)} {
						_, got, _ := put(t, w, c.v.path, model, stream, c.body)
						if c.v.dialect.Name() == kind.Name {
							if got != "" {
								t.Errorf("%s: %q although it passes through", c.v.path, got)
							}
							continue
						}
						for _, name := range c.dropped {
							said := name == "cache_control" && kind.Name == "anthropic" || name == "seed" && slices.Contains([]string{"openai", "gemini", "ollama"}, kind.Name)
							if slices.Contains(strings.Split(got, ", "), name) == said {
								t.Errorf("%s of %s, stream %v: %q and %s", c.v.path, model, stream, got, name)
							}
						}
					}
				}
			}
		})
	}
}

func TestUnknownMembersAndSeveralChoicesPassBetweenEqualDialects(t *testing.T) {
	t.Parallel()
	w := world.Start(t, callers+"channels:\n"+channel("up", "openai", "", "echo"))
	for _, stream := range []bool{false, true} {
		status, dropped, text := put(t, w, "/v1/chat/completions", "echo", stream, `"n":3,"logprobs":true,"x":{"a":[1e2]},"messages":[{"role":"user","content":"hi"}]`)
		if status != 200 || dropped != "" {
			t.Errorf("%d %q: %s", status, dropped, text)
		}
	}
}

func TestAClientOfFunctionsCallsThemOnEveryKindOfChannel(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"anthropic", "mock"} {
		for _, stream := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, stream %v", kind, stream), func(t *testing.T) {
				t.Parallel()
				w := world.Start(t, callers+"channels:\n"+channel("up", kind, "", "tool"))
				ask := func(more string) string {
					status, _, text := put(t, w, "/v1/chat/completions", "tool", stream,
						`"functions":[{"name":"look","parameters":{"type":"object"}}],"messages":[{"role":"user","content":"hi"}`+more+`]`)
					if status != 200 {
						t.Fatalf("%d %s", status, text)
					}
					return text
				}
				called := ask("")
				if strings.Contains(called, "tool_calls") || !strings.Contains(called, `"finish_reason":"function_call"`) || !strings.Contains(called, `"function_call":{"name":"look"`) {
					t.Errorf("not the older form: %s", called)
				}
				said := ask(`,{"role":"assistant","content":null,"function_call":{"name":"look","arguments":"{}"}},{"role":"function","name":"look","content":"a cat"}`)
				if !strings.Contains(said, "cat") || !strings.Contains(said, `"finish_reason":"stop"`) {
					t.Errorf("the result did not arrive: %s", said)
				}
			})
		}
	}
}

func TestTheBetaHeaderGoesOnWithWhatPassesThrough(t *testing.T) {
	t.Parallel()
	got := make(chan http.Header, 1)
	up := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		got <- r.Header
		_, _ = io.WriteString(rw, `{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"ho"}],"stop_reason":"end_turn","usage":{}}`)
	}))
	defer up.Close()
	w := world.Start(t, callers+fmt.Sprintf("channels:\n  - {id: up, kind: anthropic, url: %q, keys: [%s], models: [m]}\n", up.URL, channelKey)+channel("other", "openai", "", "echo"))
	for _, c := range []struct{ beta, model, want, dropped string }{
		{"files-api-2025-04-14,x", "m", "files-api-2025-04-14,x", ""},
		{"", "m", "", ""},
		{strings.Repeat("x", 2000), "m", "", ""},
		{"x", "echo", "", "anthropic-beta"},
	} {
		body := fmt.Sprintf(`{"model":%q,"max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`, c.model)
		status, h, text := w.Do(t, "POST", "/v1/messages", body, "X-Api-Key", key, "Content-Type", "application/json", "Anthropic-Beta", c.beta)
		if status != 200 || h.Get("X-Dragoman-Dropped") != c.dropped {
			t.Fatalf("%d, dropped %q: %s", status, h.Get("X-Dragoman-Dropped"), text)
		}
		if c.model != "m" {
			continue
		}
		if seen := <-got; seen.Get("Anthropic-Beta") != c.want || seen.Get("Anthropic-Version") == "" {
			t.Errorf("%.40q: the channel got %q", c.beta, seen)
		}
	}
}
