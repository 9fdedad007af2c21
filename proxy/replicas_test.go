package proxy

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/internal/pgtest"
	"github.com/dragoman-gateway/dragoman/proxy/conversation"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/store/postgres"
)

// replicas are gateways, each of which has opened one PostgreSQL for itself.
func replicas(t *testing.T) [3]*world { return replicasOf(t, backend("a")) }

// replicasOf are replicas with this channel.
func replicasOf(t *testing.T, c config.Channel) (all [3]*world) {
	t.Helper()
	url := pgtest.Start(t).Database(t)
	for i := range all {
		st, err := postgres.Open(url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = st.Close() })
		all[i] = newWorldOn(t, conf(c), map[string][]script{"a": {says("ok")}}, st)
	}
	return all
}

func TestQuestionsOfAnyReplicaAreAnsweredInTheOrderOfTheirArrival(t *testing.T) {
	t.Parallel()
	all := replicas(t)
	const questions = 60
	var want []string
	var done sync.WaitGroup
	for i := range questions { // the conversation is begun by one of them
		w := all[i%3]
		q := w.in("k", w.question(fmt.Sprint(i)))
		want = append(want, fmt.Sprintf("user:%d|assistant:ok", i))
		done.Go(func() { w.ask(t.Context(), q).mustSay(t, "ok") })
	}
	done.Wait()
	if got := all[0].stored("k"); got != strings.Join(want, "|") {
		t.Errorf("stored: %s", got)
	}
}

func TestOfQuestionsThatComeAtOnceToThreeReplicasEachIsAnsweredOnce(t *testing.T) {
	t.Parallel()
	all := replicas(t)
	const questions = 200
	var done sync.WaitGroup
	for i := range questions {
		w := all[i%3]
		done.Go(func() {
			q := w.question(fmt.Sprint(i))
			turn, err := w.g.Enqueue(t.Context(), alice, talkOf("k"))
			if err != nil {
				t.Error(err)
				return
			}
			q.Turn = turn
			w.ask(t.Context(), q).mustSay(t, "ok")
		})
	}
	done.Wait()
	seen := map[string]int{}
	for _, one := range strings.Split(all[0].stored("k"), "|assistant:ok") {
		seen[strings.TrimPrefix(strings.TrimPrefix(one, "|"), "user:")]++
	}
	for i := range questions {
		if seen[fmt.Sprint(i)] != 1 {
			t.Errorf("question %d is stored %d times", i, seen[fmt.Sprint(i)])
		}
	}
}

func TestATurnSeesWhatAnotherReplicaStored(t *testing.T) {
	t.Parallel()
	all := replicas(t)
	for i := range 9 {
		w := all[i/2%3]
		w.ask(t.Context(), w.in("k", w.question(fmt.Sprint(i)))).mustSay(t, "ok")
		if got, want := strings.Count(w.up["a"].Texts(), "user:"), i+1; got != want {
			t.Errorf("question %d was asked with %s", i, w.up["a"].Texts())
		}
		if i == 4 {
			p, err := all[1].g.Enqueue(t.Context(), alice, talkOf("k"))
			if err == nil {
				err = p.Edit(t.Context(), conversation.Edit{Set: &conversation.SetText{Index: 0, Text: "changed"}})
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if said := w.up["a"].Texts(); i > 4 && !strings.Contains(said, "user:changed") {
			t.Errorf("question %d was asked with %s", i, said)
		}
	}
}

// Whoever leaves while others are before it leaves nothing that these wait for.
func TestAQuestionThatIsGivenUpHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	all := replicas(t)
	first, err := all[0].g.Enqueue(t.Context(), alice, talkOf("k"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 6 {
		turn, err := all[i%3].g.Enqueue(t.Context(), alice, talkOf("k"))
		if err != nil {
			t.Fatal(err)
		}
		turn.Done()
	}
	last := all[2].in("k", all[2].question("last"))
	first.Done()
	all[2].ask(t.Context(), last).mustSay(t, "ok")
}

func TestAConversationThatAnotherReplicaDeletedBeginsAnew(t *testing.T) {
	t.Parallel()
	all := replicas(t)
	for round := range 3 {
		for i := range 4 {
			w := all[i%3]
			w.ask(t.Context(), w.in("k", w.question(fmt.Sprint(round, i)))).mustSay(t, "ok")
		}
		stored, err := all[0].st.Load(t.Context(), alice.Name, store.Ref{Key: "k"}, store.Newest(-1))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(all[0].stored("k"), "user:"); got != 4 {
			t.Errorf("round %d: %d questions are stored: %s", round, got, all[0].stored("k"))
		}
		if err := all[2].g.Conversations().Delete(t.Context(), alice.Name, stored.ID); err != nil {
			t.Fatal(err)
		}
	}
}

// What one process does about a removal, several do: see
// TestWhatWasAskedBeforeARemovalIsAnsweredButNotStored.
func TestWhatWasAskedBeforeAnotherReplicaRemovesIsAnsweredButNotStored(t *testing.T) {
	t.Parallel()
	all := replicas(t)
	for _, rm := range removals {
		for _, where := range [][4]int{{0, 1, 2, 0}, {0, 0, 1, 0}, {0, 1, 1, 0}, {0, 1, 0, 2}, {0, 0, 1, 1}} { // what runs, what waits, the removal, the next question
			t.Run(fmt.Sprint(rm.name, where), func(t *testing.T) {
				runs, waits, remover, last := all[where[0]], all[where[1]], all[where[2]], all[where[3]]
				key := fmt.Sprint(rm.name, where)
				for _, w := range all {
					w.ask(t.Context(), w.in(key, w.question("1"))).mustSay(t, "ok")
				}
				x, err := runs.open(t.Context(), runs.in(key, runs.question("2")))
				if err != nil {
					t.Fatal(err)
				}
				old := x.prompt.turn.ID()
				waiting := waits.in(key, waits.question("3"))
				if err := rm.do(remover, old); err != nil {
					t.Fatal(err)
				}
				next := last.in(key, last.question("4"))
				readAll(x).mustSay(t, "ok")
				_ = x.Close()
				waits.ask(t.Context(), waiting).mustSay(t, "ok")
				if got := waits.up["a"].Texts(); got != "user:3" {
					t.Errorf("what waited was asked with %s", got)
				}
				if got := last.stored(key); got != "" {
					t.Errorf("stored before anything new was asked: %s", got)
				}
				last.ask(t.Context(), next).mustSay(t, "ok")
				for _, w := range all {
					w.ask(t.Context(), w.in(key, w.question("5"))).mustSay(t, "ok")
				}
				if got := all[0].stored(key); got != "user:4|assistant:ok"+strings.Repeat("|user:5|assistant:ok", 3) {
					t.Errorf("stored: %s", got)
				}
				for _, w := range all {
					w.mustBeIdle()
				}
			})
		}
	}
}
