package front_test

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/store"
)

// studio is a back end of kind openai that answers a prompt, or a form with one, with the text that
// answers has for it.
func studio(t *testing.T, answers map[string]string) (url string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		for word, answer := range answers {
			if !strings.Contains(string(body), word) {
				continue
			}
			if w.Header().Set("Content-Type", "application/json"); strings.HasPrefix(answer, "data:") {
				w.Header().Set("Content-Type", "text/event-stream")
			}
			_, _ = io.WriteString(w, answer)
			return
		}
		http.Error(w, "unknown", 400)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// Sound costs by its seconds and pictures by their number, beside tokens.
func TestSoundAndPicturesHavePrices(t *testing.T) {
	t.Parallel()
	picture := `{"b64_json":"` + strings.Repeat("A", 70_000) + `","of":[{"x":{}}]}`
	url := studio(t, map[string]string{
		"one-picture":    `{"created":1,"data":[` + picture + `]}`,
		"three-pictures": `{"data": [ ` + picture + `, {"url":"http://x/a"},{"url":"}"}],"created":1,"usage":{"input_tokens":10,"output_tokens":1000}}`,
		"no-list":        `{"data":{"a":{},"b":{}}}`,
		"in-events":      sseOf(`{"type":"image_generation.partial_image","b64_json":"AA"}`, `{"type":"image_generation.completed","b64_json":"AA","usage":{"input_tokens":10,"output_tokens":100}}`),
		"a-vector":       `{"data":[{"embedding":[1]},{"embedding":[2]}],"usage":{"prompt_tokens":1000000}}`,
		"ninety-seconds": `{"text":"hi","usage":{"type":"duration","seconds":90}}`,
		"in-quotes":      `{"text":"hi","usage":{"seconds":"1.5"}}`,
		"by-tokens":      `{"text":"hi","usage":{"type":"tokens","seconds":60,"input_tokens":1000000,"output_tokens":1}}`,
		"nonsense":       `{"text":"hi","usage":{"type":"duration","seconds":-5}}`,
		"for-years":      `{"text":"hi","usage":{"type":"duration","seconds":1e300}}`,
		"verbose":        `{"task":"transcribe","language":"english","duration":90.0,"text":"hi","segments":[{"id":0,"duration":1}]}`,
		"two-lengths":    `{"duration":"120","text":"hi","usage":{"type":"duration","seconds":90}}`,
		"both-tokens":    `{"duration":90,"text":"hi","usage":{"type":"tokens","input_tokens":1000000,"output_tokens":1}}`,
		"no-duration":    `{"duration":[90],"text":"hi"}`,
		"untold":         `{"text":"hi"}`,
	})
	w := world.Start(t, callers+"prices: {echo: {input: 0.25, minute: 0.6, image: 2}}\nchannels:\n"+oddChannel("up", url, 1))
	const make, edit, speak, hear, embed = "/v1/images/generations", "/v1/images/edits", "/v1/audio/speech", "/v1/audio/transcriptions", "/v1/embeddings"
	total, sound, images := 0.0, 0.0, 0.0
	for _, c := range []struct {
		path, prompt string
		cost         float64
		sound        float64 // seconds
		images       float64
	}{
		{make, "one-picture", 2, 0, 1},
		{make, "three-pictures", 6, 0, 3},
		{edit, "three-pictures", 6, 0, 3},
		{make, "no-list", 0, 0, 0},
		{make, "in-events", 2, 0, 1},
		{embed, "a-vector", 0.25, 0, 0},
		{hear, "ninety-seconds", 0.9, 90, 0},
		{hear, "in-quotes", 0.015, 1.5, 0},
		{hear, "by-tokens", 0.25, 0, 0},
		{hear, "nonsense", 0, 0, 0},
		{hear, "for-years", 0, 0, 0},
		{hear, "untold", 0, 0, 0},
		{hear, "verbose", 0.9, 90, 0},
		{"/v1/audio/translations", "verbose", 0.9, 90, 0},
		{hear, "two-lengths", 0.9, 90, 0},
		{hear, "both-tokens", 0.25, 0, 0},
		{hear, "no-duration", 0, 0, 0},
		{embed, "verbose", 0, 0, 0},
		{speak, "ninety-seconds", 0.9, 90, 0},
	} {
		body, kind := `{"model":"echo","input":"`+c.prompt+`","prompt":"`+c.prompt+`","stream":`+fmt.Sprint(c.prompt == "in-events")+`}`, "application/json"
		if c.path == hear || c.path == edit || strings.HasSuffix(c.path, "translations") {
			body, kind = formBody("prompt", c.prompt, "@file", "RIFF", "model", "echo")
		}
		status, _, answer := w.Do(t, "POST", c.path, body, "Authorization", "Bearer "+key, "Content-Type", kind)
		if status != 200 {
			t.Fatalf("%s %s: %d %s", c.path, c.prompt, status, answer)
		}
		w.Eventually(t, "it is over", func() bool { return w.Gateway.Running() == 0 })
		all, err := w.Gateway.Entries(t.Context(), store.EntryFilter{Limit: 1, Requests: true})
		if err != nil || len(all) != 1 || math.Abs(float64(all[0].Cost)/1e9-c.cost) > 1e-4 {
			t.Errorf("%s %s costs %+v, want %g: %v", c.path, c.prompt, all, c.cost, err)
		} else if e := &all[0]; e.Endpoint != c.path || float64(e.Sound) != c.sound*1e3 || float64(e.Images) != c.images {
			t.Errorf("%s %s: the ledger says %+v", c.path, c.prompt, e)
		}
		total, sound, images = total+c.cost, sound+c.sound, images+c.images
	}
	for _, m := range w.Gateway.Metrics() {
		if m.Channel != "" && (float64(m.Sound) != sound*1e3 || float64(m.Images) != images || math.Abs(float64(m.Cost)/1e9-total) > 1e-3) {
			t.Errorf("%+v, want %g s, %g pictures, %g", m, sound, images, total)
		}
	}
}

// A budget reserves the pictures that are asked for, and is charged for those that were made.
func TestABudgetKnowsPictures(t *testing.T) {
	t.Parallel()
	url := studio(t, map[string]string{"p": `{"data":[{"url":"a"},{"url":"b"}]}`})
	w := world.Start(t, "callers: {keys: [{name: alice, key: "+key+", limits: tight}]}\nlimits: {tight: {budget: {amount: 10, per: month}}}\nprices: {echo: {image: 2}}\nchannels:\n"+oddChannel("up", url, 1))
	form, kind := formBody("prompt", "p", "image", "x", "n", "4", "model", "echo")
	for _, c := range []struct {
		path, body, kind string
		status           int
	}{
		{"/v1/images/generations", `{"model":"echo","prompt":"p","n":6}`, "application/json", 429},
		{"/v1/images/generations", `{"model":"echo","prompt":"p","n":5}`, "application/json", 200}, // two were made: 6 are left
		{"/v1/images/edits", form, kind, 429},
		{"/v1/images/generations", `{"model":"echo","prompt":"p"}`, "application/json", 200},
		{"/v1/images/generations", `{"model":"echo","prompt":"p"}`, "application/json", 200}, // it reserves one of two
		{"/v1/images/generations", `{"model":"echo","prompt":"p"}`, "application/json", 429},
	} {
		status, _, body := w.Do(t, "POST", c.path, c.body, "Authorization", "Bearer "+key, "Content-Type", c.kind)
		if status != c.status {
			t.Errorf("%s %.60s: %d %s", c.path, c.body, status, body)
		}
		w.Eventually(t, "it is over", func() bool { return w.Gateway.Running() == 0 })
	}
}

// How long a sound is shows when it has been heard: the one that uses the budget up is answered, and the
// next is refused, whatever the model is asked for.
func TestABudgetThatIsUsedUpRefusesSound(t *testing.T) {
	t.Parallel()
	url := studio(t, map[string]string{"p": `{"text":"hi","usage":{"type":"duration","seconds":90}}`})
	w := world.Start(t, "callers: {keys: [{name: alice, key: "+key+", limits: tight}, {name: bob, key: key-of-bob-0123456789, limits: exact}]}\n"+
		"limits: {tight: {budget: {amount: 1, per: month}}, exact: {budget: {amount: 0.9, per: month}}}\nprices: {echo: {minute: 0.6}}\nchannels:\n"+strings.Replace(oddChannel("up", url, 1), "[echo]", "[echo, free]", 1))
	form, kind := formBody("prompt", "p", "@file", "RIFF", "model", "echo")
	free, freeKind := formBody("prompt", "p", "@file", "RIFF", "model", "free")
	for _, c := range []struct {
		who, path, body, kind string
		status                int
	}{
		{key, "/v1/audio/transcriptions", form, kind, 200},
		{key, "/v1/audio/transcriptions", form, kind, 200}, // a tenth was left: eight tenths too much are spent
		{key, "/v1/audio/transcriptions", form, kind, 429},
		{key, "/v1/audio/translations", form, kind, 429},
		{key, "/v1/audio/speech", `{"model":"echo","input":"p"}`, "application/json", 429},
		{key, "/v1/audio/transcriptions", free, freeKind, 200}, // it has no price
		{"key-of-bob-0123456789", "/v1/audio/transcriptions", form, kind, 200},
		{"key-of-bob-0123456789", "/v1/audio/transcriptions", form, kind, 429}, // nothing is left, to the billionth
	} {
		status, _, body := w.Do(t, "POST", c.path, c.body, "Authorization", "Bearer "+c.who, "Content-Type", c.kind)
		if status != c.status {
			t.Errorf("%s %s: %d %s", c.who, c.path, status, body)
		}
		w.Eventually(t, "it is over", func() bool { return w.Gateway.Running() == 0 })
	}
	showsBudgetsUsedUp(t, w)
}

// showsBudgetsUsedUp checks what operators see of tight, of which 1.8 were spent, and of exact, of which all was.
func showsBudgetsUsedUp(t *testing.T, w *world.World) {
	t.Helper()
	uses := w.Gateway.LimitUses(10)
	if len(uses) != 2 || uses[0].Subject != "alice" || uses[0].Used != 1.8 || uses[0].Of != 1 || uses[0].Left != 0 || uses[0].Resets <= 0 || uses[1].Rule != "exact" || uses[1].Kind != "budget" || uses[1].Per != "caller" {
		t.Errorf("%+v", uses)
	}
	if one := w.Gateway.LimitUses(1); len(one) != 1 || one[0].Rule != "tight" {
		t.Errorf("%+v", one)
	}
	for _, c := range []struct {
		caller, model, rule string
		letIn               bool
	}{{"alice", "echo", "tight", false}, {"alice", "free", "tight", true}, {"bob", "echo", "exact", false}} {
		f, err := w.Gateway.ForeseeLimits(t.Context(), proxy.LimitQuestion{Caller: c.caller, Model: c.model})
		if err != nil || f.LetIn != c.letIn || f.Cost != 0 || len(f.Rules) != 1 || f.Rules[0].Rule != c.rule || f.Rules[0].Left != 0 || !c.letIn && (f.By != c.rule || f.Retry <= 0 || !strings.Contains(f.Why, "is used up")) {
			t.Errorf("%+v: %+v %v", c, f, err)
		}
		e, err := w.Gateway.Foresee(t.Context(), proxy.Hypothesis{Caller: c.caller, Model: c.model})
		if err != nil || e.Limits != c.rule || strings.Contains(e.Verdict, "the budget "+c.rule) == c.letIn || (e.Retry > 0) == c.letIn || strings.HasPrefix(e.Verdict, "it would go to up") != c.letIn {
			t.Errorf("%+v: %+v %v", c, e, err)
		}
	}
}
