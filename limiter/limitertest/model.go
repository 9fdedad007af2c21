package limitertest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/limiter"
)

// count is what the model knows of one bound. It counts in units of which a
// minute refills exactly the limit's number, so that integers suffice.
type count struct {
	limit    config.Limit
	requests int64 // used, times a minute in milliseconds
	tokens   int64 // the same; above the limit: debt
	open     int
}

const minute = 60_000 // milliseconds

func (c *count) advance(ms int64) {
	c.requests = max(c.requests-ms*int64(c.limit.Requests.N), 0)
	c.tokens = max(c.tokens-ms*int64(c.limit.Tokens.N), 0)
}

// lacks returns how many milliseconds, rounded up, must pass before c has room for
// n tokens; -1 if time does not help.
func (c *count) lacks(n int) (ms int64) {
	up := func(over int64, rate int) int64 { return max((over+int64(rate)-1)/int64(rate), 0) }
	if l := c.limit.Requests.N; l > 0 {
		ms = max(ms, up(c.requests+minute-int64(l)*minute, l))
	}
	if l := c.limit.Tokens.N; l > 0 {
		if n > l {
			return -1
		}
		ms = max(ms, up(c.tokens+int64(n)*minute-int64(l)*minute, l))
	}
	if ms == 0 && c.limit.Concurrent > 0 && c.open >= c.limit.Concurrent {
		return -1
	}
	return ms
}

// question is one that the model believes to run.
type question struct {
	grant  limiter.Grant
	counts []*count
	tokens int
}

// world is the model beside the back end.
type world struct {
	*bench
	rnd     *rand.Rand
	counts  map[string]*count
	limits  []config.Limit
	rules   []*limiter.Rule
	running []question
}

// model plays random questions, answers and pauses to the back end and to a model
// with integers, and compares every decision.
func model(t *testing.T, b *bench) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	w := &world{bench: b, rnd: rand.New(rand.NewPCG(seed, 1)), counts: map[string]*count{}}
	w.limits = []config.Limit{
		{Requests: perMinute(10)},
		{Tokens: perMinute(500)},
		{Concurrent: 3},
		{Requests: perMinute(7), Tokens: perMinute(1300), Concurrent: 4},
		{Requests: perMinute(40), Shared: true},
	}
	for i, l := range w.limits {
		w.rules = append(w.rules, limiter.NewRule(name(i), l))
	}
	for step := range 5000 {
		switch p := w.rnd.IntN(10); {
		case p < 5:
			w.ask(t, step)
		case p < 6 && len(w.running) > 0:
			w.more(t, step)
		case p < 8 && len(w.running) > 0:
			w.answer()
		default:
			ms := w.rnd.Int64N(3000)
			w.advance(time.Duration(ms) * time.Millisecond)
			for _, c := range w.counts {
				c.advance(ms)
			}
		}
		if t.Failed() {
			return
		}
	}
}

// subject draws a question of one to four different counts.
func (w *world) subject() (s limiter.Subject, counts []*count) {
	s.Tokens = 1 + w.rnd.IntN(120)
	if w.rnd.IntN(50) == 0 {
		s.Tokens = 600
	}
	for _, i := range w.rnd.Perm(len(w.rules))[:1+w.rnd.IntN(4)] {
		scope, key := limiter.Scope(w.rnd.IntN(3)), name(w.rnd.IntN(3))
		s.Under(w.rules[i], scope, key)
		id := fmt.Sprint(i, scope, key)
		switch {
		case w.limits[i].Shared:
			id = fmt.Sprint(i)
		case scope == limiter.All:
			id = fmt.Sprint(i, "all")
		}
		if w.counts[id] == nil {
			w.counts[id] = &count{limit: w.limits[i]}
		}
		counts = append(counts, w.counts[id])
	}
	return s, counts
}

func (w *world) ask(t *testing.T, step int) {
	s, counts := w.subject()
	var retry int64
	forever := false
	for _, c := range counts {
		ms := c.lacks(s.Tokens)
		retry, forever = max(retry, ms), forever || ms < 0
	}
	g, err := w.Admit(t.Context(), s)
	if want := retry == 0 && !forever; want != (err == nil) {
		t.Errorf("step %d: admitted %v, want %v: %v", step, err == nil, want, err)
		return
	}
	if err == nil {
		for _, c := range counts {
			c.requests += minute
			c.tokens += int64(s.Tokens) * minute
			c.open++
		}
		w.running = append(w.running, question{g, counts, s.Tokens})
		return
	}
	var e *limiter.Exceeded
	if !errors.As(err, &e) {
		t.Errorf("step %d: %v", step, err)
		return
	}
	got := (e.Retry + time.Millisecond - 1).Milliseconds()
	if !e.TooLarge && got != retry {
		t.Errorf("step %d: Retry is %v, want %d ms: %v", step, e.Retry, retry, err)
	}
}

// more raises the estimate of a running question.
func (w *world) more(t *testing.T, step int) {
	q := &w.running[w.rnd.IntN(len(w.running))]
	n := 1 + w.rnd.IntN(60)
	room := true
	for _, c := range q.counts {
		l := int64(c.limit.Tokens.N)
		room = room && (l == 0 || c.tokens+int64(n)*minute <= l*minute)
	}
	if err := q.grant.More(n); (err == nil) != room {
		t.Errorf("step %d: %d tokens more: %v, want %v", step, n, err, room)
	}
	if !room {
		return
	}
	q.tokens += n
	for _, c := range q.counts {
		c.tokens += int64(n) * minute
	}
}

// answer ends a running question with less, as much, or more than was estimated, or
// takes it back.
func (w *world) answer() {
	i := w.rnd.IntN(len(w.running))
	q := w.running[i]
	w.running = append(w.running[:i], w.running[i+1:]...)
	if w.rnd.IntN(4) == 0 {
		q.grant.Cancel()
		for _, c := range q.counts {
			c.open--
			c.requests = max(c.requests-minute, 0)
			c.tokens = max(c.tokens-int64(q.tokens)*minute, 0)
		}
		return
	}
	used := w.rnd.IntN(2 * q.tokens)
	q.grant.Settle(used)
	for _, c := range q.counts {
		c.open--
		c.tokens = max(c.tokens+int64(used-q.tokens)*minute, 0)
	}
}
