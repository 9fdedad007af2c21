package front_test

import (
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
	proxychannel "github.com/dragoman-gateway/dragoman/proxy/channel"
)

func TestAnswersAndFailuresSayWhichWayTheyWent(t *testing.T) {
	t.Parallel()
	const text = `
callers: {keys: [{name: alice, key: ` + key + `}]}
channels:
- {id: dead, kind: mock, models: [{name: spare, upstream: fail-500}, {name: lost, upstream: fail-500}]}
- {id: well, kind: mock, models: [{name: spare, upstream: echo}], tier: 2}
`
	timing := regexp.MustCompile(`^queue;dur=[0-9.]+, open;dur=[0-9.]+, first;dur=[0-9.]+$`)
	for _, c := range []struct {
		model, channel, attempts string
		status                   int
	}{
		{"spare", "well", "3", 200},
		{"lost", "dead", "2", 502},
		{"nobody", "", "", 404},
	} {
		for _, stream := range []bool{false, true} {
			body := `{"model":"` + c.model + `","max_tokens":9,"stream":` + strconv.FormatBool(stream) + `,"messages":[{"role":"user","content":"hi"}]}`
			rest := map[bool]string{false: "/api/chat", true: "/api/chat/stream"}[stream]
			for path, body := range map[string]string{
				"/v1/chat/completions": body, "/v1/messages": body, rest: `{"message":"hi","userId":"u","preset":"` + c.model + `"}`,
			} {
				w := world.Start(t, text) // with breakers that are closed
				status, h, said := w.Do(t, "POST", path, body, "Authorization", "Bearer "+key, "Content-Type", "application/json")
				if status != c.status || h.Get("X-Dragoman-Channel") != c.channel || h.Get("X-Dragoman-Attempts") != c.attempts {
					t.Errorf("%s %s, stream %v: %d, channel %q, attempts %q: %s", path, c.model, stream, status, h.Get("X-Dragoman-Channel"), h.Get("X-Dragoman-Attempts"), said)
				}
				if got := h.Get("Server-Timing"); c.channel != "" && !timing.MatchString(got) {
					t.Errorf("%s %s, stream %v: timing %q", path, c.model, stream, got)
				}
			}
		}
	}
}

func TestEachReasonWhyNoChannelCanTakeAQuestionIsSaid(t *testing.T) {
	t.Parallel()
	for _, newClient := range world.Fronts {
		t.Run(newClient(nil, "").Front(), func(t *testing.T) {
			t.Parallel()
			w := world.Start(t, callers+`
channels:
- {id: fails, kind: mock, models: [{name: m, upstream: fail-500-retry-60}]}
- {id: hurries, kind: mock, models: [{name: m, upstream: fail-429-retry-90}]}
- {id: stranger, kind: mock, models: [{name: m, upstream: fail-401}]}
- {id: off, kind: mock, models: [{name: m, upstream: echo}]}
`)
			if err := w.Gateway.Force("off", proxychannel.ForceOpen); err != nil {
				t.Fatal(err)
			}
			c := newClient(w, key)
			var r *world.Reply
			for range 6 { // until the breaker is open
				r = world.Put(t, c, world.Ask{Model: "m", Text: "hi"})
			}
			if c.Front() == "chatnio" { // the real server's words (docs/rules/chatnio.md 5.2)
				if r.Code != "cannot find channel for model" {
					t.Errorf("%s: %s", r.Outcome(), r.Message)
				}
				return
			}
			if want := "(2 of 4: out of use, 1 of 4: throttled, 1 of 4: its credential was refused), the first is back in "; !strings.Contains(r.Message, want) {
				t.Errorf("%q is not in: %s", want, r.Message)
			}
			// The soonest of all: the key that was refused.
			if after, err := strconv.Atoi(r.RetryAfter); c.Front() != "iagent" && (err != nil || after < 5 || after > 10) {
				t.Errorf("come back in %q: %s", r.RetryAfter, r.Outcome())
			}
		})
	}
}
