package admission

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dragoman-gateway/dragoman/store"
)

// till is a store of accounts of several processes.
type till struct {
	mu     sync.Mutex
	fails  error
	slow   time.Duration
	base   map[store.Account]int64
	rows   map[store.Account]map[*process]store.Reserving
	calls  int
	opened int64 // of all accounts
}

// process is one that spends from a till, and its ledger.
type process struct {
	at       *till
	accounts *accounts
	desk     *Desk
	ledger   atomic.Int64
	reads    atomic.Int64 // how long it takes to read the ledger
}

var errAway = errors.New("away")

func (t *till) opens(n int) []*process {
	t.base, t.rows = map[store.Account]int64{}, map[store.Account]map[*process]store.Reserving{}
	all := make([]*process, n)
	for i := range all {
		p := &process{at: t}
		p.desk = New(nil, p, slog.New(slog.DiscardHandler))
		p.desk.Join(p)
		p.accounts = &p.desk.accounts
		all[i] = p
	}
	return all
}

func (p *process) Begin() bool   { return true }
func (p *process) End()          {}
func (p *process) Closing() bool { return false }
func (p *process) Spent(store.EntryFilter) (int64, error) {
	time.Sleep(time.Duration(p.reads.Load()))
	return p.ledger.Load(), nil
}

func (p *process) OpenAccount(_ context.Context, a store.Account, recorded int64) (int64, int64, error) {
	p.at.mu.Lock()
	defer p.at.mu.Unlock()
	if p.at.fails != nil {
		return 0, 0, p.at.fails
	}
	if p.at.rows[a] == nil {
		p.at.rows[a], p.at.base[a] = map[*process]store.Reserving{}, recorded
	}
	return p.at.opened, p.at.rows[a][p].Spent, nil
}

func (p *process) Reserve(ctx context.Context, all []store.Reserving) ([]store.Reserved, error) {
	p.at.mu.Lock()
	slow := p.at.slow
	p.at.mu.Unlock()
	if slow > 0 && rest(ctx, slow) != nil {
		return nil, ctx.Err()
	}
	p.at.mu.Lock()
	defer p.at.mu.Unlock()
	p.at.calls++
	if p.at.fails != nil {
		return nil, p.at.fails
	}
	answers := make([]store.Reserved, len(all))
	for i, r := range all {
		rows := p.at.rows[r.Account]
		if rows == nil || r.Opened != p.at.opened {
			continue
		}
		a := store.Reserved{Open: true, Spent: p.at.base[r.Account]}
		for of, row := range rows {
			if of != p {
				a.Spent, a.Held = a.Spent+row.Spent, a.Held+row.Held
			}
		}
		for _, n := range r.Wants {
			if n > r.Amount-a.Spent-a.Held-r.Spent-r.Held {
				break
			}
			a.Taken++
			r.Held += n
		}
		rows[p], answers[i] = r, a
	}
	return answers, nil
}

func (t *till) set(fails error, slow time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fails, t.slow = fails, slow
}

// takes reserves n in p, and wants it let in or not.
func (p *process) takes(t *testing.T, b *Budget, n int64, want bool) *reservation {
	t.Helper()
	r, err := p.accounts.reserve(t.Context(), b, "alice", n)
	if (err == nil) != want {
		t.Errorf("reserving %d: %v", n, err)
	}
	return r
}

func (p *process) left(t *testing.T, b *Budget, want int64) {
	t.Helper()
	if u, err := p.desk.BudgetOf(t.Context(), b, "alice"); err != nil || u.Left != want {
		t.Errorf("%d is left, %v; want %d", u.Left, err, want)
	}
}

// bubble runs test in a bubble of its own, with processes on one till.
func bubble(t *testing.T, n int, test func(t *testing.T, at *till, of []*process)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		at := &till{}
		of := at.opens(n)
		defer func() {
			for _, p := range of {
				p.desk.Close()
			}
		}()
		test(t, at, of)
	})
}

func TestProcessesLetInTogetherExactlyWhatABudgetHas(t *testing.T) {
	bubble(t, 3, func(t *testing.T, at *till, of []*process) {
		b := &Budget{name: "b", amount: 100}
		at.set(nil, time.Millisecond) // in which others gather
		var let atomic.Int64
		var all sync.WaitGroup
		for i := range 300 {
			all.Go(func() {
				if r, err := of[i%3].accounts.reserve(t.Context(), b, "alice", 1); err == nil {
					let.Add(1)
					r.settle(1)
				}
			})
		}
		all.Wait()
		if let.Load() != 100 {
			t.Errorf("%d are let in", let.Load())
		}
		if at.calls > 60 { // those that wait at the same time share one
			t.Errorf("they took %d calls", at.calls)
		}
		of[1].left(t, b, 0)
		raised := &Budget{name: "b", amount: 101}
		of[2].left(t, raised, 1)
		of[0].takes(t, raised, 1, true)
		of[1].takes(t, raised, 1, false)
		of[1].takes(t, raised, 0, true) // it costs nothing
	})
}

func TestWhatAnAnswerCostsLessIsThereForOtherProcesses(t *testing.T) {
	bubble(t, 2, func(t *testing.T, _ *till, of []*process) {
		b := &Budget{name: "b", amount: 10}
		r := of[0].takes(t, b, 8, true)
		of[1].takes(t, b, 3, false)
		of[1].left(t, b, 2)
		r.settle(5)
		r = of[1].takes(t, b, 4, true) // before the store has heard of it
		if err := r.grow(t.Context(), b, 5); err != nil {
			t.Error(err)
		}
		if err := r.grow(t.Context(), b, 6); err == nil || err.Spent == nil || err.Spent.Left != 5/Unit {
			t.Errorf("it grows beyond the budget: %v", err)
		}
		r.settle(7) // more than its estimate
		of[0].takes(t, b, 1, false)
		of[0].left(t, b, -2)
	})
}

func TestAQuestionThatLeavesReservesNothing(t *testing.T) {
	bubble(t, 2, func(t *testing.T, at *till, of []*process) {
		b := &Budget{name: "b", amount: 10}
		of[0].takes(t, b, 1, true)
		at.set(nil, time.Second)
		ctx, leave := context.WithTimeout(t.Context(), time.Millisecond)
		defer leave()
		if _, err := of[0].accounts.reserve(ctx, b, "alice", 9); err == nil {
			t.Error("it is let in")
		}
		at.set(nil, 0)
		synctest.Wait()
		of[0].left(t, b, 9)
		of[1].left(t, b, 9)
	})
}

func TestWithoutTheStoreEachProcessGoesOnWithWhatItKnows(t *testing.T) {
	bubble(t, 2, func(t *testing.T, at *till, of []*process) {
		b := &Budget{name: "b", amount: 10}
		of[0].takes(t, b, 4, true).settle(4)
		of[1].takes(t, b, 1, true).settle(1)
		synctest.Wait()
		of[0].left(t, b, 5)
		if of[0].desk.SpendsAlone() {
			t.Error("its counts are said to be its own")
		}
		at.set(errors.New("away"), 0)
		began := time.Now()
		a, c := of[0].takes(t, b, 5, true), of[1].takes(t, b, 5, true)
		of[0].takes(t, b, 1, false)
		of[1].takes(t, b, 1, false)
		if took := time.Since(began); took != 0 {
			t.Errorf("they waited for %v", took)
		}
		if !of[0].desk.SpendsAlone() {
			t.Error("its counts are said to be everybody's")
		}
		a.settle(5)
		c.settle(5)
		time.Sleep(time.Minute)
		at.set(nil, 0)
		time.Sleep(tellAgain)
		synctest.Wait()
		of[0].left(t, b, -5)
		of[1].left(t, b, -5)
		raised := &Budget{name: "b", amount: 16}
		of[0].takes(t, raised, 1, true)
		of[1].takes(t, raised, 1, false)
	})
}

func TestASlowStoreIsWaitedForOnce(t *testing.T) {
	bubble(t, 1, func(t *testing.T, at *till, of []*process) {
		b := &Budget{name: "b", amount: 10}
		of[0].takes(t, b, 1, true)
		at.set(nil, 3*ReadWait)
		began := time.Now()
		for range 4 {
			of[0].takes(t, b, 1, true)
		}
		if took := time.Since(began); took != ReadWait {
			t.Errorf("they waited for %v", took)
		}
		at.set(nil, 0)
		time.Sleep(time.Minute)
		of[0].takes(t, b, 1, true) // in the background it is heard that the store is quick again
		synctest.Wait()
		of[0].left(t, b, 4)
	})
}

func TestAPeriodEndsForAllProcesses(t *testing.T) {
	bubble(t, 2, func(t *testing.T, _ *till, of []*process) {
		b := &Budget{name: "b", amount: 10}
		late := of[0].takes(t, b, 6, true)
		of[1].takes(t, b, 4, true).settle(4)
		time.Sleep(25 * time.Hour)
		of[1].takes(t, b, 10, true)
		late.settle(6)
		of[0].takes(t, b, 1, false)
		of[0].left(t, b, 0)
		month := &Budget{name: "b", amount: 10, month: true}
		of[0].ledger.Store(7)
		of[0].left(t, month, 3) // the budget was changed
	})
}

func TestTheLedgerSaysWhatWasSpentBefore(t *testing.T) {
	bubble(t, 2, func(t *testing.T, at *till, of []*process) {
		b := &Budget{name: "b", amount: 10}
		at.set(errors.New("away"), 0)
		of[0].takes(t, b, 3, true).settle(3) // it counts from zero
		of[0].ledger.Store(7)                // of which it has spent 3
		of[1].ledger.Store(7)
		at.set(nil, 0)
		time.Sleep(joinAgain)
		of[0].takes(t, b, 4, false)
		of[0].left(t, b, 3)
		of[1].left(t, b, 3)
	})
}

func TestAnAccountThatTheServerHasLostIsOpenedAnew(t *testing.T) {
	bubble(t, 3, func(t *testing.T, at *till, of []*process) {
		b := &Budget{name: "b", amount: 10}
		for _, p := range of {
			p.takes(t, b, 2, true).settle(2)
			p.ledger.Store(6)
		}
		synctest.Wait()
		at.mu.Lock()
		clear(at.rows)
		at.opened = 1
		at.mu.Unlock()
		var let atomic.Int64
		var all sync.WaitGroup
		for i := range 30 {
			all.Go(func() {
				if _, err := of[i%3].accounts.reserve(t.Context(), b, "alice", 1); err == nil {
					let.Add(1)
				}
			})
		}
		all.Wait()
		if let.Load() != 4 {
			t.Errorf("%d are let in", let.Load())
		}
		of[2].left(t, b, 0)
	})
}

// An account that went since there are many has nothing to tell any more: another one may have taken its
// place.
func TestAnAccountThatWentDoesNotTellWhatItKnew(t *testing.T) {
	bubble(t, 2, func(t *testing.T, _ *till, of []*process) {
		b := &Budget{name: "b", amount: 10}
		of[0].takes(t, b, 3, true).settle(3)
		synctest.Wait()
		p := of[0].accounts
		old := p.list()[accountKey{"b", "alice"}] // somebody looks at it
		for i := range maxAccounts {
			p.of[accountKey{"b", strconv.Itoa(i)}] = &account{}
		}
		p.giveBack(p.take(accountKey{"b", "bob"})) // the others go
		of[0].takes(t, b, 4, true).settle(4)
		old.mu.Lock()
		p.joint.tell(old)
		old.mu.Unlock()
		synctest.Wait()
		of[1].left(t, b, 3)
	})
}

// A store that was away and then took long to answer is asked again, though there is nothing to tell:
// the next question does not decide with what was known by then.
func TestAStoreThatComesBackSlowlyIsAskedAgain(t *testing.T) {
	bubble(t, 2, func(t *testing.T, at *till, of []*process) {
		b := &Budget{name: "b", amount: 10}
		of[1].takes(t, b, 0, true)
		of[0].takes(t, b, 1, true)
		at.set(errAway, 0)
		of[0].takes(t, b, 1, true)
		at.set(nil, 2*ReadWait)
		time.Sleep(tellAgain + ReadWait)
		at.set(nil, 0)
		time.Sleep(time.Minute)
		of[1].takes(t, b, 8, true)
		of[0].takes(t, b, 1, false)
	})
}

func TestWhoeverLooksAtAnAccountThatTheServerHasLostHasItOpenedAnew(t *testing.T) {
	bubble(t, 1, func(t *testing.T, at *till, of []*process) {
		b := &Budget{name: "b", amount: 10}
		of[0].takes(t, b, 2, true).settle(2)
		of[0].ledger.Store(9)
		synctest.Wait()
		at.mu.Lock()
		clear(at.rows)
		at.opened = 1
		at.mu.Unlock()
		of[0].left(t, b, 1)
	})
}
