package proxy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/proxy/admission"
	"github.com/dragoman-gateway/dragoman/proxy/journal"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/store/embedded"
	"github.com/dragoman-gateway/dragoman/translate"
)

// strict is a world where each caller may ask once a day.
func strict(t *testing.T) *world {
	t.Helper()
	c := conf(backend("a"))
	c.Ledger.Keep = time.Hour
	c.Limits = map[string]config.Limit{"once": {Requests: config.Rate{N: 1, Per: 24 * time.Hour}}}
	c.Callers = config.Callers{Anonymous: &config.Anonymous{Access: config.Access{Limits: config.Names{"once"}}}}
	return newWorld(t, c, map[string][]script{"a": {says("yes")}})
}

func entriesOf(t *testing.T, w *world, f store.EntryFilter) []store.Entry {
	t.Helper()
	rows, err := w.g.Entries(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func TestRefusalsOfAMinuteAreOneRowAndTwoLines(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := strict(t)
		w.ask(t.Context(), w.by("", "1.1.1.1")).mustSay(t, "yes")
		for range 20_000 {
			w.ask(t.Context(), w.by("", "1.1.1.1")).mustFail(t, translate.CodeRateLimited, 0)
		}
		if n := strings.Count(w.said(), "\n"); n != 2 {
			t.Errorf("%d lines before the minute is over: %s", n, w.said())
		}
		time.Sleep(journal.RefusalEvery + time.Millisecond)
		for range 5 {
			w.ask(t.Context(), w.by("", "1.1.1.1")).mustFail(t, translate.CodeRateLimited, 0)
		}
		time.Sleep(journal.RefusalEvery + time.Millisecond)
		var counts []int64
		for _, e := range entriesOf(t, w, store.EntryFilter{}) {
			if e.Outcome == string(translate.CodeRateLimited) {
				counts = append(counts, e.Count)
				if e.Caller != "anonymous@1.1.1.1" || e.Rule != "once" || e.Status != 429 || e.Request == "" || e.Cost != 0 {
					t.Errorf("the row is %+v", e)
				}
			}
		}
		if fmt.Sprint(counts) != "[5 20000]" {
			t.Errorf("rows for %v refusals, want one of 20,000 and one of 5", counts)
		}
		totals, err := w.g.Totals(t.Context(), store.EntryFilter{})
		if err != nil || totals.Requests != 20_006 {
			t.Errorf("%+v, %v", totals, err)
		}
		if log := w.said(); strings.Count(log, "\n") != 5 || strings.Count(log, "more=19999") != 1 || strings.Count(log, "more=4") != 1 ||
			strings.Contains(log, "1.1.1.1") || strings.Count(log, "caller=anonymous@1.1.1.0/24") != 5 {
			t.Errorf("the log: %s", log)
		}
		if past := w.g.Refused(); len(past) != 1 || past[0].Caller != "anonymous@1.1.1.0/24" {
			t.Errorf("refused lately: %+v", past)
		}
	})
}

func TestRefusalsOfManyCallersAreABoundedNumberOfRows(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := strict(t)
		for i := range 1000 {
			address := fmt.Sprintf("10.0.%d.%d", i/250, i%250)
			w.ask(t.Context(), w.by("", address)).mustSay(t, "yes")
			w.ask(t.Context(), w.by("", address)).mustFail(t, translate.CodeRateLimited, 0)
		}
		time.Sleep(journal.RefusalEvery + time.Millisecond)
		rows, others := 0, int64(0)
		for _, e := range entriesOf(t, w, store.EntryFilter{Requests: true, Limit: 10_000}) {
			if e.Outcome == string(translate.CodeRateLimited) {
				rows++
			}
			if e.Caller == journal.OtherCallers {
				others += e.Count
			}
		}
		if rows != journal.MaxRefusals+1 || others != 1000-journal.MaxRefusals {
			t.Errorf("%d rows, %d refusals of others", rows, others)
		}
	})
}

func TestRefusalsWithoutAnyChannelAreCountedToo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := conf(backend("a"))
		c.Ledger.Keep = time.Hour
		w := newWorld(t, c, map[string][]script{"a": {refuses(fault(translate.FaultDial))}})
		for w.g.Channels()[0].Keys[0].Models[0].State != "open" {
			w.ask(t.Context(), w.question("hi"))
		}
		before := strings.Count(w.said(), "\n")
		for range 1000 {
			w.ask(t.Context(), w.question("hi")).mustFail(t, translate.CodeUnavailable, 0)
		}
		if n := strings.Count(w.said(), "\n") - before; n != 1 {
			t.Errorf("%d lines", n)
		}
		if e := entriesOf(t, w, store.EntryFilter{Requests: true})[0]; e.Count != 1000 || e.Status != 503 {
			t.Errorf("the row is %+v", e)
		}
	})
}

// remembered is how many exchanges that were answered are remembered.
const remembered = 2 * 2048

func TestRefusalsDoNotPushOutTheExplanationsOfOthers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := strict(t)
		fine, refused := w.by("", "1.1.1.1"), w.by("", "1.1.1.1")
		fine.ID, refused.ID = "fine", "refused"
		w.ask(t.Context(), fine).mustSay(t, "yes")
		failing := w.questionOf(alice, "m", "hi")
		failing.ID = "failing"
		ctx, cancel := context.WithCancel(t.Context())
		w.up["a"].Play(refuses(fault(translate.FaultRejected)))
		w.ask(ctx, failing)
		cancel()
		for range remembered {
			w.ask(t.Context(), w.by("", "1.1.1.1"))
		}
		w.ask(t.Context(), refused)
		for _, id := range []string{"fine", "failing", "refused"} {
			if _, ok := w.g.Explain(id); !ok {
				t.Errorf("%s is not remembered", id)
			}
		}
	})
}

// unread is a ledger that cannot be summed for a while, or takes its time.
type unread struct {
	store.Store
	store.Ledger
	down atomic.Bool
	slow time.Duration
}

func (u *unread) Totals(ctx context.Context, f store.EntryFilter) (store.Totals, error) {
	if u.down.Load() {
		return store.Totals{}, errors.New("integer overflow")
	}
	if u.slow > 0 {
		select {
		case <-time.After(u.slow):
		case <-ctx.Done():
			return store.Totals{}, ctx.Err()
		}
	}
	return u.Ledger.Totals(ctx, f)
}

func TestABudgetThatCannotBeReadCountsFromZeroUntilItCan(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st, err := embedded.Open("memory:")
		if err != nil {
			t.Fatal(err)
		}
		kept := &unread{Store: st, Ledger: st.(store.Ledger)}
		spent := store.Entry{Request: "r", Caller: "spender", Rule: "tight", At: time.Now().UnixMilli(), Cost: 7 * admission.Unit}
		if err := kept.Record(t.Context(), []store.Entry{spent}); err != nil {
			t.Fatal(err)
		}
		kept.down.Store(true)
		c := conf(backend("a"))
		c.Ledger.Keep = time.Hour
		c.Prices = map[string]config.Price{"m": {Call: 1}}
		c.Limits = map[string]config.Limit{"tight": {Budget: config.Budget{Amount: 10, Per: "month"}}}
		w := newWorldOn(t, c, map[string][]script{"a": {says("x")}}, kept)
		for range 2 {
			w.ask(t.Context(), w.questionOf(spender, "m", "hi")).mustSay(t, "x")
		}
		if left, _, err := w.g.Purse(t.Context(), spender); left != 8 || err != nil {
			t.Errorf("%v left, %v, want 8", left, err)
		}
		if n := strings.Count(w.said(), "a budget cannot be read"); n != 1 {
			t.Errorf("it is said %d times: %s", n, w.said())
		}
		kept.down.Store(false)
		time.Sleep(admission.ReadAgain)
		w.ask(t.Context(), w.questionOf(spender, "m", "hi")).mustSay(t, "x")
		if left, _, err := w.g.Purse(t.Context(), spender); left != 0 || err != nil {
			t.Errorf("%v left, %v, want none", left, err)
		}
		w.ask(t.Context(), w.questionOf(spender, "m", "hi")).mustFail(t, translate.CodeRateLimited, 0)
	})
}

func TestABudgetThatTakesLongToBeReadIsWaitedForOnceAndKnownInTheEnd(t *testing.T) {
	for name, over := range map[string]bool{"to the end": true, "until the gateway ends": false} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				st, err := embedded.Open("memory:")
				if err != nil {
					t.Fatal(err)
				}
				kept := &unread{Store: st, Ledger: st.(store.Ledger), slow: time.Minute}
				spent := store.Entry{Request: "r", Caller: "spender", Rule: "tight", At: time.Now().UnixMilli(), Cost: 7 * admission.Unit}
				if err := kept.Record(t.Context(), []store.Entry{spent}); err != nil {
					t.Fatal(err)
				}
				c := conf(backend("a"))
				c.Ledger.Keep = time.Hour
				c.Prices = map[string]config.Price{"m": {Call: 1}}
				c.Limits = map[string]config.Limit{"tight": {Budget: config.Budget{Amount: 100, Per: "month"}}}
				w := newWorldOn(t, c, map[string][]script{"a": {says("x")}}, kept)
				began := time.Now()
				gone, leave := context.WithTimeout(t.Context(), time.Second)
				w.ask(gone, w.questionOf(spender, "m", "hi")).mustFail(t, translate.CodeCanceled, translate.FaultGone)
				leave()
				for range 3 {
					w.ask(t.Context(), w.questionOf(spender, "m", "hi")).mustSay(t, "x")
				}
				if took := time.Since(began); took != time.Second+admission.ReadWait {
					t.Errorf("it took %v", took)
				}
				if !over {
					return
				}
				time.Sleep(2 * time.Minute)
				// The three may be counted twice, and are: the ledger was read when they were in it.
				if left, _, err := w.g.Purse(t.Context(), spender); left < 87 || left > 90 || err != nil {
					t.Errorf("%v left, %v", left, err)
				}
			})
		})
	}
}

func TestAKeptAnswerIsGivenWhenTheBudgetIsUsedUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := conf(backend("a"))
		c.Ledger.Keep = time.Hour
		c.Prices = map[string]config.Price{"m": {Call: 1}, "p": {Call: 1}}
		c.Presets = map[string]config.Preset{"p": {Model: "m", Cache: 10 * time.Minute}}
		c.Limits = map[string]config.Limit{"tight": {Budget: config.Budget{Amount: 1, Per: "day"}}}
		w := newWorld(t, c, map[string][]script{"a": {says("hello")}})
		defer w.endCache()
		w.ask(t.Context(), w.questionOf(spender, "p", "hi")).mustSay(t, "hello")
		w.ask(t.Context(), w.questionOf(spender, "p", "hi")).mustSay(t, "hello")
		err := w.ask(t.Context(), w.questionOf(spender, "p", "something else")).mustFail(t, translate.CodeRateLimited, 0)
		if err.Spent == nil {
			t.Errorf("%v", err)
		}
		w.ask(t.Context(), w.questionOf(spender, "m", "hi")).mustFail(t, translate.CodeRateLimited, 0)
		if n := w.asked(); n != 1 {
			t.Errorf("the model was asked %d times", n)
		}
	})
}

func TestRefusalsAreReadAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := strict(t)
		for range 4 {
			w.ask(t.Context(), w.by("", "1.1.1.1"))
		}
		if rows := entriesOf(t, w, store.EntryFilter{Requests: true}); len(rows) != 2 || rows[0].Count != 3 {
			t.Errorf("%+v", rows)
		}
	})
}
