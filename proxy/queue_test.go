package proxy

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/limiter"
	"github.com/dragoman-gateway/dragoman/proxy/admission"
	"github.com/dragoman-gateway/dragoman/proxy/fairqueue"
	"github.com/dragoman-gateway/dragoman/translate"
)

// One caller has eighty questions in the queue of a limit for all, nine others come
// later with one each.
func TestTheQueueOfALimitServesCallersInTurn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := conf(backend("a"))
		c.Limits = map[string]config.Limit{"house": {Requests: config.Rate{N: 10, Per: time.Second}, Per: "all", Queue: true}}
		c.Callers.Limits = config.Names{"house"}
		w := newWorld(t, c, map[string][]script{"a": {says("yes")}})
		rules := w.g.plan.Load().Callers.RulesOf([]string{"house"})
		var all sync.WaitGroup
		var mu sync.Mutex
		var done []string
		ask := func(who string) {
			q := w.questionOf(&Caller{Name: who, Rules: rules}, "", "hi")
			all.Go(func() {
				r := w.ask(t.Context(), q)
				mu.Lock()
				defer mu.Unlock()
				if r.err != nil {
					t.Errorf("%s: %v", who, r.err)
				}
				done = append(done, who)
			})
			synctest.Wait()
		}
		began := time.Now()
		for range 90 {
			ask("hog")
		}
		for i := range 9 {
			ask(string(rune('a' + i)))
		}
		all.Wait()
		others := 0
		for _, who := range done[10:30] {
			if who != "hog" {
				others++
			}
		}
		if took := time.Since(began); others != 9 || took < 8900*time.Millisecond || took > 9*time.Second {
			t.Errorf("%d of nine among the first twenty that waited, all after %v: %v", others, took, done)
		}
	})
}

func TestTheQueueOfALimitEndsWithItsClientOrItsTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := limited(t, config.Limit{Concurrent: 1, Queue: true}, lasts(time.Minute))
		var all sync.WaitGroup
		all.Go(func() { w.ask(t.Context(), w.bob()).mustSay(t, "x") })
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		w.ask(ctx, w.bob()).mustFail(t, translate.CodeCanceled, translate.FaultGone)
		began := time.Now()
		w.ask(t.Context(), w.bob()).mustFail(t, translate.CodeRateLimited, 0)
		if took := time.Since(began); took != fairqueue.Wait {
			t.Errorf("refused after %v", took)
		}
		all.Wait()
		if n := w.g.admission.Waiting(); n != 0 {
			t.Errorf("%d doors are left", n)
		}
	})
}

// The clock of the bubble does not move between the end of one and the beginning of
// the next.
func TestTheFirstInLineIsWokenWhenAPlaceIsGivenBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := limited(t, config.Limit{Concurrent: 1, Queue: true}, script{Steps: []step{text("a"), hangs()}}, says("yes"))
		x, err := w.open(t.Context(), w.bob())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(admission.LookEvery / 3)
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() { w.ask(t.Context(), w.bob()).mustSay(t, "yes") })
		}
		time.Sleep(admission.LookEvery/2 + time.Millisecond)
		end := time.Now()
		_ = x.Close()
		all.Wait()
		if late := time.Since(end); late != 0 {
			t.Errorf("the last of five was answered %v later", late)
		}
	})
}

func TestNobodyGetsInBeforeARoomFullOfWaiters(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := limited(t, config.Limit{Concurrent: 1, Per: "all", Queue: true}, says("yes"))
		// A question of another process: nobody here is told when it ends.
		s := limiter.Subject{}
		s.Under(w.g.plan.Load().Callers.RulesOf([]string{"small"})[0], limiter.All, "")
		elsewhere, err := w.limiter.Admit(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for range 1 + fairqueue.Size {
			all.Go(func() { w.ask(t.Context(), w.bob()).mustSay(t, "yes") })
		}
		time.Sleep(admission.LookEvery * 3 / 2)
		elsewhere.Settle(0)
		// The room is full, and the first in line has not looked yet.
		for range 3 {
			w.ask(t.Context(), w.bob()).mustFail(t, translate.CodeRateLimited, 0)
		}
		if n := len(w.up["a"].Asked()); n != 0 {
			t.Errorf("%d were admitted before those that waited", n)
		}
		all.Wait()
		if n := w.g.admission.Waiting(); n != 0 {
			t.Errorf("%d doors are left", n)
		}
	})
}

// One that waits for a limit has no place in its conversation yet: it does not keep
// others of it from being answered, and costs no look at the store.
func TestAQuestionTakesItsPlaceWhenItIsAdmitted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := limited(t, config.Limit{Concurrent: 1, Queue: true}, script{Steps: []step{text("a"), hangs()}}, says("yes"))
		x, err := w.open(t.Context(), w.bob())
		if err != nil {
			t.Fatal(err)
		}
		counts := &counting{Store: w.g.store}
		w.g.store = counts
		var all sync.WaitGroup
		q := w.bob()
		if err := w.admit(t.Context(), q); err != nil || !q.p.Waiting() {
			t.Fatalf("%v, waiting %v", err, q.p.Waiting())
		}
		all.Go(func() {
			if err := w.join(t.Context(), q, talkOf("k")); err != nil {
				t.Error(err)
				return
			}
			w.ask(t.Context(), q).mustSay(t, "yes")
		})
		synctest.Wait()
		if n := counts.loads.Load(); n != 0 {
			t.Errorf("the store was read %d times", n)
		}
		_ = x.Close()
		all.Wait()
		given := w.bob()
		if err := w.admit(t.Context(), given); err != nil || given.p.Waiting() {
			t.Fatalf("%v, waiting %v", err, given.p.Waiting())
		}
		second := w.bob()
		if err := w.admit(t.Context(), second); err != nil || !second.p.Waiting() {
			t.Fatalf("%v, waiting %v", err, second.p.Waiting())
		}
		second.dismiss()
		second.dismiss()
		given.dismiss()
		w.ask(t.Context(), w.bob()).mustSay(t, "yes")
	})
}

// The history of a question does not fit now, but will.
func TestAQuestionWaitsForTheTokensOfItsHistory(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := limited(t, config.Limit{Tokens: config.Rate{N: 6000, Per: time.Minute}, Queue: true}, counted(1500, 1000, strings.Repeat("a", 8000)))
		w.put(t.Context(), "k", w.bob()).mustSay(t, strings.Repeat("a", 8000))
		q, began := w.bob(), time.Now()
		q.Request.Params.MaxTokens = new(int)
		*q.Request.Params.MaxTokens = 2000 // 4,001 with the history, and 3,500 are left
		w.put(t.Context(), "k", q).mustSay(t, strings.Repeat("a", 8000))
		if took := time.Since(began); took < 5*time.Second || took > 5100*time.Millisecond {
			t.Errorf("admitted after %v", took)
		}
	})
}
