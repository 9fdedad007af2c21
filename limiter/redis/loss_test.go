package redis_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/internal/redistest"
	"github.com/dragoman-gateway/dragoman/limiter"
	"github.com/dragoman-gateway/dragoman/limiter/redis"
)

// line is a connection that a test cuts, or on which what was settled waits.
type line struct {
	*redis.Server
	cut   atomic.Bool
	holds chan struct{} // nil: nothing waits
}

func (l *line) Run(ctx context.Context, script string, keys, args []string) (string, error) {
	if l.cut.Load() {
		return "", errors.New("cut")
	}
	if l.holds != nil && keys[0] != "{dragoman}:alive" {
		<-l.holds
	}
	return l.Server.Run(ctx, script, keys, args)
}

// moved is a clock that tests move by whole seconds.
type moved struct{ seconds atomic.Int64 }

func (m *moved) now() time.Time { return time.Unix(2_000_000_000+m.seconds.Load(), 0) }

// free is how many questions j admits at once under r.
func free(t *testing.T, j *limiter.Joint, r *limiter.Rule) (n int) {
	t.Helper()
	var all []limiter.Grant
	for {
		g, err := j.Admit(t.Context(), under(r, "a"))
		if err != nil {
			break
		}
		all = append(all, g)
	}
	for i := range all {
		all[i].Cancel()
	}
	if err := j.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	return len(all)
}

func TestThePlacesOfAProcessThatDiedAreFreeAfterItsLease(t *testing.T) {
	t.Parallel()
	s, clock := redistest.Start(t), &moved{}
	r := limiter.NewRule("r", config.Limit{Concurrent: 10})
	dead := &line{Server: at(t, s, 0)}
	o := limiter.JointOptions{Deadline: time.Minute, Now: clock.now}
	first := limiter.StartJoint(dead, o)
	for range 7 {
		if _, err := first.Admit(t.Context(), under(r, "a")); err != nil {
			t.Fatal(err)
		}
	}
	dead.cut.Store(true) // nothing more comes of it, as after kill -9
	first.Close()
	clock.seconds.Add(14)
	second := limiter.StartJoint(at(t, s, 0), o)
	defer second.Close()
	if n := free(t, second, r); n != 3 {
		t.Errorf("%d of 10 places are free 14 s after a process died with 7", n)
	}
	clock.seconds.Add(2)
	if n := free(t, second, r); n != 10 {
		t.Errorf("%d of 10 places are free 16 s after it died", n)
	}
}

func TestWhatIsTooMuchToBeToldIsGivenUpAndItsPlacesComeBack(t *testing.T) {
	t.Parallel()
	s, clock := redistest.Start(t), &moved{}
	const most, batch = 8192, 64
	r := limiter.NewRule("r", config.Limit{Concurrent: 1 << 20})
	slow := &line{Server: at(t, s, 0), holds: make(chan struct{})}
	o := limiter.JointOptions{Deadline: time.Minute, Now: clock.now}
	first := limiter.StartJoint(slow, o)
	defer first.Close()
	grants := make([]limiter.Grant, most+batch+10)
	for i := range grants {
		var err error
		if grants[i], err = first.Admit(t.Context(), under(r, "a")); err != nil {
			t.Fatal(err)
		}
	}
	var settled sync.WaitGroup
	for i := range grants {
		settled.Go(func() { grants[i].Settle(0) })
	}
	settled.Wait()
	if st := first.Stats(); st.Queued != most || st.Missed < 10 || st.Missed > 10+batch {
		t.Errorf("%d wait and %d are given up", st.Queued, st.Missed)
	}
	missed := int(first.Stats().Missed)
	close(slow.holds)
	if err := first.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	second := limiter.StartJoint(at(t, s, 0), o)
	defer second.Close()
	few := limiter.NewRule("r", config.Limit{Concurrent: missed + 3})
	if n := free(t, second, few); n != 3 {
		t.Errorf("%d places are free beside %d that were never given back, want 3", n, missed)
	}
	clock.seconds.Add(16)
	if n := free(t, second, few); n != missed+3 {
		t.Errorf("%d places are free once the old name has no lease, want %d", n, missed+3)
	}
}

func TestAServerThatForgetsEverythingWhileConnectedLeavesTheBound(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	w := newTeam(t, s, time.Minute)
	wipe := at(t, s, 0)
	for _, k := range kinds("flush ") {
		subject := func(int) limiter.Subject { return under(k.rule, "a") }
		total := len(w.storm(crowd, subject))
		if total != k.want {
			t.Errorf("%s: %d before, want %d", k.rule.Name(), total, k.want)
		}
		for range processes + 1 {
			if _, err := wipe.Run(t.Context(), "redis.call('FLUSHALL') return ''", nil, nil); err != nil {
				t.Fatal(err)
			}
			total += len(w.storm(crowd, subject))
		}
		if total > processes*k.want {
			t.Errorf("%s: %d admitted, want at most %d", k.rule.Name(), total, processes*k.want)
		}
	}
	for _, j := range w.all {
		if st := j.Stats(); !st.Up || st.Lost != 0 {
			t.Errorf("it was lost: %+v", st)
		}
	}
}

func TestAPasswordIsUsedAndAWrongOneIsToldWithoutItself(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, "--requirepass", "s3cr3t")
	for password, accepted := range map[string]bool{":s3cr3t@": true, "default:s3cr3t@": true, ":wr0ng@": false, "": false} {
		c, err := redis.New(strings.Replace(s.URL(0), "//", "//"+password, 1))
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Run(t.Context(), "return ''", nil, nil)
		c.Close()
		if (err == nil) != accepted {
			t.Errorf("%q: %v", password, err)
		}
		if err != nil && (strings.Contains(err.Error(), "wr0ng") || strings.Contains(err.Error(), "127.0.0.1")) {
			t.Errorf("the error tells too much: %v", err)
		}
	}
}
