package proxy

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/proxy/admission"
	"github.com/dragoman-gateway/dragoman/proxy/routing"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/store/embedded"
	"github.com/dragoman-gateway/dragoman/translate"
)

func TestAPriceCountsCachedTokensApart(t *testing.T) {
	t.Parallel()
	cached := 0.5
	p := routing.NewPrices(map[string]config.Price{
		"m": {Input: 2, Cached: &cached, Output: 10, Call: 0.25},
		"n": {Input: 2},
	})
	for _, c := range []struct {
		p    *routing.Price
		u    translate.Usage
		want int64
	}{
		{p["m"], translate.Usage{Input: 1_000_000, CacheRead: 400_000, Output: 100_000}, 1_200_000_000 + 200_000_000 + 1_000_000_000 + 250_000_000},
		{p["m"], translate.Usage{}, 250_000_000},
		{p["n"], translate.Usage{Input: 1, CacheRead: 5}, 2_000},
		{p["n"], translate.Usage{Input: -3, Output: -1}, 0},
		{nil, translate.Usage{Input: 9}, 0},
	} {
		if got := c.p.Of(c.u); got != c.want {
			t.Errorf("%+v costs %d, want %d", c.u, got, c.want)
		}
	}
}

// priced is a world where each answer of m costs exactly 1, and the limits tight
// have a budget of 10 a day.
func priced(t *testing.T, scripts ...script) *world {
	t.Helper()
	c := conf(backend("a"))
	c.Ledger.Keep = time.Hour
	c.Prices = map[string]config.Price{"m": {Call: 1}}
	c.Limits = map[string]config.Limit{"tight": {Budget: config.Budget{Amount: 10, Per: "day"}}}
	return newWorld(t, c, map[string][]script{"a": scripts})
}

var spender = &Caller{Name: "spender", Limits: "tight"}

func TestNoMoreIsSpentThanTheBudgetHoweverManyAskAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := priced(t, says("x"))
		var fine, refused atomic.Int32
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				r := w.ask(t.Context(), w.questionOf(spender, "m", "hi"))
				switch {
				case r.err == nil:
					fine.Add(1)
				case r.err.Code == translate.CodeRateLimited && r.err.Spent != nil && r.err.Retry > 0:
					refused.Add(1)
				default:
					t.Errorf("got %v", r.err)
				}
			})
		}
		all.Wait()
		if fine.Load() != 10 || refused.Load() != 90 {
			t.Errorf("%d were answered and %d refused, want 10 and 90", fine.Load(), refused.Load())
		}
		w.ask(t.Context(), w.questionOf(alice, "m", "hi")).mustSay(t, "x")
		if left, limited, err := w.g.Purse(t.Context(), spender); left != 0 || !limited || err != nil {
			t.Errorf("left: %v, %v, %v", left, limited, err)
		}
		time.Sleep(24 * time.Hour)
		w.ask(t.Context(), w.questionOf(spender, "m", "hi")).mustSay(t, "x")
		if left, _, _ := w.g.Purse(t.Context(), spender); left != 9 {
			t.Errorf("%v left on the next day, want 9", left)
		}
	})
}

func TestAFailedQuestionCostsNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := priced(t, refuses(fault(translate.FaultRejected)))
		for range 30 {
			r := w.ask(t.Context(), w.questionOf(spender, "m", "hi"))
			if r.err == nil || r.err.Code == translate.CodeRateLimited {
				t.Fatalf("got %v", r.err)
			}
		}
		if left, _, _ := w.g.Purse(t.Context(), spender); left != 10 {
			t.Errorf("%v left, want all of 10", left)
		}
	})
}

func TestWhatWasSpentIsKnownAfterARestart(t *testing.T) {
	t.Parallel()
	kept, err := embedded.Open("memory:")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UnixMilli()
	rows := []store.Entry{
		{Request: "r", Caller: "spender", Rule: "tight", At: now, Cost: 4 * admission.Unit},
		{Request: "r", Attempt: 1, Caller: "spender", Rule: "tight", At: now, Cost: 4 * admission.Unit},
		{Request: "s", Caller: "spender", Rule: "other", At: now, Cost: 4 * admission.Unit},
		{Request: "u", Caller: "spender", Rule: "tight", At: now - 40*24*3600*1000, Cost: 4 * admission.Unit},
	}
	if err := kept.(store.Ledger).Record(t.Context(), rows); err != nil {
		t.Fatal(err)
	}
	c := conf(backend("a"))
	c.Ledger.Keep = 1000 * time.Hour
	c.Limits = map[string]config.Limit{"tight": {Budget: config.Budget{Amount: 10, Per: "month"}}}
	w := newWorldOn(t, c, nil, kept)
	if left, _, err := w.g.Purse(t.Context(), spender); left != 6 || err != nil {
		t.Errorf("%v left, want 6 (%v)", left, err)
	}
}

func TestAKeyMadeAtRunTimeHasOneBudgetAtMost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		purse := config.Limit{Budget: config.Budget{Amount: 1, Per: "day"}}
		c := conf(backend("a"))
		c.Limits = map[string]config.Limit{"house": purse, "own": purse, "few": {Requests: perMinute(1)}}
		c.Callers = config.Callers{Limits: config.Names{"house"}}
		w := newWorld(t, c, map[string][]script{"a": {says("yes")}})
		for _, limits := range []config.Names{{"own"}, {"few", "own"}} {
			if _, _, err := w.g.MakeKey(t.Context(), "bob", config.Access{Limits: limits}, time.Time{}); typed(err).Code != translate.CodeValidation {
				t.Errorf("%v: %v", limits, err)
			}
		}
		if _, _, err := w.g.MakeKey(t.Context(), "bob", config.Access{Limits: config.Names{"few"}}, time.Time{}); err != nil {
			t.Error(err)
		}
	})
}

func TestARefusalOfACallersOwnIsCountedApartFromThrottledChannels(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]*translate.Error{
		"limited":      {Code: translate.CodeRateLimited, Spent: &translate.Spent{}},
		"rate_limited": {Code: translate.CodeRateLimited},
	} {
		if got := outcomeOf(err).String(); got != want {
			t.Errorf("%+v counts as %s, want %s", err, got, want)
		}
	}
}
