package sdktest

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	anthropicoption "github.com/anthropics/anthropic-sdk-go/option"
	"github.com/openai/openai-go/v3"
	openaioption "github.com/openai/openai-go/v3/option"
)

// pixel is a PNG of one pixel.
const pixel = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

func TestToolsAreCalledAndTheirResultsArrive(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "tools")
	w.through(t, richKinds, func(t *testing.T, c client, kind string) {
		ways := map[string]func(*question) (*reply, error){
			"whole":  func(q *question) (*reply, error) { return c.whole(t.Context(), q) },
			"stream": func(q *question) (*reply, error) { return c.stream(t.Context(), q, func(string) {}) },
		}
		for name, way := range ways {
			t.Run(name, func(t *testing.T) {
				q := ask(kind+".tools", `weather in "Paris"`)
				q.tools = []string{"get_weather", "get_time"}
				got, err := way(q)
				if err != nil {
					t.Fatal(err)
				}
				got.checkCalls(t)
				q.turns = append(q.turns, turn{role: "assistant", calls: got.calls}, turn{role: "tool", results: []result{
					{id: got.calls[0].id, text: "18 degrees"}, {id: got.calls[1].id, text: "noon"},
				}})
				if got, err = way(q); err != nil {
					t.Fatal(err)
				}
				if got.text != "tool said: 18 degrees; noon" || got.finish != "stop" {
					t.Errorf("text %q, finish %q", got.text, got.finish)
				}
			})
		}
	})
}

// checkCalls compares the calls with what the word tools writes.
func (r *reply) checkCalls(t *testing.T) {
	t.Helper()
	if r.finish != "tool" || len(r.calls) != 2 {
		t.Fatalf("finish %q, calls %+v", r.finish, r.calls)
	}
	for i, want := range []string{"get_weather", "get_time"} {
		var args struct{ Q string }
		if err := json.Unmarshal([]byte(r.calls[i].args), &args); err != nil || args.Q != `weather in "Paris"` {
			t.Errorf("arguments %q: %v", r.calls[i].args, err)
		}
		if r.calls[i].name != want || r.calls[i].id == "" {
			t.Errorf("call %+v, want %s", r.calls[i], want)
		}
	}
	if r.calls[0].id == r.calls[1].id {
		t.Error("both calls have one id")
	}
}

func TestImagesArrive(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "image")
	w.through(t, richKinds, func(t *testing.T, c client, kind string) {
		q := question{model: kind + ".image", turns: []turn{{role: "user", text: "what are these?", images: []string{pixel, pixel}}}}
		got, err := c.whole(t.Context(), &q)
		if err != nil {
			t.Fatal(err)
		}
		if got.text != "I see 2 images" {
			t.Errorf("text %q", got.text)
		}
	})
}

func TestReasoningArrives(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "reason")
	w.through(t, richKinds, func(t *testing.T, c client, kind string) {
		whole, err := c.whole(t.Context(), ask(kind+".reason", "hi"))
		if err != nil {
			t.Fatal(err)
		}
		streamed, err := c.stream(t.Context(), ask(kind+".reason", "hi"), func(string) {})
		if err != nil {
			t.Fatal(err)
		}
		for _, got := range []*reply{whole, streamed} {
			if got.reasoning != "Let me think." || got.text != `Hello, you said "hi" (n=1)` {
				t.Errorf("reasoning %q, text %q", got.reasoning, got.text)
			}
		}
	})
}

// What was sent in the client's dialect reaches a model of the same dialect as
// its library wrote it.
func TestTheToolsAreNamedToTheModel(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "echo")
	w.through(t, richKinds[:2], func(t *testing.T, c client, kind string) {
		q := ask(kind+".echo", "hi")
		q.tools = []string{"get_weather", "get_time"}
		before := len(w.model.Seen())
		if _, err := c.whole(t.Context(), q); err != nil {
			t.Fatal(err)
		}
		seen := w.model.Seen()[before:]
		if len(seen) != 1 || !slices.Equal(seen[0].Tools, q.tools) || seen[0].Dialect != kind {
			t.Errorf("the model saw %+v", seen)
		}
	})
}

// Where the libraries look for it: in x-request-id and in request-id.
func TestTheLibrariesAreToldTheIdOfTheirRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "echo")
	for _, model := range []string{"mock.echo", "no-such-model"} {
		var seen *http.Response
		a := anthropicClient{anthropic.NewClient(anthropicoption.WithBaseURL(w.url), anthropicoption.WithAPIKey(clientKey))}
		_, err := a.c.Messages.New(t.Context(), a.params(ask(model, "hi")), anthropicoption.WithResponseInto(&seen))
		var failed *anthropic.Error
		if errors.As(err, &failed) {
			if failed.RequestID == "" {
				t.Errorf("anthropic, %s: %v without an id", model, err)
			}
		} else if err != nil || seen.Header.Get("request-id") == "" {
			t.Errorf("anthropic, %s: %v, %v", model, err, seen)
		}
		o := openaiClient{openai.NewClient(openaioption.WithBaseURL(w.url+"/v1"), openaioption.WithAPIKey(clientKey))}
		_, err = o.c.Chat.Completions.New(t.Context(), o.params(ask(model, "hi")), openaioption.WithResponseInto(&seen))
		var refused *openai.Error
		if errors.As(err, &refused) {
			seen = refused.Response
		}
		if seen == nil || seen.Header.Get("x-request-id") == "" {
			t.Errorf("openai, %s: %v without an id", model, err)
		}
	}
}
