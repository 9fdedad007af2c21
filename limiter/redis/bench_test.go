package redis_test

import (
	"context"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/internal/redistest"
	"github.com/dragoman-gateway/dragoman/limiter"
)

// BenchmarkAdmitAndSettle is what a question costs on a server beside the process.
func BenchmarkAdmitAndSettle(b *testing.B) {
	s := redistest.Start(b)
	j := limiter.StartJoint(at(b, s, 0), limiter.JointOptions{Deadline: time.Minute})
	defer j.Close()
	rate := config.Rate{N: 1 << 40, Per: time.Second}
	r := limiter.NewRule("r", config.Limit{Requests: rate, Tokens: rate, Concurrent: 1 << 30})
	once := func() {
		g, err := j.Admit(context.Background(), under(r, "a"))
		if err != nil {
			panic(err)
		}
		g.Settle(5)
	}
	b.Run("alone", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			once()
		}
	})
	b.Run("64 at once", func(b *testing.B) {
		b.ReportAllocs()
		b.SetParallelism(32)
		b.RunParallel(func(p *testing.PB) {
			for p.Next() {
				once()
			}
		})
	})
}
