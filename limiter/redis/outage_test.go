package redis_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/internal/logtest"
	"github.com/dragoman-gateway/dragoman/internal/redistest"
	"github.com/dragoman-gateway/dragoman/limiter"
	"github.com/dragoman-gateway/dragoman/limiter/redis"
)

const (
	processes = 3
	crowd     = 1000
)

// team is several processes' limiters on one server.
type team struct {
	*testing.T
	all []*limiter.Joint
	log *logtest.Log
}

// newTeam has each limiter on a connection of its own.
func newTeam(t *testing.T, s *redistest.Server, deadline time.Duration) *team {
	w := &team{T: t, log: &logtest.Log{}}
	for range processes {
		j := limiter.StartJoint(at(t, s, 0), limiter.JointOptions{Deadline: deadline, Log: slog.New(slog.NewTextHandler(w.log, nil))})
		t.Cleanup(j.Close)
		w.all = append(w.all, j)
	}
	return w
}

// storm puts n questions at once, in turn to all processes, and returns what was
// admitted.
func (w *team) storm(n int, subject func(i int) limiter.Subject) []limiter.Grant {
	var mu sync.Mutex
	var grants []limiter.Grant
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			g, err := w.all[i%len(w.all)].Admit(context.Background(), subject(i))
			if err == nil {
				mu.Lock()
				grants = append(grants, g)
				mu.Unlock()
			}
		})
	}
	close(start)
	wg.Wait()
	return grants
}

// up waits until all processes count together, or all alone.
func (w *team) up(want bool) {
	w.Helper()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for _, j := range w.all {
		for j.Stats().Up != want {
			select {
			case <-look.C:
			case <-time.After(time.Minute):
				w.Fatalf("up is not %v after a minute: %+v", want, j.Stats())
			}
		}
	}
}

// day refills nothing that a test would see.
func day(n int) config.Rate { return config.Rate{N: n, Per: 24 * time.Hour} }

// kinds are rules of every kind, each with what it admits of questions of 7 tokens.
func kinds(name string) []struct {
	rule *limiter.Rule
	want int
} {
	rule := func(kind string, l config.Limit) *limiter.Rule { return limiter.NewRule(name+kind, l) }
	return []struct {
		rule *limiter.Rule
		want int
	}{
		{rule("requests", config.Limit{Requests: day(100)}), 100},
		{rule("tokens", config.Limit{Tokens: day(1000)}), 142},
		{rule("concurrent", config.Limit{Concurrent: 13}), 13},
		{rule("together", config.Limit{Requests: day(50), Tokens: day(10_000), Concurrent: 40}), 40},
		{rule("shared", config.Limit{Requests: day(77), Shared: true}), 77},
	}
}

func under(r *limiter.Rule, key string) limiter.Subject {
	s := limiter.Subject{Tokens: 7}
	s.Under(r, r.Scope(), key)
	return s
}

func TestThreeProcessesAdmitExactlyWhatTheLimitSays(t *testing.T) {
	t.Parallel()
	w := newTeam(t, redistest.Start(t), time.Minute)
	for _, k := range kinds("") {
		got := w.storm(crowd, func(int) limiter.Subject { return under(k.rule, "a") })
		t.Logf("%d callers on %d processes under %s: %d admitted", crowd, processes, k.rule.Name(), len(got))
		if len(got) != k.want {
			t.Errorf("%s: %d admitted, want %d", k.rule.Name(), len(got), k.want)
		}
	}
	own := limiter.NewRule("own", config.Limit{Requests: day(1)})
	all := limiter.NewRule("all", config.Limit{Requests: day(8), Shared: true})
	got := w.storm(crowd, func(i int) limiter.Subject {
		s := under(own, fmt.Sprint("caller", i%10))
		s.Under(all, limiter.All, "")
		return s
	})
	if len(got) != 8 {
		t.Errorf("%d of ten callers passed a shared limit of 8", len(got))
	}
	left := w.storm(crowd, func(i int) limiter.Subject { return under(own, fmt.Sprint("caller", i%10)) })
	if len(left) != 2 {
		t.Errorf("%d callers have their own question left, want 2", len(left))
	}
	for _, j := range w.all {
		if s := j.Stats(); s.Lost != 0 || s.Alone != 0 {
			t.Errorf("Redis did not decide everything: %+v", s)
		}
	}
}

// What waits to be told does not keep out the caller who gave it back.
func TestAPlaceIsFreeForItsOwnCallerAtOnce(t *testing.T) {
	t.Parallel()
	w := newTeam(t, redistest.Start(t), time.Minute)
	r := limiter.NewRule("r", config.Limit{Concurrent: 1, Tokens: day(10)})
	for i := range 300 {
		g, err := w.all[0].Admit(t.Context(), under(r, "a"))
		if err != nil {
			t.Fatalf("question %d of one after the other: %v", i, err)
		}
		g.Settle(0)
	}
	if err := w.all[0].Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if g, err := w.all[1].Admit(t.Context(), under(r, "a")); err != nil {
		t.Errorf("another process: %v", err)
	} else if _, err := w.all[2].Admit(t.Context(), under(r, "a")); err == nil {
		t.Error("a third process has the place as well")
	} else {
		g.Settle(7)
	}
}

// However the server comes and goes, and whatever it forgets, the processes together
// never admit more than each of them alone would.
func TestWithTheServerStoppedAndStartedTheBoundHolds(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	w := newTeam(t, s, 2*time.Second)
	for _, k := range kinds("outage ") {
		subject := func(int) limiter.Subject { return under(k.rule, "a") }
		before := len(w.storm(20, subject))
		var during atomic.Int64
		var wg sync.WaitGroup
		wg.Go(func() { during.Add(int64(len(w.storm(crowd, subject)))) })
		s.Kill()
		wg.Wait()
		during.Add(int64(len(w.storm(crowd, subject))))
		w.up(false)
		during.Add(int64(len(w.storm(crowd, subject))))
		s.Run()
		w.up(true)
		after := len(w.storm(crowd, subject))
		total := before + int(during.Load()) + after
		t.Logf("%s: %d before, %d while the server was gone, %d after it was back; limit %d, bound %d", k.rule.Name(), before, during.Load(), after, k.want, processes*k.want)
		if total > processes*k.want {
			t.Errorf("%s: %d admitted, want at most %d", k.rule.Name(), total, processes*k.want)
		}
		if total < k.want {
			t.Errorf("%s: %d admitted, less than the limit of %d", k.rule.Name(), total, k.want)
		}
	}
	for _, text := range []string{"do not answer", "answer again"} {
		if n := strings.Count(w.log.String(), text); n != processes*len(kinds("")) {
			t.Errorf("%q is %d times in the log, want once for each process and outage", text, n)
		}
	}
	if strings.Contains(w.log.String(), "127.0.0.1") {
		t.Errorf("an address is in the log:\n%s", w.log)
	}
}

func TestAServerThatComesAfterTheStartIsALineOfTheLogThoughNobodyAsked(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	s.Kill()
	w := newTeam(t, s, time.Minute)
	s.Run()
	w.up(true)
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	enough := time.After(time.Minute)
	for strings.Count(w.log.String(), "answer again") < processes {
		select {
		case <-look.C:
		case <-enough:
			t.Fatalf("the log does not say of each process that the server is there:\n%s", w.log)
		}
	}
	if n := strings.Count(w.log.String(), "cannot be reached"); n != processes {
		t.Errorf("%d processes have said that it was away, want %d", n, processes)
	}
}

func TestAServerThatHangsCostsOneDeadlineAndIsUsedAgain(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	w := newTeam(t, s, 50*time.Millisecond)
	w.up(true)
	s.Freeze()
	defer s.Thaw()
	r := limiter.NewRule("r", config.Limit{Requests: day(10)})
	got := w.storm(crowd, func(int) limiter.Subject { return under(r, "a") })
	if len(got) != processes*10 {
		t.Errorf("%d admitted by processes that are alone, want %d", len(got), processes*10)
	}
	w.up(false)
	s.Thaw()
	w.up(true)
	if _, err := w.all[0].Admit(t.Context(), under(r, "b")); err != nil {
		t.Errorf("after it is back: %v", err)
	}
}

func TestWhatWasSettledIsToldBeforeTheProcessEnds(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	r := limiter.NewRule("r", config.Limit{Concurrent: 100, Tokens: day(700)})
	first := limiter.StartJoint(at(t, s, 0), limiter.JointOptions{Deadline: time.Minute})
	var grants []limiter.Grant
	for range 100 {
		g, err := first.Admit(t.Context(), under(r, "a"))
		if err != nil {
			t.Fatal(err)
		}
		grants = append(grants, g)
	}
	for i := range grants {
		grants[i].Settle(0)
	}
	first.Close()
	w := newTeam(t, s, time.Minute)
	if got := len(w.storm(crowd, func(int) limiter.Subject { return under(r, "a") })); got != 100 {
		t.Errorf("%d of 100 are free after a clean end", got)
	}
}

func TestNothingCanBeReadFromTheKeysAndAllOfThemExpire(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	j := limiter.StartJoint(at(t, s, 0), limiter.JointOptions{Deadline: time.Minute})
	defer j.Close()
	for _, k := range kinds("secret-rule ") {
		if _, err := j.Admit(t.Context(), under(k.rule, "secret-caller")); err != nil {
			t.Fatal(err)
		}
	}
	c := at(t, s, 0)
	const look = `local out = {}
for _, k in ipairs(redis.call('KEYS', '*')) do
  out[#out + 1] = k .. ' ' .. redis.call('PTTL', k)
  if redis.call('TYPE', k).ok == 'hash' then out[#out + 1] = table.concat(redis.call('HGETALL', k), ' ') end
end
return table.concat(out, '\n')`
	all, err := c.Run(t.Context(), look, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(all, "secret") || strings.Contains(all, " -1") || strings.Count(all, "{dragoman}:count:") != len(kinds("")) {
		t.Errorf("the server keeps\n%s", all)
	}
}

func TestTheURLIsNeverRepeated(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"http://u:s3cr3t@h/0", "redis://u:s3cr3t@h/x", "redis://u:s3cr3t@h:port", "redis://u:s3cr3t@h/0/1"} {
		if _, err := redis.New(url); err == nil || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// A server may know the older protocol only; then a second connection listens.
func TestBothProtocolsCountAndListen(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	for _, protocol := range []string{"2", "3"} {
		t.Run("RESP"+protocol, func(t *testing.T) {
			t.Parallel()
			c, err := redis.New(s.URL(0) + "?protocol=" + protocol)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(c.Close)
			j := limiter.StartJoint(c, limiter.JointOptions{Deadline: time.Minute})
			t.Cleanup(j.Close)
			r := limiter.NewRule("of RESP"+protocol, config.Limit{Requests: day(3)})
			n := 0
			for range 5 {
				if _, err := j.Admit(t.Context(), under(r, "a")); err == nil {
					n++
				}
			}
			if st := j.Stats(); n != 3 || !st.Up || st.Lost != 0 || st.Alone != 0 {
				t.Errorf("%d admitted, want 3: %+v", n, st)
			}
			ctx, stop := context.WithCancel(t.Context())
			began, heard := make(chan struct{}, 1), make(chan string, 16)
			var listener sync.WaitGroup
			listener.Go(func() {
				c.Listen(ctx, "topic"+protocol, func() { began <- struct{}{} }, func(message string) { heard <- message })
			})
			<-began
			for _, message := range []string{"", "a\r\nb", strings.Repeat("x", 200_000)} {
				if _, err := c.Run(ctx, "redis.call('PUBLISH', ARGV[2], ARGV[1]) return ''", []string{"k"}, []string{message, "topic" + protocol}); err != nil {
					t.Fatal(err)
				}
				if got := <-heard; got != message {
					t.Errorf("heard %.50q, want %.50q", got, message)
				}
			}
			stop()
			listener.Wait()
			if !j.Stats().Up {
				t.Error("the counts were lost")
			}
		})
	}
}

func TestAnAddressOfSeveralServersIsRefused(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"redis://h/0?master_set=m", "redis://h/0?addr=i:1"} {
		if _, err := redis.New(url); err == nil {
			t.Errorf("%s is taken", url)
		}
	}
}
