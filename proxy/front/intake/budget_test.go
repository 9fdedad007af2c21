package intake

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// charged is a charge of who for n bytes, or nil where there was no room in time.
func charged(t *testing.T, b *Budget, who string, n int) *Charge {
	t.Helper()
	c := b.Charge(Account{Who: who})
	if c.Grow(t.Context(), n) != nil {
		return nil
	}
	return &c
}

func TestWhoFindsNoRoomWaitsTwoSecondsInAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(400, 10)
		first := charged(t, b, "a", 90)
		c := b.Charge(Account{Who: "a"})
		began := time.Now()
		time.AfterFunc(time.Second, func() { first.Set(80) })
		if err := c.Grow(t.Context(), 20); err != nil || time.Since(began) != time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		if err := c.Grow(t.Context(), 1); err == nil || time.Since(began) != budgetWait {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		if charged(t, b, "b", 100) == nil || time.Since(began) != budgetWait {
			t.Error("another caller had to wait")
		}
		if charged(t, b, "b", 101) != nil || time.Since(began) != budgetWait {
			t.Error("what can never fit was waited for, or fits")
		}
	})
}

func TestNobodyOvertakesWhoWaitsForRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(400, 10)
		var held []*Charge
		for _, who := range []string{"a", "b", "c", "d"} {
			held = append(held, charged(t, b, who, 90))
		}
		order := make(chan string, 3)
		wait := func(who string, n int) {
			go func() {
				if charged(t, b, who, n) != nil {
					order <- who
				}
			}()
			synctest.Wait()
		}
		wait("e", 80) // for all
		wait("a", 20) // for itself
		wait("f", 40) // would fit, but came later
		if len(order) > 0 {
			t.Fatalf("%s was let in", <-order)
		}
		held[1].Release() // 270 are held: e fits, and f behind it
		synctest.Wait()
		if first, second := <-order, <-order; len(order) > 0 || first == "a" || second == "a" {
			t.Errorf("%s and %s were let in", first, second)
		}
		held[0].Release()
		if last := <-order; last != "a" {
			t.Errorf("%s was let in", last)
		}
	})
}

func TestARoomThatNobodyWaitsForAnyMoreIsGivenToTheNext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(400, 10)
		for _, who := range []string{"a", "b", "c"} {
			charged(t, b, who, 100)
		}
		charged(t, b, "d", 50)
		ctx, leave := context.WithCancel(t.Context())
		go b.take(ctx, Account{Who: "e"}, 80, time.Hour)
		synctest.Wait()
		got := make(chan bool, 1)
		go func() { got <- charged(t, b, "f", 50) != nil }()
		synctest.Wait()
		if len(got) > 0 {
			t.Fatal("who came later was let in")
		}
		leave()
		if !<-got {
			t.Error("who came later was refused")
		}
	})
}

func TestAChargeOfNothingFitsWhateverOthersHold(t *testing.T) {
	t.Parallel()
	b := NewBudget(10, 100)
	if charged(t, b, "a", 200) == nil {
		t.Fatal("no room")
	}
	for _, who := range []string{"a", "b"} {
		c := b.Charge(Account{Who: who, Spares: true})
		if !c.Set(0) || c.Held() != 0 || c.Set(1) {
			t.Errorf("%s: %d bytes", who, c.Held())
		}
	}
}

func TestABudgetIsNeverSmallerThanTwoBodies(t *testing.T) {
	t.Parallel()
	b := NewBudget(10, 100)
	if c := charged(t, b, "a", 200); c == nil {
		t.Error("one body and what is made of it do not fit")
	} else {
		c.Release()
	}
	if b.used != 0 || len(b.of) != 0 {
		t.Errorf("%d bytes are left of %v", b.used, b.of)
	}
}
