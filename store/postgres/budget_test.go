package postgres

import (
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/pgtest"
	"github.com/dragoman-gateway/dragoman/store"
)

var december = store.Account{Rule: "tight", Caller: "alice", From: 1000, To: math.MaxInt64 / 2}

func TestBudgetsOfSeveralProcesses(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	for name, test := range map[string]func(*testing.T, *pgtest.Server){
		"processes reserve together what a budget has":                reserveTogether,
		"what a dead process held is free, and what it spent is not":  deadReserve,
		"a call that comes late changes nothing":                      callsLate,
		"accounts of long ago are forgotten, also behind a pooler":    forgetsAccounts,
		"hundreds at once on three stores take exactly what there is": hundredsAtOnce,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, server)
		})
	}
}

// openBudget opens an account of s, and wants it to have spent so much itself.
func openBudget(t *testing.T, s store.Store, a store.Account, recorded, spent int64) (opened int64) {
	t.Helper()
	opened, got, err := s.(store.Budgeter).OpenAccount(t.Context(), a, recorded)
	if err != nil || got != spent {
		t.Errorf("the process has spent %d, %v; want %d", got, err, spent)
	}
	return opened
}

// stands tells s how one account stands, and wants an answer.
func stands(t *testing.T, s store.Store, r store.Reserving, want store.Reserved) {
	t.Helper()
	got, err := s.(store.Budgeter).Reserve(t.Context(), []store.Reserving{r})
	if err != nil || len(got) != 1 || got[0] != want {
		t.Errorf("%+v: got %+v, %v; want %+v", r, got, err, want)
	}
}

func reserveTogether(t *testing.T, server *pgtest.Server) {
	url := server.Database(t)
	a, b := opened(t, url), opened(t, url)
	var opened int64
	at := func(spent, held int64, wants ...int64) store.Reserving {
		return store.Reserving{Account: december, Opened: opened, Spent: spent, Held: held, Amount: 100, Wants: wants}
	}
	stands(t, a, at(0, 0, 1), store.Reserved{}) // it is not open
	opened = openBudget(t, a, december, 10, 0)
	if other := openBudget(t, b, december, 10, 0); other != opened {
		t.Errorf("one account has the numbers %d and %d", opened, other)
	}
	stands(t, a, at(0, 0, 20, 30), store.Reserved{Open: true, Taken: 2, Spent: 10})
	stands(t, b, at(0, 0, 30, 11, 1), store.Reserved{Open: true, Taken: 1, Spent: 10, Held: 50})
	stands(t, a, at(5, 30), store.Reserved{Open: true, Spent: 10, Held: 30}) // one question cost less
	stands(t, b, at(0, 30, 25), store.Reserved{Open: true, Taken: 1, Spent: 15, Held: 30})
	stands(t, b, at(0, 55, 1), store.Reserved{Open: true, Spent: 15, Held: 30})
	stands(t, a, at(90, 0), store.Reserved{Open: true, Spent: 10, Held: 55}) // the other one cost more
	stands(t, b, at(0, 0, 1), store.Reserved{Open: true, Spent: 100})

	openBudget(t, b, december, 100, 0) // the ledger says no more
	openBudget(t, a, december, 130, 90)
	stands(t, b, at(0, 0), store.Reserved{Open: true, Spent: 130}) // somebody spent it who tells no account
	raised := at(0, 0, 20, 1)
	raised.Amount = 150
	stands(t, b, raised, store.Reserved{Open: true, Taken: 1, Spent: 130})
	next := at(0, 0, 100)
	next.From = 2000
	stands(t, b, next, store.Reserved{})
	next.Opened = openBudget(t, b, next.Account, 0, 0)
	stands(t, b, next, store.Reserved{Open: true, Taken: 1})
	huge := at(1<<60, 1<<60, 1<<60, 1<<60)
	huge.Amount = 1 << 60
	stands(t, b, huge, store.Reserved{Open: true, Spent: 130})
	stands(t, a, at(1<<60, 1<<60), store.Reserved{Open: true, Spent: 1 << 60, Held: 1 << 60})
	stands(t, b, huge, store.Reserved{Open: true, Spent: 1 << 60, Held: 1 << 60})
}

func deadReserve(t *testing.T, server *pgtest.Server) {
	url := server.Database(t)
	dead, other := opened(t, url).(*database), opened(t, url)
	all := store.Reserving{Account: december, Opened: openBudget(t, dead, december, 0, 0), Spent: 7, Amount: 100, Wants: []int64{93}}
	stands(t, dead, all, store.Reserved{Open: true, Taken: 1})
	all.Spent = 0
	stands(t, other, all, store.Reserved{Open: true, Spent: 7, Held: 93})
	dead.leases.cancel() // no more is heard of it
	dead.leases.done.Wait()
	server.Exec(t, pgtest.NameOf(url), `UPDATE dragoman.replicas SET seen = seen - interval '7 seconds' WHERE replica = '`+dead.leases.replica+`'`)
	stands(t, other, all, store.Reserved{Open: true, Taken: 1, Spent: 7})
}

func callsLate(t *testing.T, server *pgtest.Server) {
	url := server.Database(t)
	a, b := opened(t, url).(*database), opened(t, url)
	now := store.Reserving{Account: december, Opened: openBudget(t, a, december, 0, 0), Spent: 7, Amount: 100}
	stands(t, a, now, store.Reserved{Open: true})
	a.calls.Store(0) // as one that was on its way since before
	now.Spent = 3
	stands(t, a, now, store.Reserved{Open: true})
	now.Spent = 0
	stands(t, b, now, store.Reserved{Open: true, Spent: 7})
}

// A pooler knows no prepared statements.
func forgetsAccounts(t *testing.T, server *pgtest.Server) {
	s := opened(t, pgtest.StartPooler(t, server).Through(server, server.Database(t)))
	old := december
	old.To = 2000
	gone := openBudget(t, s, old, 5, 0)
	opened := openBudget(t, s, december, 5, 0)
	stands(t, s, store.Reserving{Account: old, Opened: gone, Amount: 9}, store.Reserved{})
	stands(t, s, store.Reserving{Account: december, Opened: opened, Amount: 9, Wants: []int64{3, 3}}, store.Reserved{Open: true, Taken: 1, Spent: 5})
}

// Of hundreds that ask at once on several stores as many are let in as there is room for: each
// store makes one call after the other, of all who wait and several accounts in any order.
func hundredsAtOnce(t *testing.T, server *pgtest.Server) {
	url := server.Database(t)
	accounts := make([]store.Account, 5)
	for i := range accounts {
		accounts[i] = december
		accounts[i].Caller = fmt.Sprint("caller ", i)
	}
	var taken [5]atomic.Int64
	var all sync.WaitGroup
	for n := range 3 {
		s := opened(t, url)
		var opened [5]int64
		for i, a := range accounts {
			opened[i] = openBudget(t, s, a, 0, 0)
		}
		all.Go(func() {
			var held [5]int64
			for round := range 20 {
				var asks []store.Reserving
				for i := range accounts {
					of := (i + n) % len(accounts)
					asks = append(asks, store.Reserving{Account: accounts[of], Opened: opened[of], Held: held[of], Amount: 100, Wants: []int64{1, 1, 1, 1, 1}[:1+(round+n)%5]})
				}
				got, err := s.(store.Budgeter).Reserve(t.Context(), asks)
				if err != nil {
					t.Error(err)
					return
				}
				for i := range got {
					of := (i + n) % len(accounts)
					held[of] += int64(got[i].Taken)
					taken[of].Add(int64(got[i].Taken))
				}
			}
		})
	}
	all.Wait()
	for i := range taken {
		if n := taken[i].Load(); n != 100 {
			t.Errorf("%d of account %d are taken", n, i)
		}
	}
}

// What a dead process held is not counted as told: the ledger may have what its questions cost.
func TestWhatTheLedgerHasOfADeadProcessIsSpent(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	url := server.Database(t)
	dead, other := opened(t, url).(*database), opened(t, url)
	number := openBudget(t, dead, december, 0, 0)
	stands(t, dead, store.Reserving{Account: december, Opened: number, Amount: 100, Wants: []int64{20}}, store.Reserved{Open: true, Taken: 1})
	openBudget(t, other, december, 8, 0) // its answer has ended, of which it will tell
	stands(t, other, store.Reserving{Account: december, Opened: number, Amount: 100}, store.Reserved{Open: true, Held: 20})
	dead.leases.cancel()
	dead.leases.done.Wait()
	server.Exec(t, pgtest.NameOf(url), `UPDATE dragoman.replicas SET seen = seen - interval '7 seconds' WHERE replica = '`+dead.leases.replica+`'`)
	openBudget(t, other, december, 8, 0)
	stands(t, other, store.Reserving{Account: december, Opened: number, Amount: 100, Wants: []int64{93}}, store.Reserved{Open: true, Spent: 8})
}
