package proxy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/store"
)

func aging(keep time.Duration) *config.Config {
	c := conf(backend("a"))
	c.Store.Keep = keep
	return c
}

// logged is what the gateway has logged up to now.
func logged(w *world) string {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.String()
}

func TestAConversationIsForgottenAsLongAfterItsLastChangeAsTheFileSays(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, aging(24*time.Hour), map[string][]script{"a": {says("ok")}})
		w.ask(t.Context(), w.in("old", w.question("1"))).mustSay(t, "ok")
		w.ask(t.Context(), w.in("used", w.question("2"))).mustSay(t, "ok")
		time.Sleep(20 * time.Hour)
		w.ask(t.Context(), w.in("used", w.question("3"))).mustSay(t, "ok")
		time.Sleep(3 * time.Hour)
		if w.stored("old") == "" {
			t.Error("it was removed too early")
		}
		time.Sleep(4 * time.Hour)
		synctest.Wait()
		if got := w.stored("old"); got != "" {
			t.Errorf("it is kept for too long: %s", got)
		}
		if got := w.stored("used"); strings.Count(got, "ok") != 2 {
			t.Errorf("the one that was used says %q", got)
		}
		// What memory held of it is forgotten as well.
		w.ask(t.Context(), w.in("old", w.question("4"))).mustSay(t, "ok")
		if got := w.up["a"].Texts(); got != "user:4" {
			t.Errorf("after it the model was asked with %s", got)
		}
		w.ask(t.Context(), w.in("used", w.question("5"))).mustSay(t, "ok")
		if got := w.up["a"].Texts(); got != "user:2|assistant:ok|user:3|assistant:ok|user:5" {
			t.Errorf("in the other one it was asked with %s", got)
		}
		if said := logged(w); !strings.Contains(said, "conversations=1") {
			t.Errorf("the log says %s", said)
		}
	})
}

func TestWithoutAnAgeConversationsAreKeptForEver(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, aging(0), map[string][]script{"a": {says("ok")}})
		w.ask(t.Context(), w.in("old", w.question("1"))).mustSay(t, "ok")
		time.Sleep(100 * 365 * 24 * time.Hour)
		if w.stored("old") == "" {
			t.Error("it was removed")
		}
	})
}

func TestAConversationIsNotRemovedWhileAQuestionIsUnderWayInIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, aging(10*time.Second), map[string][]script{"a": {says("ok"), {Steps: []step{text("slow"), text("er").In(20 * time.Second), finish()}}, says("ok")}})
		w.ask(t.Context(), w.in("k", w.question("1"))).mustSay(t, "ok")
		time.Sleep(5 * time.Second)
		w.ask(t.Context(), w.in("k", w.question("2"))).mustSay(t, "slower")
		if got := w.stored("k"); strings.Count(got, "assistant") != 2 {
			t.Errorf("a turn was lost: %q", got)
		}
		// A place in its queue is enough.
		q := w.in("k", w.question("3"))
		time.Sleep(time.Minute)
		if w.stored("k") == "" {
			t.Error("it was removed under a question that had its place")
		}
		w.ask(t.Context(), q).mustSay(t, "ok")
		time.Sleep(time.Minute)
		if got := w.stored("k"); got != "" {
			t.Errorf("unused it is kept: %s", got)
		}
	})
}

func TestOldConversationsOfManyOwnersGoAFewAtATime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := &countingExpirer{Store: countReads(t).Store}
		const owners, each = 5, 300
		for i := range owners * each {
			c := &store.Conversation{ID: fmt.Sprint("conv_", i), Owner: fmt.Sprint("o", i%owners)}
			if err := st.Append(t.Context(), c, store.Turn{At: 1}); err != nil {
				t.Fatal(err)
			}
		}
		newWorldOn(t, aging(time.Hour), map[string][]script{"a": {says("ok")}}, st)
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		for i := range owners {
			if _, left, err := st.List(t.Context(), store.Filter{Owner: fmt.Sprint("o", i)}); err != nil || left != 0 {
				t.Errorf("o%d has %d left, %v", i, left, err)
			}
		}
		if st.most > 64 {
			t.Errorf("%d were removed at once", st.most)
		}
	})
}

// countingExpirer counts what is removed at once, and fails as often as fails says, after
// it has done what was asked.
type countingExpirer struct {
	store.Store
	most, fails int
}

func (s *countingExpirer) Stale(ctx context.Context, before int64, after string, limit int) ([]store.Owned, error) {
	return s.Store.(store.Expirer).Stale(ctx, before, after, limit)
}

func (s *countingExpirer) Expire(ctx context.Context, owner string, ids []string, before int64) ([]string, error) {
	gone, err := s.Store.(store.Expirer).Expire(ctx, owner, ids, before)
	s.most = max(s.most, len(gone))
	if s.fails > 0 {
		s.fails--
		return nil, errors.New("the disk is full")
	}
	return gone, err
}

func TestWhatCouldNotBeRemovedForSureIsReadAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := &countingExpirer{Store: countReads(t).Store, fails: 1}
		w := newWorldOn(t, aging(time.Minute), map[string][]script{"a": {says("ok")}}, st)
		w.ask(t.Context(), w.in("k", w.question("1"))).mustSay(t, "ok")
		time.Sleep(2 * time.Minute)
		if said := logged(w); !strings.Contains(said, "could not be removed") {
			t.Errorf("the log says %s", said)
		}
		w.ask(t.Context(), w.in("k", w.question("2"))).mustSay(t, "ok")
		if got := w.up["a"].Texts(); got != "user:2" {
			t.Errorf("the model was asked with %s", got)
		}
	})
}
