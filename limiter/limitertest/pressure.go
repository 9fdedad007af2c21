package limitertest

import (
	"context"
	"testing"
	"time"
	"unsafe"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/limiter"
)

func contextOf(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithCancel(t.Context())
}

// keyMemory uses a key in a buffer, as a server that avoids copies does.
func keyMemory(t *testing.T, b *bench) {
	r := requests("r", 1)
	buf := []byte("alice")
	b.pass(t, under(r, unsafe.String(&buf[0], len(buf)), 0))
	copy(buf, "carol")
	b.refuse(t, under(r, "alice", 0))
	b.pass(t, under(r, "carol", 0))
}

// pressure has 100 callers at their limits, each in a way of its own, and then
// many more callers than there is room for: first ones that leave nothing behind,
// then ones that use their allowance up as well.
func pressure(t *testing.T, b *bench) {
	const limited = 100
	passing, crowding := 20_000, 20_000
	if b.remote {
		passing, crowding = 2000, 2000
	}
	day := func(n int) config.Rate { return config.Rate{N: n, Per: 24 * time.Hour} }
	rules := []*limiter.Rule{
		limiter.NewRule("requests", config.Limit{Requests: day(3)}),
		limiter.NewRule("tokens", config.Limit{Tokens: day(3)}),
		limiter.NewRule("concurrent", config.Limit{Concurrent: 3}),
	}
	for i := range limited {
		for range 3 {
			g := b.pass(t, under(rules[i%3], name(i), 1))
			if i%3 != 2 {
				g.Settle(1)
			}
		}
	}
	still := func(when string) {
		t.Helper()
		for i := range limited {
			if _, err := b.Admit(t.Context(), under(rules[i%3], name(i), 1)); err == nil {
				t.Fatalf("%s caller %d of %s passed its limit", when, i, rules[i%3].Name())
			}
		}
	}
	quick := limiter.NewRule("quick", config.Limit{Requests: config.Rate{N: 1000, Per: time.Second}, Tokens: config.Rate{N: 1000, Per: time.Second}})
	for i := range passing {
		b.pass(t, under(quick, name(i), 1)).Settle(1)
		b.advance(time.Millisecond)
	}
	still("among callers who come and go")
	for i := range crowding {
		if g, err := b.Admit(t.Context(), under(rules[i%2], name(limited+i), 1)); err == nil {
			g.Settle(1)
		}
		if i%1000 == 0 {
			still("among callers who stay")
		}
	}
	still("after all")
	b.advance(48 * time.Hour)
	for i := range limited {
		if i%3 == 2 {
			continue // these still run
		}
		for range 3 {
			b.pass(t, under(rules[i%3], name(i), 1)).Settle(1)
		}
	}
	still("after two days")
}
