package proxy

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/proxy/channel"
	"github.com/dragoman-gateway/dragoman/translate"
)

// paced is a good answer that begins after d.
func paced(d time.Duration, says string) script {
	return script{After: d / 2, Steps: []step{start("x"), text(says).In(d / 2), finish()}}
}

// tortoise is a world of a quick channel a and of b, which takes what slow says. Both
// are known, and b has fallen behind.
func tortoise(t *testing.T, slow *time.Duration, change ...func(*config.Channel)) *world {
	t.Helper()
	c := conf(backend("a", change...), backend("b"))
	c.Balance = "weighted"
	w := newWorld(t, c, nil)
	w.up["a"].PlayNth(func(int) script { return paced(100*time.Millisecond, "a") })
	w.up["b"].PlayNth(func(int) script { return paced(*slow, "b") })
	for range paceFrom {
		w.ask(t.Context(), w.question("hi"))
		w.ask(t.Context(), w.question("hi"))
	}
	*slow = 10 * time.Second
	for w.record("b").Outlier(time.Now()).State == "" {
		w.ask(t.Context(), w.question("hi")).mustSay(t, "a")
	}
	return w
}

// record is that of the model m on a channel.
func (w *world) record(id string) *channel.Record {
	p := w.g.plan.Load()
	return p.Candidate(p.Channel(id, "sk-secret-"+id), "m").Record
}

func TestNobodyWaitsLongerForOneChannelThanItsSiblingsAreWorth(t *testing.T) {
	bubble(t, func(t *testing.T) {
		slow := 100 * time.Millisecond
		w := tortoise(t, &slow)
		if s := w.g.Channels()[1].Keys[0].Models[0]; s.State != "slow" || s.Seconds < 1.5 || s.Seconds > 2.5 {
			t.Errorf("%+v, want slow for about 2 s", s)
		}
		e, err := w.g.Foresee(t.Context(), Hypothesis{Model: "m"})
		if err != nil || e.Verdict != "it would go to a, the only one of its tier that can take it" {
			t.Errorf("%+v, %v", e, err)
		}
		before, began, worst, late := len(w.up["b"].Asked()), time.Now(), time.Duration(0), 0
		for time.Since(began) < 10*time.Minute {
			took := elapsed(func() { w.ask(t.Context(), w.question("hi")).mustSay(t, "a") })
			if worst = max(worst, took); took > time.Second {
				late++
			}
		}
		if n := len(w.up["b"].Asked()) - before; n != late || n < 5 || n > 20 || worst > paceLeast+time.Second {
			t.Errorf("in ten minutes it was asked %d times, %d waited, %v at most", n, late, worst)
		}
		slow = 100 * time.Millisecond // it is well again
		before, began = len(w.up["b"].Asked()), time.Now()
		for time.Since(began) < 2*lagMost {
			w.ask(t.Context(), w.question("hi"))
		}
		if s := w.g.Channels()[1].Keys[0].Models[0]; s.State != "ready" {
			t.Errorf("%+v, want ready", s)
		}
		if n := len(w.up["b"].Asked()) - before; n < 100 {
			t.Errorf("it was asked %d times after it was well again", n)
		}
	})
}

func TestASlowChannelStillTakesWhatTheOthersHaveNoSlotsFor(t *testing.T) {
	bubble(t, func(t *testing.T) {
		slow := 100 * time.Millisecond
		w := tortoise(t, &slow, atMost(1))
		w.up["a"].PlayNth(func(int) script { return script{Steps: []step{start("x")}, Again: []step{text("a").In(time.Second)}} })
		ctx, leave := context.WithCancel(t.Context())
		var holder sync.WaitGroup
		holder.Go(func() { w.ask(ctx, w.question("hi")) })
		time.Sleep(2 * time.Second)
		for range 2 * openAfter {
			took := elapsed(func() { w.ask(t.Context(), w.question("hi")).mustSay(t, "b") })
			mustTake(t, took, 10*time.Second, 10*time.Second)
		}
		leave()
		holder.Wait()
	})
}

func TestWhatComesInOnePieceIsNotComparedWithWhatComesInMany(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := conf(backend("a"), backend("b", kind("iagent")))
		c.Balance = "weighted"
		w := newWorld(t, c, nil)
		w.up["a"].PlayNth(func(int) script { return paced(100*time.Millisecond, "a") })
		w.up["b"].PlayNth(func(int) script { return paced(8*time.Second, "b") })
		for range 3 * paceFrom {
			if r := w.ask(t.Context(), w.question("hi")); r.err != nil {
				t.Fatal(r.err)
			}
		}
		if a, b := len(w.up["a"].Asked()), len(w.up["b"].Asked()); a != b {
			t.Errorf("%d and %d, want as many", a, b)
		}
	})
}

func TestTheSlowOneIsAskedWhereNobodyElseIsLeft(t *testing.T) {
	bubble(t, func(t *testing.T) {
		slow := 100 * time.Millisecond
		w := tortoise(t, &slow)
		w.up["a"].PlayNth(func(int) script { return refuses(fault(translate.FaultDial)) })
		w.up["b"].PlayNth(func(int) script { return paced(100*time.Millisecond, "b") })
		took := elapsed(func() { w.ask(t.Context(), w.question("hi")).mustSay(t, "b") })
		mustTake(t, took, 100*time.Millisecond, 100*time.Millisecond)
	})
}
