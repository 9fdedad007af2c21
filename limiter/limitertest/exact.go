package limitertest

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/dragoman-gateway/dragoman/limiter"
)

const crowd = 1000

func exactRequests(t *testing.T, b *bench) {
	for _, n := range []int{1, 7, 60, 999} {
		r := requests(name(n), n)
		if got := b.storm(t, crowd, func(int) limiter.Subject { return under(r, "a", 0) }); got != n {
			t.Errorf("%d of %d passed, want %d", got, crowd, n)
		}
	}
}

func exactTokens(t *testing.T, b *bench) {
	r := tokens("r", 1000)
	if got := b.storm(t, crowd, func(int) limiter.Subject { return under(r, "a", 7) }); got != 142 {
		t.Errorf("%d questions of 7 passed a limit of 1000, want 142", got)
	}
	b.pass(t, under(r, "a", 6))
	b.refuse(t, under(r, "a", 1))
}

func exactConcurrent(t *testing.T, b *bench) {
	r := concurrent("r", 13)
	if got := b.storm(t, crowd, func(int) limiter.Subject { return under(r, "a", 0) }); got != 13 {
		t.Errorf("%d run, want 13", got)
	}
}

// exactTogether has ten callers with one question each and room for eight: a
// refusal that takes room for a moment would turn somebody away by mistake.
func exactTogether(t *testing.T, b *bench) {
	own, model := requests("own", 1), requests("model", 8)
	got := b.storm(t, crowd, func(i int) limiter.Subject {
		s := under(own, name(i%10), 0)
		s.Under(model, limiter.Model, "m")
		return s
	})
	if got != 8 {
		t.Errorf("%d passed, want 8", got)
	}
	left := 0
	for i := range 10 {
		if _, err := b.Admit(t.Context(), under(own, name(i), 0)); err == nil {
			left++
		}
	}
	if left != 2 {
		t.Errorf("%d callers have their own question left, want 2", left)
	}
}

func churn(t *testing.T, b *bench) {
	const limit, workers, rounds = 5, 20, 100
	r, all := concurrent("r", limit), concurrent("all", 2*limit)
	subject := func(i int) limiter.Subject {
		s := under(r, name(i%3), 0)
		s.Under(all, limiter.All, "")
		return s
	}
	var running, most, passed atomic.Int64
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			for range rounds {
				g, err := b.Admit(context.Background(), subject(i))
				if err != nil {
					continue
				}
				n := running.Add(1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				passed.Add(1)
				running.Add(-1)
				g.Settle(0)
			}
		})
	}
	wg.Wait()
	if most.Load() > 2*limit || passed.Load() == 0 {
		t.Errorf("%d ran at once, want at most %d; %d passed", most.Load(), 2*limit, passed.Load())
	}
	for caller := range 2 {
		for range limit {
			b.pass(t, subject(caller))
		}
	}
	b.refuse(t, subject(2))
}

func allOrNothing(t *testing.T, b *bench) {
	first, second, third := requests("first", 5), tokens("second", 100), concurrent("third", 1)
	mixed := func(caller string, n int) limiter.Subject {
		s := under(first, caller, n)
		s.Under(second, limiter.Group, "g")
		s.Under(third, limiter.Model, "m")
		return s
	}
	g := b.pass(t, mixed("a", 60))
	for range 50 {
		b.refuse(t, mixed("b", 10)) // the third refuses
	}
	g.Settle(60)
	for range 50 {
		b.refuse(t, mixed("b", 41)) // the second refuses
	}
	for range 5 {
		b.pass(t, under(first, "b", 0)).Settle(0)
	}
	for range 50 {
		b.refuse(t, mixed("b", 10)) // the first refuses
	}
	b.pass(t, mixed("c", 40))
}
