package limiter_test

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/limiter"
)

var background = context.Background()

// plenty never refuses.
func plenty(name string, shared bool) *limiter.Rule {
	rate := config.Rate{N: 1 << 40, Per: time.Second}
	return limiter.NewRule(name, config.Limit{Requests: rate, Tokens: rate, Concurrent: 1 << 30, Shared: shared})
}

func BenchmarkAdmitAndSettle(b *testing.B) {
	one, three, all := plenty("one", false), plenty("three", false), plenty("all", true)
	keys := make([]string, 1024)
	for i := range keys {
		keys[i] = "caller-" + strconv.Itoa(i)
	}
	requests := limiter.NewRule("requests", config.Limit{Requests: config.Rate{N: 1 << 40, Per: time.Second}})
	subjects := []struct {
		name  string
		under func(key string) limiter.Subject
	}{
		{"requests", func(key string) (s limiter.Subject) {
			s.Under(requests, limiter.Caller, key)
			return s
		}},
		{"one", func(key string) (s limiter.Subject) {
			s.Under(one, limiter.Caller, key)
			return s
		}},
		{"three", func(key string) (s limiter.Subject) {
			s.Under(one, limiter.Caller, key)
			s.Under(three, limiter.Model, "m")
			s.Under(all, limiter.All, "")
			return s
		}},
	}
	for _, c := range subjects {
		var l limiter.Limiter = limiter.NewLocal(limiter.Options{})
		once := func(i int) {
			s := c.under(keys[i&1023])
			s.Tokens = 1000
			g, err := l.Admit(background, s)
			if err != nil {
				panic(err)
			}
			g.Settle(700)
		}
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for i := range b.N {
				once(i)
			}
		})
		b.Run(c.name+"/parallel", func(b *testing.B) {
			b.ReportAllocs()
			var n atomic.Int64
			b.RunParallel(func(p *testing.PB) {
				for i := int(n.Add(500)); p.Next(); i++ {
					once(i)
				}
			})
		})
	}
}

func BenchmarkRefuse(b *testing.B) {
	l := limiter.NewLocal(limiter.Options{})
	s := under(rule("r", 1, 24*time.Hour), "a")
	if _, err := l.Admit(background, s); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := l.Admit(background, s); err == nil {
			b.Fatal("admitted")
		}
	}
}

// BenchmarkNewCaller is what a caller costs who was never seen before, below the
// cap and at it.
func BenchmarkNewCaller(b *testing.B) {
	for _, keys := range []int{1 << 30, 64_000} {
		b.Run("cap="+strconv.Itoa(keys), func(b *testing.B) {
			l := limiter.NewLocal(limiter.Options{Keys: keys})
			r := rule("r", 20, 24*time.Hour)
			if keys < 1<<30 {
				for i := range 2 * keys {
					g, _ := l.Admit(background, under(r, "old-"+strconv.Itoa(i)))
					g.Settle(0)
				}
			}
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				g, _ := l.Admit(background, under(r, address(i)))
				g.Settle(0)
			}
		})
	}
}

func BenchmarkAMillionCallers(b *testing.B) {
	for range b.N {
		b.ReportMetric(float64(fill(limiter.NewLocal(limiter.Options{}), 1_000_000))/1e6, "B/caller")
	}
}
