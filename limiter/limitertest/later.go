package limitertest

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/limiter"
)

// tooMuch is what More must have been refused with.
func tooMuch(t *testing.T, err error) *limiter.Exceeded {
	t.Helper()
	var e *limiter.Exceeded
	if !errors.As(err, &e) {
		t.Fatalf("not refused by a limit: %v", err)
	}
	return e
}

func more(t *testing.T, b *bench) {
	wide, narrow, other := tokens("wide", 6000), tokens("narrow", 600), requests("other", 2)
	s := under(wide, "a", 100)
	s.Under(narrow, limiter.Group, "g")
	s.Under(other, limiter.Caller, "a")
	g := b.pass(t, s)
	if err := g.More(400); err != nil {
		t.Fatal(err)
	}
	e := tooMuch(t, g.More(101))
	if !e.TooLarge || e.Rule != "narrow" || e.Kind != limiter.Tokens || e.Needs != 601 {
		t.Errorf("601 of 600: %+v", e)
	}
	b.pass(t, under(narrow, "x", 0)) // of its own
	second := limiter.Subject{Tokens: 50}
	second.Under(narrow, limiter.Group, "g")
	h := b.pass(t, second)
	if e := tooMuch(t, h.More(100)); e.TooLarge || e.Rule != "narrow" || e.Retry != 5*time.Second || e.Remaining != 50 {
		t.Errorf("50 too many: %+v", e)
	}
	// What was refused was not taken under the other rule either.
	b.refuse(t, under(wide, "a", 5501))
	b.pass(t, under(wide, "a", 5500)).Settle(0)
	b.advance(5 * time.Second)
	if err := h.More(100); err != nil {
		t.Errorf("after as long as it was told: %v", err)
	}
	h.Settle(0)
	g.Settle(500)
	if err := g.More(6000); err != nil {
		t.Errorf("after Settle: %v", err)
	}
	b.pass(t, under(other, "a", 0))
	b.refuse(t, under(other, "a", 0)) // More counted no question
}

func exactMore(t *testing.T, b *bench) {
	r := tokens("r", 1000+100*7)
	var admitted atomic.Int64
	var all sync.WaitGroup
	start := make(chan struct{})
	for range 1000 {
		g := b.pass(t, under(r, "a", 1))
		all.Go(func() {
			<-start
			if g.More(7) == nil {
				admitted.Add(1)
			}
		})
	}
	close(start)
	all.Wait()
	if n := admitted.Load(); n != 100 {
		t.Errorf("%d reserved more, want 100", n)
	}
}

func cancels(t *testing.T, b *bench) {
	r := limiter.NewRule("r", config.Limit{Requests: perMinute(2), Tokens: perMinute(1000), Concurrent: 2})
	for range 20 {
		g := b.pass(t, under(r, "a", 500))
		if err := g.More(500); err != nil {
			t.Fatal(err)
		}
		g.Cancel()
		g.Cancel()
		g.Settle(1000)
	}
	first := b.pass(t, under(r, "a", 500))
	second := b.pass(t, under(r, "a", 500))
	second.Settle(0)
	second.Cancel() // too late: the question stays counted
	if e := b.refuse(t, under(r, "a", 1)); e.Kind != limiter.Requests {
		t.Errorf("%+v", e)
	}
	// What is given back when the window is full again is not there twice.
	b.advance(time.Hour)
	first.Cancel()
	b.pass(t, under(r, "a", 500)).Settle(0)
	b.pass(t, under(r, "a", 500)).Settle(0)
	b.refuse(t, under(r, "a", 1))
}
