package limiter_test

import (
	"context"
	"encoding/binary"
	"log/slog"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/limiter"
)

const aliveKey = "{dragoman}:alive"

// forgetful are shared counts that remember nothing: they admit whatever comes, after
// a while, and note what they are told. fault is called first, if it is there.
type forgetful struct {
	after time.Duration
	fault func(beat bool)

	beats, told, cancelled atomic.Int64
}

func doubles(all ...float64) string {
	var b []byte
	for _, v := range all {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
	}
	return string(b)
}

func (f *forgetful) Run(_ context.Context, script string, keys, args []string) (string, error) {
	beat := len(keys) == 1 && keys[0] == aliveKey
	if beat {
		f.beats.Add(1)
	}
	settles := !beat && keys[0] != aliveKey && len(args) == 2+4*len(keys)
	if f.fault != nil && (beat || settles) {
		f.fault(beat)
	}
	const plenty = 1 << 40
	switch {
	case beat:
		return doubles(0), nil
	case settles:
		for i := range keys {
			f.told.Add(1)
			if args[2+4*i+3] == "1" {
				f.cancelled.Add(1)
			}
		}
		return "", nil
	}
	time.Sleep(f.after)
	answer := []float64{1}
	if keys[0] != aliveKey { // more tokens
		for range keys {
			answer = append(answer, plenty)
		}
		return doubles(answer...), nil
	}
	for range keys[1:] {
		answer = append(answer, plenty, plenty, 0)
	}
	return doubles(answer...), nil
}

func TestAProcessKeepsToItsLimitWhateverTheSharedCountsSay(t *testing.T) {
	t.Parallel()
	day := func(n int) config.Rate { return config.Rate{N: n, Per: 24 * time.Hour} }
	for name, l := range map[string]config.Limit{"requests": {Requests: day(10)}, "tokens": {Tokens: day(70)}, "concurrent": {Concurrent: 10}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				counts := &forgetful{after: 10 * time.Millisecond} // so that all have asked before one is answered
				j := limiter.StartJoint(counts, limiter.JointOptions{})
				rule := limiter.NewRule("r", l)
				var admitted atomic.Int64
				var all sync.WaitGroup
				for range 1000 {
					all.Go(func() {
						s := limiter.Subject{Tokens: 7}
						s.Under(rule, limiter.Caller, "a")
						if _, err := j.Admit(context.Background(), s); err == nil {
							admitted.Add(1)
						}
					})
				}
				all.Wait()
				if n := admitted.Load(); n != 10 {
					t.Errorf("%d admitted, want 10", n)
				}
				j.Close()
				if n := counts.cancelled.Load(); n != 990 {
					t.Errorf("%d that were refused here were given back there, want 990", n)
				}
			})
		})
	}
}

func TestMoreIsNeverMoreThanThisProcessMay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j := limiter.StartJoint(&forgetful{after: 10 * time.Millisecond}, limiter.JointOptions{})
		defer j.Close()
		rule := limiter.NewRule("r", config.Limit{Tokens: config.Rate{N: 200, Per: 24 * time.Hour}})
		var reserved atomic.Int64
		var all sync.WaitGroup
		start := make(chan struct{})
		for range 100 {
			s := limiter.Subject{Tokens: 1}
			s.Under(rule, limiter.Caller, "a")
			g, err := j.Admit(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			all.Go(func() {
				<-start
				if g.More(10) == nil {
					reserved.Add(1)
				}
			})
		}
		close(start)
		all.Wait()
		if n := reserved.Load(); n != 10 {
			t.Errorf("%d reserved 10 tokens of the last 100", n)
		}
	})
}

func TestAFaultInTheBackgroundIsSaidAndDoesNotEndIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var once sync.Once
		counts := &forgetful{fault: func(beat bool) {
			if !beat {
				once.Do(func() { panic("a fault") })
			}
		}}
		log := &strings.Builder{} // the one goroutine of j writes it
		j := limiter.StartJoint(counts, limiter.JointOptions{Log: slog.New(slog.NewTextHandler(log, nil))})
		rule := limiter.NewRule("r", config.Limit{Concurrent: 1})
		ask := func() {
			s := limiter.Subject{}
			s.Under(rule, limiter.Caller, "a")
			g, err := j.Admit(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			g.Settle(0)
		}
		ask()
		if err := j.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s := j.Stats(); s.Missed != 1 || s.Queued != 0 {
			t.Errorf("after the fault: %+v", s)
		}
		beats := counts.beats.Load()
		time.Sleep(time.Minute)
		if !j.Stats().Up || counts.beats.Load() < beats+10 {
			t.Errorf("a minute later: %+v, and %d signs of life", j.Stats(), counts.beats.Load()-beats)
		}
		ask()
		j.Close()
		if n := counts.told.Load(); n != 1 {
			t.Errorf("%d told after the fault, want 1", n)
		}
		if n := strings.Count(log.String(), "msg=panic"); n != 1 {
			t.Errorf("%d lines about one fault:\n%s", n, log)
		}
	})
}

func TestFaultsThatFollowEachOtherAreTriedEverLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var broken atomic.Bool
		counts := &forgetful{fault: func(bool) {
			if broken.Load() {
				panic("a fault")
			}
		}}
		j := limiter.StartJoint(counts, limiter.JointOptions{})
		defer j.Close()
		broken.Store(true)
		time.Sleep(time.Hour)
		if n := counts.beats.Load(); n < 50 || n > 100 {
			t.Errorf("%d tries in an hour", n)
		}
		if j.Stats().Up {
			t.Error("it does not know that it is alone")
		}
		broken.Store(false)
		time.Sleep(2 * time.Minute)
		if !j.Stats().Up {
			t.Error("it stays alone although the fault is gone")
		}
	})
}
