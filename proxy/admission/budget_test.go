package admission

import (
	"fmt"
	"math"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dragoman-gateway/dragoman/store"
)

func TestASharedBudgetIsOneAccount(t *testing.T) {
	t.Parallel()
	p := &accounts{}
	b := &Budget{name: "all", amount: 2 * Unit, shared: true}
	for i, want := range []bool{true, true, false} {
		_, err := p.reserve(t.Context(), b, fmt.Sprint("caller", i), Unit)
		if (err == nil) != want {
			t.Errorf("caller %d: %v", i, err)
		}
	}
}

func TestAccountsThatNobodyUsesGoWhenThereAreMany(t *testing.T) {
	t.Parallel()
	p := &accounts{}
	b := &Budget{name: "b", amount: 2 * Unit}
	held, err := p.reserve(t.Context(), b, "held", Unit)
	if err != nil {
		t.Fatal(err)
	}
	for i := range maxAccounts + 100 {
		one, err := p.reserve(t.Context(), b, fmt.Sprint(i), Unit)
		if err != nil {
			t.Fatal(err)
		}
		one.settle(0)
	}
	if n := len(p.of); n > maxAccounts {
		t.Errorf("%d accounts are kept", n)
	}
	if p.of[accountKey{"b", "held"}] != held.account {
		t.Error("an account with a reservation went")
	}
}

func TestSumsOfWhatWasSpentEndAtTheLargestThatCanBe(t *testing.T) {
	t.Parallel()
	p := &accounts{}
	b := &Budget{name: "b", amount: Billionths(math.MaxFloat64, MaxSpent)}
	var all []*reservation
	for range 100 {
		one, err := p.reserve(t.Context(), b, "alice", store.MaxCost)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
	for _, one := range all {
		one.settle(MaxSpent)
	}
	w := p.of[accountKey{"b", "alice"}]
	if w.spent != MaxSpent || w.held != 0 {
		t.Errorf("spent %d, held %d", w.spent, w.held)
	}
}

// others are a ledger to which other processes write.
type others struct {
	spent atomic.Int64
	reads atomic.Int64
}

func (*others) Begin() bool   { return true }
func (*others) End()          {}
func (*others) Closing() bool { return false }
func (o *others) Spent(store.EntryFilter) (int64, error) {
	o.reads.Add(1)
	return o.spent.Load(), nil
}

func TestWhatOtherProcessesSpendCountsSoonAfter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ledger := &others{}
		p := &accounts{spendings: ledger, among: true}
		b := &Budget{name: "b", amount: 10 * Unit}
		reserve := func(want bool) {
			t.Helper()
			one, err := p.reserve(t.Context(), b, "alice", Unit)
			if (err == nil) != want {
				t.Errorf("%v", err)
			}
			one.settle(0)
			synctest.Wait()
		}
		reserve(true)
		ledger.spent.Store(10 * Unit)
		reserve(true) // it is believed for a while
		if n := ledger.reads.Load(); n != 1 {
			t.Errorf("the ledger was read %d times", n)
		}
		time.Sleep(othersWait)
		reserve(true) // nobody waits for the reading
		reserve(false)
		ledger.spent.Store(0)
		time.Sleep(othersWait)
		reserve(false)
		reserve(true)
	})
}
