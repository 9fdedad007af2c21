package redis_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/internal/redistest"
	"github.com/dragoman-gateway/dragoman/limiter"
	"github.com/dragoman-gateway/dragoman/limiter/limitertest"
	"github.com/dragoman-gateway/dragoman/limiter/redis"
)

// settled is a Joint whose clock a test moves by hours in no time: what was settled
// has to be told before.
type settled struct{ *limiter.Joint }

func (s settled) Admit(ctx context.Context, q limiter.Subject) (limiter.Grant, error) {
	if err := s.Flush(context.WithoutCancel(ctx)); err != nil {
		return limiter.Grant{}, err
	}
	return s.Joint.Admit(ctx, q)
}

func TestRedisPassesTheSuite(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, "--databases", "64")
	var db atomic.Int64
	limitertest.RunRemote(t, func(t *testing.T, o limitertest.Options) limiter.Limiter {
		c := at(t, s, int(db.Add(1)))
		j := limiter.StartJoint(c, limiter.JointOptions{Deadline: time.Minute, Now: o.Now, Local: limiter.Options{Now: o.Now, Keys: o.Keys}})
		t.Cleanup(func() {
			if st := j.Stats(); !st.Up || st.Lost != 0 || st.Alone != 0 || st.Missed != 0 {
				t.Errorf("Redis did not decide everything: %+v", st)
			}
			j.Close()
		})
		return settled{j}
	})
}

// at connects to one database of s.
func at(t testing.TB, s *redistest.Server, db int) *redis.Server {
	t.Helper()
	c, err := redis.New(s.URL(db))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}
