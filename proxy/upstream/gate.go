package upstream

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/translate"
)

const (
	// throttleFor is how long no dial is tried after the server refused one for its
	// rate: each try would restart the server's clock (chatnio.md 9.9).
	throttleFor = time.Second
	// slowDials is how many dials a second are made to a server that throttled one,
	// which is what the real one takes (chatnio.md 2), and slowFor how long after
	// its last refusal.
	slowDials = 5
	slowFor   = time.Minute
)

// gate keeps the dials to a chatnio server to what that takes: to the configured
// rate, or, where none is configured, to slowDials for a while after the server
// throttled one. It is safe for concurrent use.
type gate struct {
	patience time.Duration // a dial waits for no longer
	fixed    bool          // a rate is configured

	mu        sync.Mutex
	dials     *rate.Limiter
	quiet     time.Time // no dial before
	throttled time.Time // the last refusal
}

func newGate(r config.Rate, patience time.Duration) *gate {
	g := &gate{patience: patience, dials: rate.NewLimiter(rate.Inf, 1)}
	if r.N > 0 && r.Per > 0 {
		g.fixed = true
		g.dials = rate.NewLimiter(rate.Limit(float64(r.N)/r.Per.Seconds()), r.N)
	}
	return g
}

// refused notes that the server throttled a dial and wants none for wait.
func (g *gate) refused(wait time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.throttled = time.Now()
	if until := g.throttled.Add(max(wait, throttleFor)); until.After(g.quiet) {
		g.quiet = until
	}
	if !g.fixed {
		g.dials.SetLimit(slowDials)
	}
}

// reserve returns how long a dial has to wait, and what to cancel if it will not;
// closed is for how long no dial is allowed at all.
func (g *gate) reserve() (wait time.Duration, r *rate.Reservation, closed time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	if closed = g.quiet.Sub(now); closed > 0 {
		return 0, nil, closed
	}
	if !g.fixed && now.Sub(g.throttled) > slowFor {
		g.dials.SetLimit(rate.Inf)
	}
	r = g.dials.ReserveN(now, 1)
	return r.DelayFrom(now), r, 0
}

// pass returns when a dial may be made. The error says that it may not be within
// the gate's patience, or that ctx has ended.
func (g *gate) pass(ctx context.Context) *translate.Error {
	wait, r, closed := g.reserve()
	switch {
	case closed > 0:
		return dialLater(closed)
	case wait > g.patience:
		r.Cancel()
		return dialLater(wait)
	case wait == 0:
		return nil
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		r.Cancel()
		return ended(ctx)
	}
}

func dialLater(wait time.Duration) *translate.Error {
	return &translate.Error{Code: translate.CodeRateLimited, Fault: translate.FaultBusy, Message: "the model is throttled", Retry: wait}
}
