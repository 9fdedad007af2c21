package limitertest

import (
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/limiter"
)

func refillRequests(t *testing.T, b *bench) {
	r := requests("r", 60)
	s := under(r, "a", 0)
	for range 60 {
		b.pass(t, s)
	}
	b.advance(time.Second - time.Millisecond)
	b.refuse(t, s)
	b.advance(time.Millisecond)
	b.pass(t, s)
	b.refuse(t, s)
	b.advance(2500 * time.Millisecond)
	b.pass(t, s)
	b.pass(t, s)
	b.refuse(t, s)
	b.advance(time.Hour) // no more than the whole limit comes back
	for range 60 {
		b.pass(t, s)
	}
	b.refuse(t, s)
}

func refillTokens(t *testing.T, b *bench) {
	r := tokens("r", 6000)
	b.pass(t, under(r, "a", 6000)).Settle(6000)
	b.advance(time.Second)
	b.refuse(t, under(r, "a", 101))
	b.pass(t, under(r, "a", 100)).Settle(100)
	b.refuse(t, under(r, "a", 0))
	b.advance(time.Hour)
	b.pass(t, under(r, "a", 6000))
	b.refuse(t, under(r, "a", 1))
}

func settles(t *testing.T, b *bench) {
	r := tokens("r", 6000)
	b.pass(t, under(r, "less", 6000)).Settle(1000)
	b.refuse(t, under(r, "less", 5001))
	b.pass(t, under(r, "less", 5000))

	b.pass(t, under(r, "failed", 6000)).Settle(0)
	b.pass(t, under(r, "failed", 6000)).Settle(-5)
	b.pass(t, under(r, "failed", 6000))

	b.pass(t, under(r, "more", 1000)).Settle(6400)
	if e := b.refuse(t, under(r, "more", 100)); e.Retry != 5*time.Second || e.Remaining != 0 {
		t.Errorf("400 in debt: 100 tokens are to come after %v with %d left, want 5s and 0", e.Retry, e.Remaining)
	}

	// What has refilled while the question ran is not given back once more.
	g := b.pass(t, under(r, "slow", 6000))
	b.advance(30 * time.Second)
	g.Settle(0)
	b.pass(t, under(r, "slow", 6000))
	b.refuse(t, under(r, "slow", 1))
}

func places(t *testing.T, b *bench) {
	r := concurrent("r", 2)
	s := under(r, "a", 0)
	first := b.pass(t, s)
	b.pass(t, s)
	b.refuse(t, s)
	first.Settle(10)
	b.pass(t, s)
	first.Settle(10)
	e := b.refuse(t, s)
	if e.Kind != limiter.Concurrent || e.Retry != 0 || e.RetryAfter() != 1 {
		t.Errorf("the refusal is %+v", e)
	}
	b.advance(24 * time.Hour) // time alone frees no place
	b.refuse(t, s)
}

func tooLarge(t *testing.T, b *bench) {
	r := limiter.NewRule("r", config.Limit{Tokens: perMinute(1000), Requests: perMinute(2)})
	e := b.refuse(t, under(r, "a", 1001))
	if !e.TooLarge || e.Kind != limiter.Tokens || e.Needs != 1001 || e.Limit != 1000 || e.Retry != 0 {
		t.Errorf("the refusal is %+v", e)
	}
	b.pass(t, under(r, "a", 1000)).Settle(0)
	b.pass(t, under(r, "a", 1000)).Settle(0)
	if e := b.refuse(t, under(r, "a", 1001)); !e.TooLarge {
		t.Errorf("what can never pass is told to wait: %v", e)
	}
}

// rates are chosen so that most do not divide evenly into nanoseconds.
var rates = []config.Rate{
	{N: 1, Per: time.Second}, {N: 3, Per: time.Second}, {N: 1000, Per: time.Second},
	{N: 7, Per: time.Minute}, {N: 997, Per: time.Hour}, {N: 60, Per: time.Minute},
	{N: 20, Per: 24 * time.Hour}, {N: 999_983, Per: 24 * time.Hour}, {N: 123_457, Per: time.Hour},
}

func retryHolds(t *testing.T, b *bench) {
	for _, rate := range rates {
		label := rate.Per.String()
		for _, c := range []struct {
			rule  *limiter.Rule
			size  int
			first int
		}{
			{limiter.NewRule("q"+label, config.Limit{Requests: rate}), 0, 0},
			{limiter.NewRule("t"+label, config.Limit{Tokens: rate}), (rate.N + 2) / 3, rate.N + rate.N/7},
		} {
			if b.remote && c.size == 0 && rate.N > 1000 {
				continue
			}
			s := under(c.rule, name(rate.N), c.size)
			if c.first > 0 {
				b.pass(t, under(c.rule, name(rate.N), 1)).Settle(c.first)
			}
			for n := 0; n < rate.N; n++ {
				if _, err := b.Admit(t.Context(), s); err != nil {
					break
				}
			}
			for range 20 {
				held(t, b, s, rate)
				b.advance(rate.Per / time.Duration(rate.N) / 3)
			}
		}
	}
}

// held waits as long as it is told to, a thousandth less, and then the rest.
func held(t *testing.T, b *bench, s limiter.Subject, rate config.Rate) {
	t.Helper()
	_, err := b.Admit(t.Context(), s)
	if err == nil {
		return
	}
	e := err.(*limiter.Exceeded)
	early := e.Retry / 1000
	if e.Retry <= 0 || time.Duration(e.RetryAfter())*time.Second < e.Retry || time.Duration(e.RetryAfter())*time.Second-e.Retry >= time.Second {
		t.Errorf("%v: Retry is %v, Retry-After %d", rate, e.Retry, e.RetryAfter())
	}
	b.advance(e.Retry - early)
	if _, err := b.Admit(t.Context(), s); err == nil && early > 2 {
		t.Errorf("%v: admitted %v before the %v that it was told to wait", rate, early, e.Retry)
		return
	}
	b.advance(early)
	g, err := b.Admit(t.Context(), s)
	if err != nil {
		t.Errorf("%v: still refused after the %v that it was told to wait: %v", rate, e.Retry, err)
	}
	g.Settle(s.Tokens)
}

func retryLongest(t *testing.T, b *bench) {
	slow, quick, few := requests("slow", 6), requests("quick", 60), concurrent("few", 1)
	for range 6 {
		b.pass(t, under(slow, "a", 0))
	}
	for range 60 {
		b.pass(t, under(quick, "a", 0))
	}
	g := b.pass(t, under(few, "a", 0))
	s := under(quick, "a", 0)
	s.Under(slow, limiter.Caller, "a")
	s.Under(few, limiter.Caller, "a")
	e := b.refuse(t, s)
	if e.Rule != "slow" || e.Retry != 10*time.Second {
		t.Errorf("refused by %s for %v, want slow for 10s", e.Rule, e.Retry)
	}
	g.Settle(0)
	b.advance(e.Retry)
	b.pass(t, s)
}
