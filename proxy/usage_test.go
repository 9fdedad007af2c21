package proxy

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/proxy/admission"
	"github.com/dragoman-gateway/dragoman/proxy/routing"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

// said is the log so far.
func (w *world) said() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.String()
}

// reported is a script that answers "12345678" and reports u.
func reported(u translate.Usage) script {
	return script{Steps: []step{text("12345678"), {Event: translate.Event{Kind: translate.KindUsage, Usage: u}}, finish()}}
}

func TestUsageThatNoModelCanHaveIsEstimatedAndSaidOnce(t *testing.T) {
	for name, c := range map[string]struct {
		u       translate.Usage
		in, out int64
		priced  int64 // tokens of the answer
	}{
		"an answer beyond all models":   {translate.Usage{Input: 7, Output: 9007199254740991}, 7, 2, translate.HoldTokens},
		"a question beyond all models":  {translate.Usage{Input: math.MaxInt64, Output: 3}, 1, 3, translate.HoldTokens},
		"one token beyond":              {translate.Usage{Input: 7, Output: translate.MaxTokens + 1}, 7, 2, translate.HoldTokens},
		"a negative answer":             {translate.Usage{Input: 7, Output: -3}, 7, 2, 2},
		"no counts":                     {translate.Usage{Input: translate.NoCount, Output: translate.NoCount}, 1, 2, 2},
		"a cache larger than it can be": {translate.Usage{Input: 7, Output: 3, CacheRead: math.MaxInt64}, 7, 3, 3},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c, u := c, conf(backend("a"))
				u.Ledger.Keep = time.Hour
				u.Prices = map[string]config.Price{"m": {Input: 1e6, Output: 1e6}}
				w := newWorld(t, u, map[string][]script{"a": {reported(c.u), reported(c.u), reported(c.u)}})
				for range 3 {
					w.ask(t.Context(), w.questionOf(alice, "m", "hi")).mustSay(t, "12345678")
				}
				rows, err := w.g.Entries(t.Context(), store.EntryFilter{Requests: true})
				if err != nil || len(rows) != 3 {
					t.Fatalf("%d rows, %v", len(rows), err)
				}
				for _, e := range rows {
					if e.Input != c.in || e.Output != c.out || !e.Estimated || e.Cost != (c.in+c.priced)*admission.Unit {
						t.Errorf("the row is %+v", e)
					}
				}
				if n := strings.Count(w.said(), "no model can use"); n != 1 {
					t.Errorf("it is said %d times: %s", n, w.said())
				}
			})
		})
	}
}

func TestTheLargestUsageThatIsBelievedIsBelieved(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := conf(backend("a"))
		c.Ledger.Keep = time.Hour
		w := newWorld(t, c, map[string][]script{"a": {reported(translate.Usage{Input: translate.MaxTokens, Output: translate.MaxTokens})}})
		w.ask(t.Context(), w.questionOf(alice, "m", "hi")).mustSay(t, "12345678")
		mustBeLines(t, rowsOf(t, w)[1:], "0 a/0 ok 200 in=1000000000 out=1000000000 est=false cost=0")
	})
}

func TestAnAnswerThatBreaksOffBeforeItsCountIsCountedByItsText(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := conf(backend("a"))
		c.Ledger.Keep = time.Hour
		begins := step{Event: translate.Event{Kind: translate.KindStart, Usage: translate.Usage{Input: 9, Output: 1}}}
		w := newWorld(t, c, map[string][]script{"a": {{Steps: []step{begins, text(strings.Repeat("a", 4000)), fails(fault(translate.FaultBroken))}}}})
		w.ask(t.Context(), w.questionOf(alice, "m", "hi"))
		mustBeLines(t, rowsOf(t, w)[1:], "0 a/0 MODEL_ERROR 502 in=9 out=1000 est=true cost=0")
	})
}

func TestTheDearestAnswerHasACost(t *testing.T) {
	t.Parallel()
	price := routing.NewPrices(map[string]config.Price{"m": {Input: 1e6, Output: 1e6, Call: 1e6}})["m"]
	if cost := price.Of(translate.Usage{Input: translate.MaxTokens, Output: translate.MaxTokens}); cost != maxCost {
		t.Errorf("the dearest answer costs %d", cost)
	}
}

func TestWhatCostsNothingIsAskedWhenTheBudgetIsUsedUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := conf(backend("a"), backend("b", func(c *config.Channel) { c.Models = []config.Model{{Name: "free", Upstream: "up"}} }))
		c.Ledger.Keep = time.Hour
		c.Prices = map[string]config.Price{"m": {Output: 1e6}}
		c.Limits = map[string]config.Limit{"tight": {Budget: config.Budget{Amount: 2000, Per: "day"}}}
		w := newWorld(t, c, map[string][]script{"a": {reported(translate.Usage{Input: 1, Output: 3000})}, "b": {says("free")}})
		w.ask(t.Context(), w.questionOf(spender, "m", "hi")).mustSay(t, "12345678")
		w.ask(t.Context(), w.questionOf(spender, "m", "hi")).mustFail(t, translate.CodeRateLimited, 0)
		for range 3 {
			w.ask(t.Context(), w.questionOf(spender, "free", "hi")).mustSay(t, "free")
		}
	})
}
