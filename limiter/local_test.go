package limiter_test

import (
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/limiter"
	"github.com/dragoman-gateway/dragoman/limiter/limitertest"
)

func TestLocalPassesTheSuite(t *testing.T) {
	t.Parallel()
	limitertest.Run(t, func(_ *testing.T, o limitertest.Options) limiter.Limiter {
		return limiter.NewLocal(limiter.Options{Now: o.Now, Keys: o.Keys})
	})
}

func rule(name string, n int, per time.Duration) *limiter.Rule {
	return limiter.NewRule(name, config.Limit{Requests: config.Rate{N: n, Per: per}})
}

func under(r *limiter.Rule, key string) limiter.Subject {
	var s limiter.Subject
	s.Under(r, limiter.Address, key)
	return s
}

func admitted(t *testing.T, l *limiter.Local, s limiter.Subject) bool {
	g, err := l.Admit(t.Context(), s)
	g.Settle(0)
	return err == nil
}

func TestLocalFollowsTheClockOfABubble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, r := limiter.NewLocal(limiter.Options{}), rule("r", 1, time.Hour)
		if !admitted(t, l, under(r, "a")) || admitted(t, l, under(r, "a")) {
			t.Error("the first was refused or the second admitted")
		}
		time.Sleep(time.Hour)
		if !admitted(t, l, under(r, "a")) {
			t.Error("refused after an hour")
		}
	})
}

func TestAClockThatGoesBackwardsRefillsNothingTwice(t *testing.T) {
	t.Parallel()
	var ms atomic.Int64
	ten := config.Rate{N: 10, Per: time.Second}
	for _, c := range []config.Limit{{Requests: ten}, {Tokens: ten}} {
		ms.Store(0)
		l := limiter.NewLocal(limiter.Options{Now: func() time.Time { return time.UnixMilli(ms.Load()) }})
		r, passed := limiter.NewRule("r", c), 0
		for i := range 1000 {
			ms.Store(int64(1000 * (i % 2))) // one second in all, seen 500 times
			if g, err := l.Admit(t.Context(), under(r, "a")); err == nil {
				g.Settle(1)
				passed++
			}
		}
		if passed < 10 || passed > 20 {
			t.Errorf("%d passed, want 10 to 20", passed)
		}
	}
}

func TestLocalForgetsThoseWhoAreFullAgain(t *testing.T) {
	t.Parallel()
	var now atomic.Int64
	l := limiter.NewLocal(limiter.Options{Now: func() time.Time { return time.Unix(now.Load(), 0) }})
	r := rule("r", 10, time.Second)
	for i := range 20_000 {
		admitted(t, l, under(r, strconv.Itoa(i)))
	}
	if n := l.Stats().Keys; n != 20_000 {
		t.Errorf("%d are kept while they are limited, want all", n)
	}
	now.Add(1)
	for i := range 20_000 {
		now.Add(1)
		admitted(t, l, under(r, "later-"+strconv.Itoa(i)))
	}
	if n := l.Stats().Keys; n > 4000 {
		t.Errorf("%d of those who are full again are kept", n)
	}
}

func TestBeyondTheCapNewCallersShare(t *testing.T) {
	t.Parallel()
	var now atomic.Int64
	l := limiter.NewLocal(limiter.Options{Now: func() time.Time { return time.Unix(now.Load(), 0) }, Keys: 640})
	r := rule("r", 2, time.Hour)
	passed := 0
	for i := range 100_000 {
		if admitted(t, l, under(r, strconv.Itoa(i))) {
			passed++
		}
	}
	s := l.Stats()
	if s.Keys != 640+64 || s.Shared != 64 || s.Refused != uint64(100_000-passed) {
		t.Errorf("the counts are %+v, want 640 and 64 shared ones", s)
	}
	if want := 640 + 2*64; passed != want {
		t.Errorf("%d new callers passed, want %d", passed, want)
	}
	now.Add(3600)
	for i := range 5000 {
		if !admitted(t, l, under(r, "later-"+strconv.Itoa(i))) {
			t.Fatal("refused when there was room again")
		}
		now.Add(3600)
	}
	if n := l.Stats().Shared; n != 0 {
		t.Errorf("%d are still shared", n)
	}
}

// Whoever was limited in the shared count must not be given a fresh allowance by
// getting one of its own.
func TestRoomOfOnesOwnBeginsWithWhatTheSharedOneHasLeft(t *testing.T) {
	t.Parallel()
	var now atomic.Int64
	l := limiter.NewLocal(limiter.Options{Now: func() time.Time { return time.Unix(now.Load(), 0) }, Keys: 64})
	quick, slow := rule("quick", 1, time.Second), rule("slow", 2, time.Hour)
	for i := range 2000 { // all room taken
		admitted(t, l, under(quick, strconv.Itoa(i)))
	}
	for i := range 2000 { // and the shared one of every shard used up
		admitted(t, l, under(slow, strconv.Itoa(i)))
	}
	now.Add(2) // the quick ones make room
	for i := range 2000 {
		if admitted(t, l, under(slow, strconv.Itoa(i))) {
			t.Fatal("a caller who was limited passed")
		}
	}
	if s := l.Stats(); s.Keys <= s.Shared {
		t.Errorf("nobody has room of their own: %+v", s)
	}
}

func TestAQuestionThatRunsOutlivesEveryEviction(t *testing.T) {
	t.Parallel()
	var now atomic.Int64
	l := limiter.NewLocal(limiter.Options{Now: func() time.Time { return time.Unix(now.Load(), 0) }, Keys: 64})
	r := limiter.NewRule("r", config.Limit{Tokens: config.Rate{N: 100, Per: time.Second}})
	g, err := l.Admit(t.Context(), under(r, "runs"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5000 {
		now.Add(1)
		admitted(t, l, under(r, strconv.Itoa(i)))
	}
	g.Settle(1001)
	if admitted(t, l, under(r, "runs")) {
		t.Error("the debt of a question that ran is forgotten")
	}
}

func TestSettlingAndAdmittingGoTogether(t *testing.T) {
	t.Parallel()
	l := limiter.NewLocal(limiter.Options{Keys: 256})
	r := limiter.NewRule("r", config.Limit{Requests: config.Rate{N: 1000, Per: time.Second}, Tokens: config.Rate{N: 1000, Per: time.Second}, Concurrent: 2})
	all := limiter.NewRule("all", config.Limit{Concurrent: 8})
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 3000 {
				s := under(r, strconv.Itoa(i*(w%3)))
				s.Under(all, limiter.All, "")
				g, err := l.Admit(t.Context(), s)
				if err == nil {
					g.Settle(i % 3)
				}
				if i%500 == 0 {
					l.Stats()
				}
			}
		})
	}
	wg.Wait()
	for i := range 8 {
		if _, err := l.Admit(t.Context(), underAll(all)); err != nil {
			t.Fatalf("place %d is not free again: %v", i, err)
		}
	}
	if admitted(t, l, underAll(all)) {
		t.Error("a ninth runs")
	}
}

// A limit of all callers holds also where their own counts have taken all the room, and when
// some comes free.
func TestALimitOfAllHasOneCount(t *testing.T) {
	t.Parallel()
	l := limiter.NewLocal(limiter.Options{Keys: 1})
	one, all := limiter.NewRule("one", config.Limit{Concurrent: 1}), limiter.NewRule("all", config.Limit{Concurrent: 1})
	first, err := l.Admit(t.Context(), under(one, "alice"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Admit(t.Context(), underAll(all)); err != nil {
		t.Fatal(err)
	}
	first.Settle(1)
	for i := range 1000 { // each looks for room elsewhere
		if admitted(t, l, underAll(all)) {
			t.Fatalf("attempt %d ran beside the first", i)
		}
	}
}

func underAll(r *limiter.Rule) (s limiter.Subject) {
	s.Under(r, limiter.All, "")
	return s
}

// The stated size: a million callers, each with a limit of requests and of tokens
// and a key as long as an IPv6 prefix. Those who were limited before the million and
// the thousands for whom there is no room any more stay so.
func TestAMillionCallersFitIntoTheStatedMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("a million callers")
	}
	const limited, beyond = 100, 5_000
	l, r := limiter.NewLocal(limiter.Options{}), rule("once", 1, 24*time.Hour)
	passed := func() (n int) {
		for i := range limited {
			if admitted(t, l, under(r, "limited-"+strconv.Itoa(i))) {
				n++
			}
		}
		return n
	}
	if n := passed(); n != limited {
		t.Fatalf("%d of %d passed at first", n, limited)
	}
	perCaller := float64(fill(l, 1_000_000)) / 1_000_000
	if n := passed(); n != 0 {
		t.Errorf("%d passed their limits after a million others", n)
	}
	for i := range beyond {
		admitted(t, l, under(r, "beyond-"+strconv.Itoa(i)))
	}
	if s, n := l.Stats(), passed(); n != 0 || s.Keys > limiter.DefaultKeys+s.Shared || s.Shared > 2*64 {
		t.Errorf("%d passed their limits after all; %d are kept, %d of them shared", n, s.Keys, s.Shared)
	}
	t.Logf("%.0f bytes for each of a million callers", perCaller)
	if perCaller > 190 {
		t.Errorf("%.0f bytes for each caller, want at most 190", perCaller)
	}
}

// fill gives l n callers who are limited, and returns what that cost.
func fill(l *limiter.Local, n int) int64 {
	r := limiter.NewRule("r", config.Limit{Requests: config.Rate{N: 20, Per: time.Hour}, Tokens: config.Rate{N: 20, Per: time.Hour}})
	before := heap()
	for i := range n {
		s := under(r, address(i))
		g, err := l.Admit(background, s)
		if err != nil {
			panic(err)
		}
		g.Settle(1)
	}
	grown := heap() - before
	runtime.KeepAlive(l)
	return grown
}

func address(i int) string { return "2001:db8:" + strconv.FormatInt(int64(i)+0x10000000, 16)[1:] }

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
