package redis_test

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
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

// BenchmarkFullServer is how many calls a second fill one core of the server, by the CPU time
// that it takes itself, and how many a question takes: those that end together in one process
// share one. A few processes ask for many callers at once, or many for a few; a question is
// under one limit, or under three.
func BenchmarkFullServer(b *testing.B) {
	for _, c := range []struct{ processes, callers, limits int }{{4, 64, 1}, {4, 64, 3}, {64, 1, 1}, {64, 1, 3}} {
		b.Run(fmt.Sprintf("%d processes of %d, limits=%d", c.processes, c.callers, c.limits), func(b *testing.B) {
			s := redistest.Start(b)
			rate := config.Rate{N: 1 << 40, Per: time.Second}
			var rules []*limiter.Rule
			for i := range c.limits {
				rules = append(rules, limiter.NewRule(fmt.Sprint("r", i), config.Limit{Requests: rate, Tokens: rate, Concurrent: 1 << 30}))
			}
			all := make([]*limiter.Joint, c.processes)
			for i := range all {
				all[i] = limiter.StartJoint(at(b, s, 0), limiter.JointOptions{Deadline: time.Minute})
				defer all[i].Close()
			}
			calls, cpu := spent(b, s)
			var todo atomic.Int64
			todo.Store(int64(b.N))
			var done sync.WaitGroup
			b.ResetTimer()
			for i := range c.processes * c.callers {
				q := limiter.Subject{Tokens: 10}
				for _, r := range rules {
					q.Under(r, limiter.Caller, fmt.Sprint("caller", i))
				}
				done.Go(func() {
					for todo.Add(-1) >= 0 {
						g, err := all[i%len(all)].Admit(b.Context(), q)
						if err != nil {
							b.Error(err)
							return
						}
						g.Settle(5)
					}
				})
			}
			done.Wait()
			for _, j := range all {
				if err := j.Flush(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
			more, later := spent(b, s)
			b.ReportMetric((more-calls)/float64(b.N), "calls/question")
			b.ReportMetric((more-calls)/(later-cpu), "calls/CPU-s")
			b.ReportMetric(float64(b.N)/(later-cpu), "questions/CPU-s")
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "questions/s")
		})
	}
}

// spent is how many scripts s has run, and the CPU time that it has taken, in seconds.
func spent(b *testing.B, s *redistest.Server) (calls, cpu float64) {
	b.Helper()
	info := s.Info(b)
	number := func(text string) float64 {
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			b.Fatal(err)
		}
		return n
	}
	for _, name := range []string{"cmdstat_eval", "cmdstat_evalsha"} {
		if found := regexp.MustCompile(`^calls=(\d+),`).FindStringSubmatch(info[name]); found != nil {
			calls += number(found[1])
		}
	}
	return calls, number(info["used_cpu_user"]) + number(info["used_cpu_sys"])
}
