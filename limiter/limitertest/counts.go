package limitertest

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/limiter"
)

func apart(t *testing.T, b *bench) {
	r, other := requests("r", 1), requests("other", 1)
	bounds := []struct {
		rule  *limiter.Rule
		scope limiter.Scope
		key   string
	}{
		{r, limiter.Caller, "a"}, {r, limiter.Caller, "b"}, {r, limiter.Caller, ""}, {r, limiter.User, "a"}, {r, limiter.Group, "a"},
		{r, limiter.Address, "a"}, {r, limiter.Model, "a"}, {r, limiter.All, "a"}, {other, limiter.Caller, "a"},
	}
	for _, c := range bounds {
		var s limiter.Subject
		s.Under(c.rule, c.scope, c.key)
		b.pass(t, s)
	}
	for _, c := range bounds {
		var s limiter.Subject
		s.Under(c.rule, c.scope, c.key)
		b.refuse(t, s)
	}
	var s limiter.Subject
	s.Under(r, limiter.All, "b")
	b.refuse(t, s)

	shared := limiter.NewRule("shared", config.Limit{Requests: perMinute(2), Concurrent: 2, Shared: true})
	b.pass(t, under(shared, "a", 0))
	s = under(shared, "b", 0)
	s.Under(shared, limiter.Address, "1.2.3.4") // the same count: once
	b.pass(t, s)
	b.refuse(t, under(shared, "c", 0))
}

func reloads(t *testing.T, b *bench) {
	before := limiter.NewRule("r", config.Limit{Requests: perMinute(2), Tokens: perMinute(1000), Concurrent: 2})
	g := b.pass(t, under(before, "a", 500))
	b.pass(t, under(before, "a", 500))

	same := limiter.NewRule("r", config.Limit{Requests: perMinute(2), Tokens: perMinute(1000), Concurrent: 2})
	b.refuse(t, under(same, "a", 1))
	g.Settle(500)
	b.refuse(t, under(same, "a", 1))

	wider := limiter.NewRule("r", config.Limit{Requests: perMinute(60), Tokens: perMinute(6000), Concurrent: 2})
	b.refuse(t, under(wider, "a", 1)) // no fresh allowance
	b.advance(time.Second)            // but the new rate from now on
	b.pass(t, under(wider, "a", 100))
	b.refuse(t, under(wider, "a", 1))

	narrower := limiter.NewRule("r", config.Limit{Concurrent: 1})
	if e := b.refuse(t, under(narrower, "a", 1)); e.Kind != limiter.Concurrent {
		t.Errorf("refused by %+v", e)
	}
	g = b.pass(t, under(narrower, "b", 1))
	again := limiter.NewRule("r", config.Limit{Requests: perMinute(1), Tokens: perMinute(10)})
	b.pass(t, under(again, "b", 10))
	g.Settle(1)
	b.refuse(t, under(again, "b", 1))
}

func ended(t *testing.T, b *bench) {
	r := requests("r", 1)
	ctx, cancel := contextOf(t)
	cancel()
	var e *limiter.Exceeded
	if _, err := b.Admit(ctx, under(r, "a", 0)); err == nil || errors.As(err, &e) {
		t.Errorf("with an ended context: %v", err)
	}
	b.pass(t, under(r, "a", 0))
}

func tooMany(t *testing.T, b *bench) {
	r := requests("r", 1)
	var s limiter.Subject
	for i := range limiter.MaxBounds {
		s.Under(r, limiter.Caller, name(i))
	}
	more := s
	more.Under(r, limiter.Caller, "one more")
	more.Under(r, limiter.Caller, "and another")
	var e *limiter.Exceeded
	if _, err := b.Admit(t.Context(), more); err == nil || errors.As(err, &e) {
		t.Errorf("with too many bounds: %v", err)
	}
	b.pass(t, s)
	b.refuse(t, s)
}

func unbounded(t *testing.T, b *bench) {
	s := limiter.Subject{Tokens: 1 << 60}
	s.Under(nil, limiter.Caller, "a")
	s.Under(limiter.NewRule("r", config.Limit{Shared: true, Queue: true}), limiter.Caller, "a")
	g := b.pass(t, s)
	if g.Report() != (limiter.State{}) {
		t.Errorf("the report is %+v", g.Report())
	}
	g.Settle(1)
}

func reports(t *testing.T, b *bench) {
	wide := limiter.NewRule("wide", config.Limit{Requests: perMinute(100), Tokens: perMinute(1000), Concurrent: 1})
	narrow := limiter.NewRule("narrow", config.Limit{Requests: perMinute(60)})
	s := under(wide, "a", 1000)
	s.Under(narrow, limiter.Model, "m")
	g := b.pass(t, s)
	g.Settle(0)
	want := limiter.State{Rule: "narrow", Kind: limiter.Requests, Limit: 60, Remaining: 59, Window: time.Minute, Reset: time.Second}
	if g.Report() != want {
		t.Errorf("the report is %+v, want %+v", g.Report(), want)
	}
	g = b.pass(t, under(tokens("t", 1000), "a", 250))
	want = limiter.State{Rule: "t", Kind: limiter.Tokens, Limit: 1000, Remaining: 750, Window: time.Minute, Reset: 15 * time.Second}
	if g.Report() != want {
		t.Errorf("the report is %+v, want %+v", g.Report(), want)
	}
	g = b.pass(t, under(concurrent("c", 3), "a", 0))
	want = limiter.State{Rule: "c", Kind: limiter.Concurrent, Limit: 3, Remaining: 2}
	if g.Report() != want {
		t.Errorf("the report is %+v, want %+v", g.Report(), want)
	}
}

func refusals(t *testing.T, b *bench) {
	r := limiter.NewRule("r", config.Limit{Requests: perMinute(6), Tokens: perMinute(600)})
	b.pass(t, under(r, "secret-name", 500))
	e := b.refuse(t, under(r, "secret-name", 200))
	want := limiter.State{Rule: "r", Kind: limiter.Tokens, Limit: 600, Remaining: 100, Window: time.Minute, Reset: 10 * time.Second}
	if e.State != want || e.Retry != 10*time.Second || e.TooLarge {
		t.Errorf("the refusal is %+v, want %+v", e, want)
	}
	for range 5 {
		b.pass(t, under(r, "secret-name", 1))
	}
	e = b.refuse(t, under(r, "secret-name", 1))
	want = limiter.State{Rule: "r", Kind: limiter.Requests, Limit: 6, Window: time.Minute, Reset: 10 * time.Second}
	if e.State != want || e.Retry != 10*time.Second {
		t.Errorf("the refusal is %+v, want %+v", e, want)
	}
	if strings.Contains(e.Error(), "secret") {
		t.Errorf("the refusal tells the key: %s", e)
	}
}

func longKeys(t *testing.T, b *bench) {
	r, long := requests("r", 1), strings.Repeat("x", 1<<16)
	b.pass(t, under(r, long+"a", 0))
	b.refuse(t, under(r, long+"a", 0))
	b.pass(t, under(r, long+"b", 0))
	b.pass(t, under(r, long[:64], 0))
	b.pass(t, under(r, long[:65], 0))
}
