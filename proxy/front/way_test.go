package front_test

import (
	"regexp"
	"strconv"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

func TestAnswersAndFailuresSayWhichWayTheyWent(t *testing.T) {
	t.Parallel()
	w := world.Start(t, `
callers: {keys: [{name: alice, key: `+key+`}]}
channels:
- {id: dead, kind: mock, models: [{name: spare, upstream: fail-500}, {name: lost, upstream: fail-500}]}
- {id: well, kind: mock, models: [{name: spare, upstream: echo}], tier: 2}
`)
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
			body := `{"model":"` + c.model + `","stream":` + strconv.FormatBool(stream) + `,"messages":[{"role":"user","content":"hi"}]}`
			status, h, text := w.Do(t, "POST", "/v1/chat/completions", body, "Authorization", "Bearer "+key)
			if status != c.status || h.Get("X-Dragoman-Channel") != c.channel || h.Get("X-Dragoman-Attempts") != c.attempts {
				t.Errorf("%s, stream %v: %d, channel %q, attempts %q: %s", c.model, stream, status, h.Get("X-Dragoman-Channel"), h.Get("X-Dragoman-Attempts"), text)
			}
			if got := h.Get("Server-Timing"); c.channel != "" && !timing.MatchString(got) {
				t.Errorf("%s, stream %v: timing %q", c.model, stream, got)
			}
		}
	}
}
