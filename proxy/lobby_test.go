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

// One caller has eighty questions in the queue of a limit for all, nine others come
// later with one each.
func TestTheQueueOfALimitServesCallersInTurn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := conf(channel("a"))
		c.Limits = map[string]config.Limit{"house": {Requests: config.Rate{N: 10, Per: time.Second}, Per: "all", Queue: true}}
		c.Callers.Limits = config.Names{"house"}
		w := newWorld(t, c, map[string][]script{"a": {says("yes")}})
		rules := w.g.plan.Load().callers.rules.of([]string{"house"})
		var all sync.WaitGroup
		var mu sync.Mutex
		var done []string
		ask := func(who string) {
			q := w.questionOf(&Caller{Name: who, rules: rules}, "", "hi")
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
		if took := time.Since(began); took != roomTime {
			t.Errorf("refused after %v", took)
		}
		all.Wait()
		if n := len(w.g.lobby.doors); n != 0 || w.g.lobby.room.size != 0 {
			t.Errorf("%d doors are left", n)
		}
	})
}
