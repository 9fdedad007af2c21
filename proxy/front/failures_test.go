package front_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

// forms says how each front tells a failure (docs/rules/faults.md 1 and 5): before
// anything of the answer was sent, and after.
var forms = map[string]struct{ openai, anthropic, rest, chatnio, iagent, responses, gemini, ollama string }{
	"broken":  {"502 server_error MODEL_ERROR", "502 api_error", "502 MODEL_ERROR", "end MODEL_ERROR", "50 MODEL_ERROR", "502 server_error MODEL_ERROR", "502 INTERNAL MODEL_ERROR", "502 MODEL_ERROR"},
	"mid":     {"200 server_error MODEL_ERROR", "200 api_error", "200 MODEL_ERROR", "end MODEL_ERROR", "50 MODEL_ERROR", "200 server_error MODEL_ERROR", "200 INTERNAL MODEL_ERROR", "200 MODEL_ERROR"},
	"slow":    {"504 server_error MODEL_ERROR", "504 timeout_error", "504 MODEL_ERROR", "end MODEL_ERROR: timeout", "50 MODEL_ERROR: timeout", "504 server_error MODEL_ERROR", "504 DEADLINE_EXCEEDED MODEL_ERROR", "504 MODEL_ERROR"},
	"slowmid": {"200 server_error MODEL_ERROR", "200 timeout_error", "200 MODEL_ERROR", "end MODEL_ERROR: timeout", "50 MODEL_ERROR: timeout", "200 server_error MODEL_ERROR", "200 DEADLINE_EXCEEDED MODEL_ERROR", "200 MODEL_ERROR"},
	"busy7":   {"429 rate_limit_error rate_limit_exceeded retry 7", "429 rate_limit_error retry 7", "429 RATE_LIMITED retry 7", "end RATE_LIMITED retry 7", "50 RATE_LIMITED retry 7", "429 rate_limit_error rate_limit_exceeded retry 7", "429 RESOURCE_EXHAUSTED RATE_LIMITED retry 7", "429 RATE_LIMITED retry 7"},
	"busy1":   {"429 rate_limit_error rate_limit_exceeded retry 1", "429 rate_limit_error retry 1", "429 RATE_LIMITED retry 1", "end RATE_LIMITED retry 1", "50 RATE_LIMITED retry 1", "429 rate_limit_error rate_limit_exceeded retry 1", "429 RESOURCE_EXHAUSTED RATE_LIMITED retry 1", "429 RATE_LIMITED retry 1"},
	"lost":    {"503 server_error CHANNEL_UNAVAILABLE", "529 overloaded_error", "503 CHANNEL_UNAVAILABLE", "end cannot find channel for model", "50 CHANNEL_UNAVAILABLE", "503 server_error CHANNEL_UNAVAILABLE", "503 UNAVAILABLE CHANNEL_UNAVAILABLE", "503 CHANNEL_UNAVAILABLE"},
	// Set aside, and when it is tried again is known.
	"aside": {"503 server_error CHANNEL_UNAVAILABLE retry 10", "529 overloaded_error retry 10", "503 CHANNEL_UNAVAILABLE retry 10", "end cannot find channel for model retry 10", "50 CHANNEL_UNAVAILABLE retry 10", "503 server_error CHANNEL_UNAVAILABLE retry 10", "503 UNAVAILABLE CHANNEL_UNAVAILABLE retry 10", "503 CHANNEL_UNAVAILABLE retry 10"},
	// The gateway stops in the middle of an answer, and the limit of a caller is reached.
	"stopping": {"200 server_error CHANNEL_UNAVAILABLE", "200 overloaded_error", "200 CHANNEL_UNAVAILABLE", "end cannot find channel for model", "50 CHANNEL_UNAVAILABLE", "200 server_error CHANNEL_UNAVAILABLE", "200 UNAVAILABLE CHANNEL_UNAVAILABLE", "200 CHANNEL_UNAVAILABLE"},
	"limited":  {"429 rate_limit_error rate_limit_exceeded retry N", "429 rate_limit_error retry N", "429 RATE_LIMITED retry N", "end RATE_LIMITED retry N", "50 RATE_LIMITED retry N", "429 rate_limit_error rate_limit_exceeded retry N", "429 RESOURCE_EXHAUSTED RATE_LIMITED retry N", "429 RATE_LIMITED retry N"},
	"rejected": {"400 invalid_request_error", "400 invalid_request_error", "502 MODEL_ERROR", "end MODEL_ERROR", "50 MODEL_ERROR", "400 invalid_request_error", "400 INVALID_ARGUMENT MODEL_ERROR", "400 MODEL_ERROR"},
	// The same from a rest channel, which names its own code.
	"invalid": {"400 invalid_request_error VALIDATION_ERROR", "400 invalid_request_error", "502 MODEL_ERROR", "end MODEL_ERROR", "50 MODEL_ERROR", "400 invalid_request_error VALIDATION_ERROR", "400 INVALID_ARGUMENT MODEL_ERROR", "400 MODEL_ERROR"},
	"context": {"400 invalid_request_error context_length_exceeded", "400 invalid_request_error", "502 MODEL_ERROR", "end MODEL_ERROR", "50 MODEL_ERROR", "400 invalid_request_error context_length_exceeded", "400 INVALID_ARGUMENT MODEL_ERROR", "400 MODEL_ERROR"},
	"policy":  {"400 invalid_request_error content_policy_violation", "400 invalid_request_error", "502 MODEL_ERROR", "end MODEL_ERROR", "50 MODEL_ERROR", "400 invalid_request_error content_policy_violation", "400 INVALID_ARGUMENT MODEL_ERROR", "400 MODEL_ERROR"},
}

func form(front, name string) string {
	f, ok := forms[name]
	if !ok {
		panic("no form " + name)
	}
	return map[string]string{"openai": f.openai, "anthropic": f.anthropic, "rest": f.rest, "chatnio": f.chatnio, "iagent": f.iagent, "responses": f.responses, "gemini": f.gemini, "ollama": f.ollama}[front]
}

// The two pieces that come before a fault in the middle, and all five.
const two = "Hello, "

// failing is a model that fails, and what that comes to by the kind of its channel;
// "" stands for all other kinds.
type failing struct {
	model string
	by    map[string]expected
}

func (f *failing) on(kind string) expected {
	if e, ok := f.by[kind]; ok {
		return e
	}
	e, ok := f.by[""]
	if !ok {
		panic(f.model + " says nothing of " + kind)
	}
	return e
}

// failures are the models that fail. stream is what a streamed answer comes to,
// whole what an answer in one piece does; both name a form, behind the text that
// the client has by then. Channels that are not named do as others.
var failures = []failing{
	{"fail-400", map[string]expected{
		"openai": same("rejected"), "responses": same("rejected"), "gemini": same("rejected"), "ollama": same("rejected"), "anthropic": same("rejected"), "mock": same("rejected"), "rest": same("invalid"),
		// No status came: a socket has none, but chatnio's says a type.
		"chatnio": same("rejected"), "iagent": same("broken")}},
	{"context", map[string]expected{
		"openai": same("context"), "responses": same("context"), "gemini": same("context"), "ollama": same("context"), "mock": same("context"), "anthropic": same("context"), "rest": same("context"), "chatnio": same("context"), "iagent": same("context")}},
	{"policy", map[string]expected{
		"openai": same("policy"), "responses": same("policy"), "gemini": same("rejected"), "ollama": same("rejected"), "mock": same("policy"), "anthropic": same("rejected"), "rest": same("invalid"), "chatnio": same("rejected"), "iagent": same("broken")}},
	{"fail-500", others(same("broken"))},
	// Our own key was refused, and nothing else is left.
	{"fail-401", others(same("aside"))},
	{"fail-403", others(same("aside"))},
	{"fail-429-retry-7", map[string]expected{"": same("busy7"), "chatnio": same("busy1")}},
	{"hang", others(same("slow"))},
	{"stall", others(same("slow"))},
	{"stallmid", map[string]expected{"": {two, "slowmid", "slow"}, "iagent": same("slow")}},
	{"drop", map[string]expected{"": same("broken"), "mock": same("broken"), "iagent": same("lost")}},
	{"blank", map[string]expected{"": same("broken"), "iagent": same("lost")}},
	{"empty", others(same("broken"))},
	{"error200", others(same("broken"))},
	// An iagent frame that says nothing of a question belongs to none.
	{"garbage", map[string]expected{"": same("broken"), "iagent": same("slow")}},
	{"cut0", map[string]expected{"": same("broken"), "iagent": same("lost")}},
	{"cut", map[string]expected{"": {two, "mid", "broken"}, "iagent": same("lost")}},
	{"garbagemid", map[string]expected{"": {two, "mid", "broken"}, "iagent": same("broken")}}, // of the question, but no answer
	{"errormid", map[string]expected{"": {two, "mid", "broken"}, "iagent": same("broken")}},
	{"noend", map[string]expected{"": {hello, "mid", "broken"}}},
	// The agent decided not to reply; elsewhere that is an empty answer.
	{"silent", map[string]expected{"": same("broken"), "iagent": {"", "", ""}, "mock": {"", "", ""}}},
}

// expected is what a failure comes to: the text that a stream has shown by then,
// and the names of the forms of the stream and of the answer in one piece. An
// empty name is success.
type expected struct{ text, stream, whole string }

func same(form string) expected { return expected{"", form, form} }

func others(e expected) map[string]expected { return map[string]expected{"": e} }

func (e expected) outcome(front string, stream bool) string {
	switch {
	case e.stream == "":
		return fmt.Sprintf("%q", e.text)
	case !stream:
		return form(front, e.whole)
	case e.text != "":
		return fmt.Sprintf("%q then %s", e.text, form(front, e.stream))
	}
	return form(front, e.stream)
}

// clocked reports whether a clock of ours finds the failure, not what the model says.
func (f *failing) clocked(kind string) bool { return f.on(kind).whole == "slow" }

func TestEveryFailureIsToldInTheFrontsOwnForm(t *testing.T) {
	t.Parallel()
	eachPair(t, func(t *testing.T, w *world.World, kind string, client func() world.Client) {
		for _, f := range failures {
			if f.clocked(kind) {
				continue
			}
			ways(t, client, func(t *testing.T, c world.Client, a world.Ask) { f.told(t, kind, c, a) })
		}
	})
}

// The clocks are those of a bubble: on a busy machine a tenth of a second may be over
// before the model has seen the question.
func TestEveryTimeOutIsToldInTheFrontsOwnForm(t *testing.T) {
	t.Parallel()
	for i, kind := range config.Kinds {
		for j, newClient := range world.Fronts {
			of := newClient(nil, "")
			for _, stream := range []bool{false, true} {
				if spared(i, j) || stream && !of.Streams() || !stream && of.Front() == "chatnio" {
					continue
				}
				t.Run(fmt.Sprintf("%s to %s, streamed %v", of.Front(), kind.Name, stream), func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						c := newClient(world.Alone(t, pair(kind.Name)), key)
						defer c.Close(t)
						for _, f := range failures {
							if f.clocked(kind.Name) {
								f.told(t, kind.Name, c, world.Ask{Stream: stream, User: "u"})
							}
						}
					})
				})
			}
		}
	}
}

// told has c ask for the failure over a channel of this kind.
func (f *failing) told(t *testing.T, kind string, c world.Client, a world.Ask) {
	t.Helper()
	if f.model == "noend" && kind == "iagent" {
		return // a reply is complete in itself
	}
	a.Model, a.Text = f.model, "hi"
	r := world.Put(t, c, a)
	want := f.on(kind).outcome(c.Front(), a.Stream)
	if kind == "anthropic" && c.Front() == kind && (f.model == "empty" || f.model == "silent") {
		want = `""` // it passes through: the dialect has answers without content
	}
	if !strings.Contains(want, "retry") && kind == "iagent" {
		r.RetryAfter = "" // a pool that has just failed to dial says when it tries again
	}
	if _, said, _ := strings.Cut(want, "retry "); said != "" {
		// On a slow machine some of the time is over before the refusal is told.
		most, _ := strconv.Atoi(said)
		if n, err := strconv.Atoi(r.RetryAfter); err == nil && n < most && n >= most/2 {
			r.RetryAfter = said
		}
	}
	if got := r.Outcome(); got != want {
		t.Errorf("%s, stream %v: got %s (%s), want %s", f.model, a.Stream, got, r.Message, want)
	}
	// The connection, and the conversation, go on.
	a.Model, a.Text = "echo", "hi"
	if r := world.Put(t, c, a); !r.Ended || r.Failed {
		t.Errorf("after %s: got %s", f.model, r.Outcome())
	}
}
