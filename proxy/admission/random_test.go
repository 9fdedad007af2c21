package admission

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Questions of three processes come, grow, leave and end at random while the budget is resized, and
// with some seeds the store fails: in the end exactly what they cost is spent, nothing is
// held, and no more was ever taken than the largest budget has, unless the store was away.
func TestWhateverQuestionsDoExactlyWhatTheyCostIsSpent(t *testing.T) {
	t.Parallel()
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			bubble(t, 3, func(t *testing.T, at *till, of []*process) {
				random := rand.New(rand.NewPCG(seed, 1))
				fails := seed%3 == 2
				for _, p := range of {
					p.left(t, &Budget{name: "b", amount: 1}, 1)
				}
				var taken, cost atomic.Int64
				var all sync.WaitGroup
				for i := range 400 {
					q := wild{of: of[i%3], taken: &taken, cost: &cost, random: rand.New(rand.NewPCG(seed, uint64(i+2))), strict: !fails}
					all.Go(func() { q.run(t) })
					if random.IntN(4) == 0 {
						time.Sleep(time.Duration(random.IntN(60)) * time.Millisecond)
					}
					switch n := random.IntN(12); {
					case n == 0:
						at.set(nil, time.Duration(random.IntN(300))*time.Millisecond)
					case n == 1 && fails:
						at.set(errAway, time.Duration(random.IntN(3000))*time.Millisecond)
					}
				}
				at.set(nil, 0)
				all.Wait()
				time.Sleep(time.Minute)
				for _, p := range of {
					p.left(t, &Budget{name: "b", amount: 3000}, 3000-cost.Load())
				}
				time.Sleep(time.Minute)
				for _, p := range of {
					for _, a := range p.accounts.list() {
						if a.held != 0 || a.users != 0 || len(a.wants) > 0 || a.listed {
							t.Errorf("held %d, users %d, wants %d, listed %v", a.held, a.users, len(a.wants), a.listed)
						}
					}
				}
				if taken.Load() != 0 {
					t.Errorf("%d are taken", taken.Load())
				}
				synctest.Wait()
			})
		})
	}
}

// wild is a question that does anything.
type wild struct {
	of          *process
	taken, cost *atomic.Int64 // of all
	random      *rand.Rand
	strict      bool
}

func (q *wild) run(t *testing.T) {
	const most = 1200
	b := &Budget{name: "b", amount: 1000 + int64(q.random.IntN(3))*100}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if q.random.IntN(3) == 0 {
		ctx, cancel = context.WithTimeout(ctx, time.Duration(q.random.IntN(100))*time.Millisecond)
		defer cancel()
	}
	amount := int64(q.random.IntN(20))
	r, err := q.of.accounts.reserve(ctx, b, "alice", amount)
	if err != nil {
		return
	}
	q.takes(t, amount, most)
	time.Sleep(time.Duration(q.random.IntN(500)) * time.Millisecond)
	if more := amount + int64(q.random.IntN(10)); q.random.IntN(2) == 0 && r.grow(ctx, b, more) == nil {
		q.takes(t, more-amount, most)
		amount = more
	}
	time.Sleep(time.Duration(q.random.IntN(500)) * time.Millisecond)
	cost := int64(q.random.IntN(int(amount) + 1))
	q.taken.Add(-amount)
	q.cost.Add(cost)
	r.settle(cost)
}

// takes notes that so much is taken, and wants it within the budget.
func (q *wild) takes(t *testing.T, n, most int64) {
	if all := q.taken.Add(n) + q.cost.Load(); q.strict && all > most {
		t.Errorf("%d of %d are taken", all, most)
	}
}
