package proxy

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/internal/pgtest"
	"github.com/dragoman-gateway/dragoman/store/postgres"
)

// The figures of docs/scaling.md and benchmarks/size. What a question does not wait for is not
// counted: places that are given back, rows of the ledger and signs of life go many at once.
func TestATurnTakesTwoRoundTripsToTheDatabase(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	url := server.Database(t)
	tap := pgtest.StartTap(t, server)
	var all [2]*world
	for i := range all {
		st, err := postgres.Open(tap.Through(server, url))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = st.Close() })
		c := conf(backend("a"))
		c.Ledger.Keep = time.Hour
		all[i] = newWorldOn(t, c, map[string][]script{"a": {says("ok")}}, st)
	}
	const questions = 20
	ask := func(of func(i int) *world) map[string]int {
		tap.Trips()
		for i := range questions {
			w := of(i)
			w.ask(t.Context(), w.in("k", w.question(fmt.Sprint(i)))).mustSay(t, "ok")
		}
		return kinds(t, tap.Trips())
	}
	ask(func(int) *world { return all[0] }) // which makes the conversation
	one := ask(func(int) *world { return all[0] })
	if one["take"] != questions || one["store"] != questions || one["load"]+one["look"] != 0 || one["transaction"] >= questions {
		t.Errorf("%d questions of one process: %v", questions, one)
	}
	other := ask(func(i int) *world { return all[1-i%2] }) // each finds that the other has stored a turn
	if other["take"] != questions || other["store"] != questions || other["load"] > questions+1 {
		t.Errorf("%d questions of two processes by turns: %v", questions, other)
	}
	t.Logf("one process: %v; two by turns: %v", one, other)
}

// kinds counts the round trips of turns by what they are for.
func kinds(t *testing.T, trips []string) map[string]int {
	t.Helper()
	n := map[string]int{}
	for _, trip := range trips {
		kind := "another"
		for _, k := range []struct{ words, kind string }{ // the first that is there
			{"INSERT INTO dragoman.tickets", "take"},
			{"SELECT EXISTS (SELECT FROM dragoman.tickets", "look"}, // where the other has not given back yet
			{"INSERT INTO dragoman.messages", "store"},
			{"FROM dragoman.messages", "load"},
			{"DELETE FROM dragoman.tickets", "background"},
			{"INSERT INTO dragoman.replicas", "background"},
			{"INSERT INTO dragoman.ledger", "background"},
			{"DELETE FROM dragoman.ledger", "background"},
			{"LISTEN", "background"},
			{"pg_notify", "background"},
			{"-- ping", "background"}, // of the pool, where a connection was idle
			{"begin", "transaction"},  // of what removes old rows of the ledger
			{"commit", "transaction"},
		} {
			if strings.Contains(trip, k.words) {
				kind = k.kind
				break
			}
		}
		if n[kind]++; kind == "another" {
			t.Errorf("a round trip that nobody counts:\n%s", trip)
		}
	}
	return n
}
