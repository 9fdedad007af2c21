// Package limitertest is the suite that every back end of limiter must pass.
package limitertest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/limiter"
)

// Options are what a back end under test must obey.
type Options struct {
	// Now is the back end's clock; it stands still unless a test moves it.
	Now func() time.Time
	// Keys is how many counts it may keep, 0 for its default. A back end without
	// such a bound may ignore it.
	Keys int
}

// Run puts a back end through the suite. open returns an empty one; it is called
// once for each test, and cleans up with t.
func Run(t *testing.T, open func(t *testing.T, o Options) limiter.Limiter) {
	t.Helper()
	run(t, open, false)
}

// RunRemote is Run for a back end that every question takes a round trip to: what is
// the same a million times over is done a thousand times.
func RunRemote(t *testing.T, open func(t *testing.T, o Options) limiter.Limiter) {
	t.Helper()
	run(t, open, true)
}

func run(t *testing.T, open func(t *testing.T, o Options) limiter.Limiter, remote bool) {
	t.Helper()
	tests := []struct {
		name string
		test func(t *testing.T, b *bench)
	}{
		{"Of a thousand at once exactly as many pass as the limit of requests says", exactRequests},
		{"Of a thousand at once exactly as many pass as the limit of tokens allows", exactTokens},
		{"Of a thousand at once exactly as many run as the limit says", exactConcurrent},
		{"Of a thousand at once under two rules as many pass as both allow", exactTogether},
		{"Running questions never exceed the limit while others come and go", churn},
		{"A question that one rule refuses costs nothing under the others", allOrNothing},
		{"Requests refill one by one", refillRequests},
		{"Tokens refill while time passes", refillTokens},
		{"Tokens are settled with what was used", settles},
		{"A place is free again after Settle, and only once", places},
		{"Tokens are reserved later under all rules or under none", more},
		{"Of a thousand at once that reserve more exactly as many can as the limit allows", exactMore},
		{"A question that is taken back was never there", cancels},
		{"A question larger than the limit of tokens is refused as such", tooLarge},
		{"Retry is the moment at which the question is admitted", retryHolds},
		{"Retry of several rules is the longest", retryLongest},
		{"Callers, scopes and rules are counted apart, shared rules together", apart},
		{"A later rule of the same name goes on counting", reloads},
		{"An ended context takes nothing", ended},
		{"Too many bounds are an error and take nothing", tooMany},
		{"A question without bounds is admitted without a report", unbounded},
		{"The report of an admitted question is that of the tightest limit", reports},
		{"A refusal says which limit and how it stands", refusals},
		{"Long keys are told apart", longKeys},
		{"The caller may change the key's memory afterwards", keyMemory},
		{"A simple model of the limits agrees", model},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, open, 0)
			b.remote = remote
			tt.test(t, b)
		})
	}
	t.Run("Limited callers stay limited while many others come", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, open, 1024)
		b.remote = remote
		pressure(t, b)
	})
}

// bench is a back end with a clock that a test moves.
type bench struct {
	limiter.Limiter
	clock  atomic.Int64
	remote bool // see RunRemote
}

func newBench(t *testing.T, open func(t *testing.T, o Options) limiter.Limiter, keys int) *bench {
	b := &bench{}
	// Not a round number: nothing may depend on where windows would begin.
	b.clock.Store(time.Date(2026, 3, 1, 11, 22, 33, 444555666, time.UTC).UnixNano())
	b.Limiter = open(t, Options{Now: func() time.Time { return time.Unix(0, b.clock.Load()) }, Keys: keys})
	return b
}

func (b *bench) advance(d time.Duration) { b.clock.Add(int64(d)) }

// under returns a question of tokens that counts under r for caller.
func under(r *limiter.Rule, caller string, tokens int) limiter.Subject {
	s := limiter.Subject{Tokens: tokens}
	s.Under(r, limiter.Caller, caller)
	return s
}

// pass admits s, which must succeed.
func (b *bench) pass(t *testing.T, s limiter.Subject) *limiter.Grant {
	t.Helper()
	g, err := b.Admit(t.Context(), s)
	if err != nil {
		t.Fatalf("refused: %v", err)
	}
	return &g
}

// refuse puts s, which must be refused.
func (b *bench) refuse(t *testing.T, s limiter.Subject) *limiter.Exceeded {
	t.Helper()
	_, err := b.Admit(t.Context(), s)
	var e *limiter.Exceeded
	if !errors.As(err, &e) {
		t.Fatalf("not refused by a limit: %v", err)
	}
	return e
}

// storm puts n questions at once and returns how many were admitted.
func (b *bench) storm(t *testing.T, n int, subject func(i int) limiter.Subject) int {
	t.Helper()
	var admitted atomic.Int64
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			s := subject(i)
			<-start
			_, err := b.Admit(context.Background(), s)
			var e *limiter.Exceeded
			switch {
			case err == nil:
				admitted.Add(1)
			case !errors.As(err, &e):
				t.Errorf("question %d: %v", i, err)
			}
		})
	}
	close(start)
	wg.Wait()
	return int(admitted.Load())
}

func perMinute(n int) config.Rate { return config.Rate{N: n, Per: time.Minute} }

func requests(name string, n int) *limiter.Rule {
	return limiter.NewRule(name, config.Limit{Requests: perMinute(n)})
}

func tokens(name string, n int) *limiter.Rule {
	return limiter.NewRule(name, config.Limit{Tokens: perMinute(n)})
}

func concurrent(name string, n int) *limiter.Rule {
	return limiter.NewRule(name, config.Limit{Concurrent: n})
}

func name(i int) string { return fmt.Sprintf("caller-%d", i) }
