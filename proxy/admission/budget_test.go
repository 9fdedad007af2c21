package admission

import (
	"fmt"
	"math"
	"testing"

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
