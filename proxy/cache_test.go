package proxy

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/translate"
)

// cached is a world where the preset p keeps answers of m for ten minutes, and s keeps
// them for all callers.
func cached(t *testing.T, scripts ...script) *world {
	t.Helper()
	c := conf(backend("a"))
	c.Ledger.Keep = time.Hour
	c.Prices = map[string]config.Price{"m": {Call: 1}}
	c.Presets = map[string]config.Preset{
		"p": {Model: "m", Cache: 10 * time.Minute},
		"s": {Model: "m", System: "shared", Cache: 10 * time.Minute, CacheShared: true},
	}
	return newWorld(t, c, map[string][]script{"a": scripts})
}

func (w *world) asked() int { return len(w.up["a"].Asked()) }

// endCache ends the goroutines of the cache inside the bubble.
func (w *world) endCache() { w.g.answers.Close() }

func TestTheSameQuestionIsAnsweredFromTheCacheStreamedAndWhole(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := cached(t, says("hel", "lo"))
		defer w.endCache()
		for i, stream := range []bool{true, true, false} {
			q := w.questionOf(alice, "p", "hi")
			q.Request.Stream = stream
			r := w.ask(t.Context(), q)
			r.mustSay(t, "hello")
			if want := []string{"miss", "hit", "hit"}[i]; q.Timing.Cache != want {
				t.Errorf("question %d: %q, want %q", i, q.Timing.Cache, want)
			}
		}
		if n := w.asked(); n != 1 {
			t.Errorf("the model was asked %d times", n)
		}
		rows := rowsOf(t, w)
		mustBeLines(t, rows[len(rows)-2:], "0 /0 cache 200 in=0 out=0 est=false cost=0", "0 /0 cache 200 in=0 out=0 est=false cost=0")
		time.Sleep(10*time.Minute + time.Second)
		w.ask(t.Context(), w.questionOf(alice, "p", "hi")).mustSay(t, "hello")
		if n := w.asked(); n != 2 {
			t.Errorf("after its time the model was asked %d times, want 2", n)
		}
	})
}

func TestAnotherQuestionIsNotAnsweredFromTheCache(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := cached(t, says("x"))
		defer w.endCache()
		zero, one, seed := 0.0, 1, int64(7)
		changes := []func(*question){
			func(*question) {},
			func(q *question) { q.Caller = &Caller{Name: "bob"} },
			func(q *question) { q.Request.Messages[0].Parts[0].Text = "ho" },
			func(q *question) {
				q.Request.Messages = append([]translate.Message{translate.TextMessage(translate.RoleSystem, "s")}, q.Request.Messages...)
			},
			func(q *question) { q.Request.Params.Temperature = &zero },
			func(q *question) { q.Request.Params.MaxTokens = &one },
			func(q *question) { q.Request.Params.Seed = &seed },
			func(q *question) { q.Request.Tools = []translate.Tool{{Name: "f"}} },
			func(q *question) { q.Request.Web = true },
			func(q *question) { q.Model, _ = w.g.Resolve(alice, "m") }, // without a preset
			func(q *question) { q.Request.Messages[0].Parts[0].Text = "\xff" },
			func(q *question) { q.Request.Messages[0].Parts[0].Text = "\xfe" },
		}
		for i, change := range changes {
			q := w.questionOf(alice, "p", "hi")
			change(q)
			w.ask(t.Context(), q).mustSay(t, "x")
			if n := w.asked(); n != i+1 {
				t.Fatalf("change %d: the model was asked %d times", i, n)
			}
		}
		before := w.asked()
		w.ask(t.Context(), w.questionOf(alice, "s", "hi")).mustSay(t, "x")
		w.ask(t.Context(), w.questionOf(&Caller{Name: "bob"}, "s", "hi")).mustSay(t, "x")
		if n := w.asked() - before; n != 1 {
			t.Errorf("a shared answer was asked for %d times", n)
		}
	})
}

func TestOnlyWholeAnswersWithoutCallsAreKept(t *testing.T) {
	for name, s := range map[string]script{
		"cut":    {Steps: []step{text("x"), fails(fault(translate.FaultBroken))}},
		"length": {Steps: []step{text("x"), ends(translate.FinishLength)}},
		"call": {Steps: []step{{Event: translate.Event{Kind: translate.KindToolStart, ID: []byte("1"), Name: []byte("f")}},
			{Event: translate.Event{Kind: translate.KindToolArgs, Text: []byte("{}")}}, ends(translate.FinishTool)}},
		"failed": refuses(fault(translate.FaultRejected)),
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := cached(t, s)
				defer w.endCache()
				for range 2 {
					_ = w.ask(t.Context(), w.questionOf(alice, "p", "hi"))
				}
				if n := w.asked(); n != 2 {
					t.Errorf("the model was asked %d times, want 2", n)
				}
			})
		})
	}
}

func TestTheSameQuestionAtOnceIsAskedOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := cached(t, script{After: time.Second, Steps: []step{text("x"), finish()}})
		defer w.endCache()
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if r := w.ask(t.Context(), w.questionOf(alice, "p", "hi")); r.text != "x" || r.err != nil {
					t.Errorf("got %q, %v", r.text, r.err)
				}
			})
		}
		all.Wait()
		if n := w.asked(); n != 1 {
			t.Errorf("the model was asked %d times", n)
		}
	})
}

func TestAWaiterTakesOverFromAClientThatLeaves(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := cached(t, script{After: time.Second, Steps: []step{text("x"), finish()}})
		defer w.endCache()
		leaves, leave := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() { _ = w.ask(leaves, w.questionOf(alice, "p", "hi")) })
		synctest.Wait()
		all.Go(func() { w.ask(t.Context(), w.questionOf(alice, "p", "hi")).mustSay(t, "x") })
		gone, goes := context.WithCancel(t.Context())
		all.Go(func() {
			w.ask(gone, w.questionOf(alice, "p", "hi")).mustFail(t, translate.CodeCanceled, translate.FaultGone)
		})
		synctest.Wait()
		goes()
		leave()
		all.Wait()
		if n := w.asked(); n != 2 {
			t.Errorf("the model was asked %d times, want 2", n)
		}
	})
}
