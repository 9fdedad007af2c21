package proxy

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/proxy/conversation"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/store/embedded"
	"github.com/dragoman-gateway/dragoman/translate"
)

// onOneStore calls test with two gateways that share what they store: in one memory, and
// in one file that each has opened for itself.
func onOneStore(t *testing.T, scripts func() map[string][]script, test func(t *testing.T, one, two *world)) {
	t.Helper()
	t.Parallel()
	t.Run("memory", func(t *testing.T) {
		st, err := embedded.Open("memory:")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = st.Close() })
		test(t, newWorldOn(t, conf(backend("a")), scripts(), st), newWorldOn(t, conf(backend("a")), scripts(), st))
	})
	t.Run("sqlite", func(t *testing.T) {
		url := "sqlite:" + filepath.Join(t.TempDir(), "two.db")
		var both [2]*world
		for i := range both {
			st, err := embedded.Open(url)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = st.Close() })
			both[i] = newWorldOn(t, conf(backend("a")), scripts(), st)
		}
		test(t, both[0], both[1])
	})
}

func TestATurnSeesWhatAnotherGatewayStored(t *testing.T) {
	onOneStore(t, func() map[string][]script { return map[string][]script{"a": {says("ok")}} }, func(t *testing.T, one, two *world) {
		for i := range 6 {
			w := []*world{one, two}[i/2%2]
			w.ask(t.Context(), w.in("k", w.question(fmt.Sprint(i)))).mustSay(t, "ok")
			if got, want := strings.Count(w.up["a"].Texts(), "user:"), i+1; got != want {
				t.Errorf("question %d was asked with %s", i, w.up["a"].Texts())
			}
		}
	})
}

func TestAnAnswerAnewNeverRemovesWhatAnotherGatewayStored(t *testing.T) {
	onOneStore(t, func() map[string][]script { return map[string][]script{"a": {says("ok"), says("anew")}} }, func(t *testing.T, one, two *world) {
		one.ask(t.Context(), one.in("k", one.question("1"))).mustSay(t, "ok")
		two.ask(t.Context(), two.in("k", two.question("2"))).mustSay(t, "ok")
		q := one.in("k", one.question(""))
		q.Restart = true
		one.ask(t.Context(), q).mustSay(t, "anew")
		if got, want := two.stored("k"), "user:1|assistant:ok|user:2|assistant:anew"; got != want {
			t.Errorf("stored: %s, want %s", got, want)
		}
	})
}

func TestAnAnswerToWhatIsNotSoAnyMoreIsRefusedAndNotStored(t *testing.T) {
	for _, change := range []struct {
		name string
		do   func(t *testing.T, w *world)
		then string
	}{
		{"a turn", func(t *testing.T, w *world) { w.ask(t.Context(), w.in("k", w.question("2"))).mustSay(t, "ok") }, "user:1|assistant:ok|user:2|assistant:ok"},
		{"an edit", func(t *testing.T, w *world) {
			p, err := w.g.Enqueue(t.Context(), alice, talkOf("k"))
			if err == nil {
				err = p.Edit(t.Context(), conversation.Edit{Set: &conversation.SetText{Index: 0, Text: "changed"}})
			}
			if err != nil {
				t.Fatal(err)
			}
		}, "user:changed|assistant:ok"},
		{"a clear", func(t *testing.T, w *world) {
			c, err := w.st.Load(t.Context(), "alice", store.Ref{Key: "k"}, store.Newest(-1))
			if err == nil {
				err = w.g.Conversations().Clear(t.Context(), alice.Name, c.ID)
			}
			if err != nil {
				t.Fatal(err)
			}
		}, ""},
	} {
		for _, restart := range []bool{false, true} {
			t.Run(fmt.Sprint(change.name, " under an answer, anew: ", restart), func(t *testing.T) {
				onOneStore(t, func() map[string][]script { return map[string][]script{"a": {says("ok")}} }, func(t *testing.T, one, two *world) {
					one.ask(t.Context(), one.in("k", one.question("1"))).mustSay(t, "ok")
					q := one.in("k", one.question("late"))
					if q.Restart = restart; restart {
						q.Request.Messages = nil
					}
					x, err := one.open(t.Context(), q)
					if err != nil {
						t.Fatal(err)
					}
					change.do(t, two)
					r := readAll(x)
					_ = x.Close()
					r.mustFail(t, translate.CodeUnavailable, 0)
					for _, ev := range r.events {
						if ev.Kind == translate.KindFinish {
							t.Error("the end went out")
						}
					}
					if got := one.stored("k"); got != change.then {
						t.Errorf("stored: %s, want %s", got, change.then)
					}
					one.ask(t.Context(), one.in("k", one.question("again"))).mustSay(t, "ok")
					want := change.then + "|user:again|assistant:ok"
					if got := one.stored("k"); got != strings.TrimPrefix(want, "|") {
						t.Errorf("then stored: %s", got)
					}
				})
			})
		}
	}
}

func TestOfTwoGatewaysThatBeginOneConversationOneIsRefused(t *testing.T) {
	onOneStore(t, func() map[string][]script { return map[string][]script{"a": {says("ok")}} }, func(t *testing.T, one, two *world) {
		x, err := one.open(t.Context(), one.in("k", one.question("late")))
		if err != nil {
			t.Fatal(err)
		}
		two.ask(t.Context(), two.in("k", two.question("1"))).mustSay(t, "ok")
		readAll(x).mustFail(t, translate.CodeUnavailable, 0)
		_ = x.Close()
		one.ask(t.Context(), one.in("k", one.question("2"))).mustSay(t, "ok")
		if got := two.stored("k"); got != "user:1|assistant:ok|user:2|assistant:ok" {
			t.Errorf("stored: %s", got)
		}
	})
}

// TestWhateverTwoGatewaysDoToOneConversationEachTurnIsWhole lets both ask, ask again and
// edit at once: what was acknowledged is there, behind all that it was answered for, and
// what was refused is not.
func TestWhateverTwoGatewaysDoToOneConversationEachTurnIsWhole(t *testing.T) {
	echo := func() map[string][]script { return map[string][]script{"a": {}} }
	onOneStore(t, echo, func(t *testing.T, one, two *world) {
		var mu sync.Mutex
		acknowledged, refused := map[string]bool{}, 0
		var all sync.WaitGroup
		for i := range 4 {
			w := []*world{one, two}[i%2]
			if i < 2 {
				w.up["a"].PlayNth(func(n int) script { return says(fmt.Sprintf("answer %d/%d", i, n)) })
			}
			r := rand.New(rand.NewPCG(uint64(i), 0))
			all.Go(func() {
				for n := range 40 {
					q := w.question(fmt.Sprintf("question %d/%d", i, n))
					turn, err := w.g.Enqueue(context.Background(), q.Caller, talkOf("k"))
					if err != nil {
						t.Error(err)
						return
					}
					q.Turn = turn
					res := w.ask(t.Context(), q)
					mu.Lock()
					if res.err == nil {
						acknowledged[q.Request.Messages[0].Text()+"|assistant:"+res.text] = true
					} else if refused++; res.err.Code != translate.CodeUnavailable {
						t.Errorf("refused with %v", res.err)
					}
					mu.Unlock()
					if r.IntN(8) == 0 {
						time.Sleep(time.Duration(r.IntN(3)) * time.Millisecond)
					}
				}
			})
		}
		all.Wait()
		stored := strings.Split(strings.TrimPrefix(one.stored("k"), "user:"), "|user:")
		for _, turn := range stored {
			if !acknowledged[turn] {
				t.Errorf("%q is stored but was not acknowledged", turn)
			}
			delete(acknowledged, turn)
		}
		if len(acknowledged) > 0 || len(stored)+refused != 160 {
			t.Errorf("%d turns are lost; %d are stored, %d were refused", len(acknowledged), len(stored), refused)
		}
		t.Logf("%d stored, %d refused", len(stored), refused)
	})
}

func TestWhoHasTheStoreForItselfLooksOnlyAtWhatRestedForLong(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := countReads(t)
		w := newWorldWith(t, conf(backend("a")), map[string][]script{"a": {says("ok")}}, st, Options{Sole: true})
		for range 100 {
			w.ask(t.Context(), w.in("k", w.question("again"))).mustSay(t, "ok")
			time.Sleep(time.Minute / 2)
		}
		if n := st.looks.Load(); n != 0 {
			t.Errorf("looked %d times at what is used all the time", n)
		}
		time.Sleep(time.Minute)
		w.ask(t.Context(), w.in("k", w.question("again"))).mustSay(t, "ok")
		if n := st.looks.Load(); n != 1 {
			t.Errorf("looked %d times at what rested", n)
		}
	})
}

func TestWhoLearnsThatTheStoreIsNotForItselfLooksFromThenOn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := countReads(t)
		scripts := map[string][]script{"a": {says("ok")}}
		one := newWorldWith(t, conf(backend("a")), scripts, st, Options{Sole: true})
		two := newWorldOn(t, conf(backend("a")), scripts, st)
		both := func(key string) (first, second result) {
			one.ask(t.Context(), one.in(key, one.question("1"))).mustSay(t, "ok")
			two.ask(t.Context(), two.in(key, two.question("2"))).mustSay(t, "ok")
			first = one.ask(t.Context(), one.in(key, one.question("3")))
			return first, one.ask(t.Context(), one.in(key, one.question("4")))
		}
		first, second := both("k")
		first.mustFail(t, translate.CodeUnavailable, 0)
		second.mustSay(t, "ok")
		if got, want := one.stored("k"), "user:1|assistant:ok|user:2|assistant:ok|user:4|assistant:ok"; got != want {
			t.Errorf("stored %s, want %s", got, want)
		}
		first, second = both("other")
		first.mustSay(t, "ok")
		second.mustSay(t, "ok")
		if n := strings.Count(one.log.String(), "another process writes"); n != 1 {
			t.Errorf("said %d times in the log", n)
		}
	})
}

func TestAConversationThatAnotherProcessSharedIsLookedAtOnceMore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := countReads(t)
		scripts := map[string][]script{"a": {says("ok")}}
		one := newWorldWith(t, conf(backend("a")), scripts, st, Options{Sole: true})
		two := newWorldOn(t, conf(backend("a")), scripts, st)
		say := func(w *world, text string) { w.ask(t.Context(), w.in("k", w.question(text))).mustSay(t, "ok") }
		say(one, "1")
		one.g.Share(true)
		say(two, "2")
		say(one, "3")
		say(two, "4")
		one.g.Share(false)
		for i, looks := range []int64{1, 0} { // the store is its own again from then on
			before := st.looks.Load()
			say(one, fmt.Sprint(5+i))
			if n := st.looks.Load() - before; n != looks {
				t.Errorf("question %d looks %d times", 5+i, n)
			}
		}
		if got, want := strings.Count(one.stored("k"), "user:"), 6; got != want || strings.Contains(one.log.String(), "another process writes") {
			t.Errorf("stored %s; the log says %s", one.stored("k"), one.log.String())
		}
	})
}
