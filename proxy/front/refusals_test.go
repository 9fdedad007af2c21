package front_test

import (
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/internal/wiretest"
	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

// refusal is one way in which a question is kept out, as the clients of all fronts
// see it. alice asks, whose limits are those of conf.
type refusal struct {
	name     string
	about    string
	conf     string // limits and prices
	channels string // "": one that answers
	asks     int    // answered before the one that is shown
	holds    bool   // another question of the caller runs meanwhile
}

func refusals() []refusal {
	limit := func(text string) string { return "limits: {small: " + text + "}\n" }
	return []refusal{
		{name: "requests", about: "Both questions of the hour are asked. They refill one by one, so that one is there again after half of it.",
			conf: limit("{requests: 2/h}"), asks: 2},
		{name: "tokens", about: "The tokens of the day are used up by a long answer, which used more than was reserved for it.",
			conf: limit("{tokens: 1440/d}"), asks: 1, channels: channel("a", "openai", "", "{name: m, upstream: long-1500}")},
		{name: "tokens-too-large", about: "The question and its answer may need more tokens than the limit ever has: waiting is no help.",
			conf: limit("{tokens: 60/h}")},
		{name: "concurrent", about: "Another question of the caller runs. Nobody knows when it ends, so the wait is a second.",
			conf: limit("{concurrent: 1}"), holds: true},
		{name: "budget", about: "The day's budget is spent. It begins anew at midnight, in UTC.",
			conf: limit("{budget: {amount: 2, per: day}}") + "prices: {m: {call: 2}}\n", asks: 1},
		{name: "strictest-of-several", about: "Three limits apply, and two of them are reached: the one that takes longer is named.",
			conf: "limits: {small: {requests: 2/m, concurrent: 9}, daily: {requests: 1/d, per: user}, house: {requests: 1/h, shared: true}}\n", asks: 1},
		{name: "channels-throttled", about: "The caller has room left, but every channel is throttled: the headers say the first, Retry-After the second.",
			conf:     limit("{requests: 60/h}"),
			channels: channel("a", "openai", "", "{name: m, upstream: fail-429-retry-9}") + channel("b", "openai", "tier: 2", "{name: m, upstream: fail-429-retry-7}")},
	}
}

// Each front of a transcript has a gateway of its own.
func TestEveryRefusalLooksAsItsTranscriptShows(t *testing.T) {
	t.Parallel()
	for _, r := range refusals() {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			if r.channels == "" {
				r.channels = channel("a", "openai", "", "{name: m, upstream: echo}")
			}
			var sections []wiretest.Section
			for _, front := range frontNames() {
				sections = append(sections, r.play(t, front)...)
			}
			comment := r.about + "\n\"client >\" is what the client says, \"client <\" what it gets, and \"log\" the gateway's line about it. Ids and keys are\nmasked; what the clock takes off a wait is put back, so waits are as long as they are at once.\n\n-- configuration --\n" +
				r.conf + channelsOf(r.channels)
			compareFile(t, filepath.Join("testdata", "refusals", r.name+".txtar"), wiretest.Format(comment, sections))
		})
	}
}

func (r *refusal) play(t *testing.T, front string) []wiretest.Section {
	t.Helper()
	names := "small"
	if strings.Contains(r.conf, "house") {
		names = "[small, daily, house]"
	}
	text := "callers: {keys: [{name: alice, key: " + key + ", limits: " + names + "}]}\n" + r.conf + "channels:\n" + r.channels
	if r.holds {
		text += channel("slow", "openai", "", "echo-first-60000")
	}
	w := world.Start(t, text)
	s := failureScenario{whole: true, headers: []string{"RateLimit-Policy", "RateLimit", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"}}
	for n := range r.asks {
		s.ask(t, w, front, n)
	}
	if r.holds {
		defer world.NewIAgent(w, key).Begin(t, world.Ask{Model: "echo-first-60000", Text: "hi"}).Leave()
		asked(t, w, "openai", 1)
	}
	before := w.Model.Requests()
	said, status, got := s.ask(t, w, front, r.asks)
	w.Eventually(t, "the exchange is logged", func() bool { return len(logged(w)) == r.asks+1 })
	if n := w.Model.Requests() - before; n > 0 && r.name != "channels-throttled" {
		t.Errorf("%s: the model was asked %d times", front, n)
	}
	for _, secret := range []string{key, "alice", "127.0.0.1", "://"} {
		if strings.Contains(got, secret) {
			t.Errorf("%s: the refusal tells %q: %s", front, secret, got)
		}
	}
	return []wiretest.Section{
		{Name: front + ": client >", Data: s.masked(said)},
		{Name: strings.TrimSpace(front + ": client < " + status), Data: strings.TrimSuffix(s.masked(r.timeless(t, got)), "\n")},
		{Name: front + ": log", Data: logged(w)[r.asks]},
	}
}

var (
	waitsAnywhere = regexp.MustCompile(`(Retry-After: |;t=|retry after |retryDelay":"|"retry_after":)(\d+)`)
	resets        = regexp.MustCompile(`(X-RateLimit-Reset: )(\d+)`)
)

// timeless puts back what the clock has taken off the waits of text, and checks that
// its headers agree: whoever waits for Retry-After does not come before the limit
// has room.
func (r *refusal) timeless(t *testing.T, text string) string {
	t.Helper()
	waits := map[string]int64{}
	text = waitsAnywhere.ReplaceAllStringFunc(text, func(found string) string {
		m := waitsAnywhere.FindStringSubmatch(found)
		n, err := strconv.ParseInt(m[2], 10, 64)
		if err != nil || n < 0 || n > 86400 {
			t.Errorf("%q: no wait", found)
		}
		waits[m[1]] = n
		if r.name == "budget" {
			return m[1] + "MIDNIGHT"
		}
		return m[1] + strconv.FormatInt(roundUp(n), 10)
	})
	after, headed := waits["Retry-After: "]
	if headed && r.name != "channels-throttled" && (after < 1 || after < waits[";t="]) {
		t.Errorf("%d s of Retry-After, %d s of RateLimit", after, waits[";t="])
	}
	return resets.ReplaceAllStringFunc(text, func(found string) string {
		m := resets.FindStringSubmatch(found)
		n, err := strconv.ParseInt(m[2], 10, 64)
		left := n - time.Now().Unix() // the clock went on
		if err != nil || left < waits[";t="]-60 || left > waits[";t="]+1 {
			t.Errorf("%s is in %d s, and RateLimit says %d s", found, left, waits[";t="])
		}
		return m[1] + "now+" + strconv.FormatInt(roundUp(waits[";t="]), 10)
	})
}

// roundUp returns n up to a whole minute; a few seconds are not the clock's doing.
func roundUp(n int64) int64 {
	if n < 30 {
		return n
	}
	return (n + 59) / 60 * 60
}

// headOf are the headers that a client acts upon, those named more among them.
func headOf(h http.Header, more []string) string {
	text := ""
	for _, name := range slices.Concat([]string{"Retry-After", "Content-Type"}, more) {
		if v := h.Get(name); v != "" {
			text += name + ": " + v + "\n"
		}
	}
	return text + "\n"
}
