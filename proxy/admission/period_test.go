package admission

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dragoman-gateway/dragoman/store"
)

// untilMidnight sleeps until a moment before the day ends.
func untilMidnight(before time.Duration) {
	now := time.Now().UTC()
	time.Sleep(now.Truncate(24 * time.Hour).Add(24 * time.Hour).Add(-before).Sub(now))
}

// A question that waits for the store while its day ends holds nothing in the next one.
func TestAQuestionThatWaitsForTheStoreAtMidnightHoldsNothingInTheNextDay(t *testing.T) {
	bubble(t, 1, func(t *testing.T, at *till, of []*process) {
		b := &Budget{name: "b", amount: 10}
		of[0].takes(t, b, 1, true).settle(1)
		synctest.Wait()
		untilMidnight(100 * time.Millisecond)
		at.set(nil, time.Second/2)
		var asked []chan *reservation
		for range 2 { // the second one waits until the call of the first one is over
			one := make(chan *reservation, 1)
			asked = append(asked, one)
			go func() {
				r, _ := of[0].accounts.reserve(t.Context(), b, "alice", 4)
				one <- r
			}()
			synctest.Wait()
		}
		time.Sleep(200 * time.Millisecond)
		r := of[0].takes(t, b, 1, true)
		r.settle(0)
		for _, one := range asked {
			(<-one).settle(4)
		}
		at.set(nil, 0)
		time.Sleep(time.Minute)
		of[0].left(t, b, 10)
	})
}

// The same for one that looks again since there may soon be room.
func TestAQuestionThatLooksAgainAfterMidnightHoldsNothingInTheNextDay(t *testing.T) {
	bubble(t, 2, func(t *testing.T, _ *till, of []*process) {
		b := &Budget{name: "b", amount: 10}
		of[0].takes(t, b, 10, true)
		of[1].takes(t, b, 0, true)
		untilMidnight(100 * time.Millisecond)
		asked := make(chan *reservation, 1)
		go func() {
			r, _ := of[1].accounts.reserve(t.Context(), b, "alice", 4)
			asked <- r
		}()
		time.Sleep(110 * time.Millisecond)
		of[1].takes(t, b, 1, true).settle(0)
		(<-asked).settle(4)
		time.Sleep(time.Minute)
		of[1].left(t, b, 10)
	})
}

// dated is a ledger of one process: what was spent at which times.
type dated struct {
	spent atomic.Pointer[map[time.Time]int64]
	takes time.Duration
}

func (*dated) Begin() bool   { return true }
func (*dated) End()          {}
func (*dated) Closing() bool { return false }
func (d *dated) Spent(f store.EntryFilter) (sum int64, err error) {
	time.Sleep(d.takes)
	for at, n := range *d.spent.Load() {
		if at := at.UnixMilli(); f.From <= at && at < f.To {
			sum += n
		}
	}
	return sum, nil
}

func TestABudgetThatBecomesOneOfAMonthKnowsWhatTheMonthHasCost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(10 * 24 * time.Hour)
		ledger := &dated{}
		ledger.spent.Store(&map[time.Time]int64{time.Now().Add(-48 * time.Hour): 6})
		p := &accounts{spendings: ledger}
		stands := func(b *Budget, left int64) {
			t.Helper()
			w, _, err := p.open(t.Context(), b, "alice", time.Now())
			if err != nil || b.left(w) != left {
				t.Errorf("%v, %d is left, want %d", err, b.left(w), left)
			}
			w.mu.Unlock()
			p.giveBack(w)
		}
		day, month := &Budget{name: "b", amount: 10}, &Budget{name: "b", amount: 10, month: true}
		stands(day, 10)
		r, err := p.reserve(t.Context(), day, "alice", 3)
		if err != nil {
			t.Fatal(err)
		}
		r.settle(3)
		ledger.spent.Store(&map[time.Time]int64{time.Now().Add(-48 * time.Hour): 6, time.Now(): 3})
		stands(month, 1)
		stands(day, 7)
		time.Sleep(24 * time.Hour)
		stands(day, 10)
	})
}

// A question whose clock said another day, and that comes to the account after one of the next
// day, does not make that day begin again.
func TestAQuestionOfTheDayBeforeCountsInTheNewDay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		untilMidnight(-time.Second)
		ledger := &dated{}
		ledger.spent.Store(&map[time.Time]int64{})
		p := &accounts{spendings: ledger}
		b := &Budget{name: "b", amount: 10}
		r, err := p.reserve(t.Context(), b, "alice", 4)
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range []time.Duration{-2 * time.Second, -time.Minute} { // the clock may have been set back
			w, _, err := p.open(t.Context(), b, "alice", time.Now().Add(at))
			if err != nil || b.left(w) != 6 {
				t.Fatalf("%v, %d is left", err, b.left(w))
			}
			w.mu.Unlock()
			p.giveBack(w)
		}
		r.settle(3)
		if r, err := p.reserve(t.Context(), b, "alice", 8); err == nil {
			r.settle(0)
			t.Error("it takes more than is left")
		}
		w, _, _ := p.open(t.Context(), b, "alice", time.Now().Add(-23*time.Hour)) // the clock was wrong by far
		if b.left(w) != 10 {
			t.Errorf("%d is left of the day before", b.left(w))
		}
		w.mu.Unlock()
		p.giveBack(w)
		ledger.spent.Store(&map[time.Time]int64{time.Now(): 3})
		w, _, _ = p.open(t.Context(), b, "alice", time.Now())
		if b.left(w) != 7 {
			t.Errorf("%d is left of the new day", b.left(w))
		}
		w.mu.Unlock()
		p.giveBack(w)
	})
}

// The reading of a day that ends meanwhile says nothing of the next day, which is read then.
func TestADayThatBeginsWhileTheLastIsReadIsReadAsWell(t *testing.T) {
	bubble(t, 2, func(t *testing.T, at *till, of []*process) {
		b := &Budget{name: "b", amount: 10}
		untilMidnight(500 * time.Millisecond)
		of[0].reads.Store(int64(time.Second))
		first := make(chan struct{})
		go func() {
			defer close(first)
			r, _ := of[0].accounts.reserve(t.Context(), b, "alice", 1)
			r.settle(0)
		}()
		time.Sleep(600 * time.Millisecond)
		of[1].takes(t, b, 10, true).settle(10)
		of[0].takes(t, b, 1, false)
		<-first
	})
}

// Without a ledger a process that began without the store tells what it has spent since.
func TestWithoutALedgerWhatWasSpentWithoutTheStoreCountsLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		at := &till{}
		p := at.opens(1)[0]
		p.desk.Close()
		at.set(errAway, 0)
		p.desk = New(nil, nil, p.accounts.log)
		p.desk.Join(p)
		defer p.desk.Close()
		p.accounts = &p.desk.accounts
		b := &Budget{name: "b", amount: 10}
		p.takes(t, b, 3, true).settle(3)
		at.set(nil, 0)
		time.Sleep(joinAgain)
		p.left(t, b, 7)
		synctest.Wait()
		p.left(t, b, 7)
	})
}

// A process that ends tells the store what it can in some seconds.
func TestTheEndDoesNotWaitForASlowStore(t *testing.T) {
	bubble(t, 1, func(t *testing.T, at *till, of []*process) {
		var all []*reservation
		for i := range 10 * tellAtOnce {
			r, err := of[0].accounts.reserve(t.Context(), &Budget{name: "b", amount: 10}, string(rune('a'+i)), 1)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, r)
		}
		at.set(nil, 4*time.Second)
		for _, r := range all {
			r.settle(1)
		}
		began := time.Now()
		of[0].desk.Close()
		if took := time.Since(began); took > 2*tellLast {
			t.Errorf("it took %v", took)
		}
	})
}
