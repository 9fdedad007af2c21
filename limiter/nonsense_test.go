package limiter_test

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/limiter"
)

// twoFaced are shared counts that say they are well, and answer questions with nonsense.
type twoFaced struct {
	forgetful
	lies atomic.Bool
}

func (f *twoFaced) Run(ctx context.Context, script string, keys, args []string) (string, error) {
	if len(keys) > 1 && f.lies.Load() {
		return doubles(1, 1)[:9], nil
	}
	return f.forgetful.Run(ctx, script, keys, args)
}

func TestCountsThatGiveNonsenseAreTriedEverLaterAndRefuseNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		counts, log := &twoFaced{}, &strings.Builder{}
		counts.lies.Store(true)
		j := limiter.StartJoint(counts, limiter.JointOptions{Log: slog.New(slog.NewTextHandler(log, nil))})
		defer j.Close()
		rule := limiter.NewRule("r", config.Limit{Requests: config.Rate{N: 100, Per: time.Second}})
		ask := func() {
			s := limiter.Subject{}
			s.Under(rule, limiter.Caller, "a")
			if _, err := j.Admit(t.Context(), s); err != nil {
				t.Fatal(err)
			}
		}
		for range 3600 {
			ask()
			time.Sleep(time.Second)
		}
		// They answer each look, and lie to the next question: half a second, 1, 2, 4 ... 30.
		if lost := j.Stats().Lost; lost < 100 || lost > 140 {
			t.Errorf("they were believed %d times in an hour", lost)
		}
		counts.lies.Store(false)
		time.Sleep(31 * time.Second)
		ask()
		if !j.Stats().Up {
			t.Error("they are not used again")
		}
		time.Sleep(time.Minute)
		counts.lies.Store(true)
		ask()
		counts.lies.Store(false)
		time.Sleep(time.Second)
		if !j.Stats().Up {
			t.Error("after a long time without a fault one is not forgiven at once")
		}
	})
}
