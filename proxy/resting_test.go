package proxy

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dragoman-gateway/dragoman/proxy/conversation"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/store/embedded"
	"github.com/dragoman-gateway/dragoman/translate"
)

// countingStore counts what is read of conversations.
type countingStore struct {
	store.Store
	store.Editor
	reads, looks atomic.Int64
}

func (s *countingStore) Version(ctx context.Context, owner, id string) (int64, error) {
	s.looks.Add(1)
	return s.Store.Version(ctx, owner, id)
}

func (s *countingStore) Load(ctx context.Context, owner string, ref store.Ref, w store.Window) (*store.Conversation, error) {
	s.reads.Add(1)
	return s.Store.Load(ctx, owner, ref, w)
}

func countReads(t *testing.T) *countingStore {
	t.Helper()
	st, err := embedded.Open("memory:")
	if err != nil {
		t.Fatal(err)
	}
	return &countingStore{Store: st, Editor: st.(store.Editor)}
}

func TestOnlyTheFirstQuestionOfAConversationReadsTheStore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := countReads(t)
		w := newWorldOn(t, conf(backend("a")), map[string][]script{"a": {says("ok")}}, st)
		for range 100 {
			w.ask(t.Context(), w.in("k", w.question("again"))).mustSay(t, "ok")
		}
		if n := st.reads.Load(); n != 1 {
			t.Errorf("100 turns read the store %d times", n)
		}
		if got, want := w.up["a"].Texts(), strings.Repeat("user:again|assistant:ok|", 99)+"user:again"; got != want {
			t.Errorf("the last one was asked with %s", got)
		}
	})
}

func TestAKeptConversationIsFoundByItsIDToo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := countReads(t)
		w := newWorldOn(t, conf(backend("a")), map[string][]script{"a": {says("ok")}}, st)
		q := w.in("k", w.question("1"))
		id := q.Turn.ID()
		w.ask(t.Context(), q).mustSay(t, "ok")
		byID := w.question("2")
		var err error
		if byID.Turn, err = w.g.Enqueue(t.Context(), alice, conversation.Identity{Find: store.Ref{ID: id}}); err != nil {
			t.Fatal(err)
		}
		w.ask(t.Context(), byID).mustSay(t, "ok")
		if n := st.reads.Load(); n != 1 {
			t.Errorf("read %d times", n)
		}
		if _, err := w.g.Enqueue(t.Context(), &Caller{Name: "mallory"}, conversation.Identity{Find: store.Ref{ID: id}}); err == nil {
			t.Error("another caller found it")
		}
	})
}

// A conversation that was found as the newest of its user is looked for Again: it may
// not be that any more.
func TestWhatWasFoundAsTheNewestOfItsUserIsLookedForEachTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a")), map[string][]script{"a": {says("ok")}})
		in := func(agent, text string) {
			t.Helper()
			q := w.question(text)
			var err error
			if q.Turn, err = w.g.Enqueue(t.Context(), alice, conversation.Identity{Find: store.Ref{Key: agent}, Make: &store.Conversation{Key: agent, User: "u"}}); err != nil {
				t.Fatal(err)
			}
			w.ask(t.Context(), q).mustSay(t, "ok")
		}
		newest := func(text string) {
			t.Helper()
			q := w.question(text)
			var err error
			if q.Turn, err = w.g.Enqueue(t.Context(), alice, conversation.Identity{Find: store.Ref{Key: "mine"}, Else: store.Ref{User: "u"}}); err != nil {
				t.Fatal(err)
			}
			w.ask(t.Context(), q).mustSay(t, "ok")
		}
		in("one", "1")
		newest("2")
		time.Sleep(time.Second)
		in("two", "3")
		newest("4")
		if got := w.up["a"].Texts(); got != "user:3|assistant:ok|user:4" {
			t.Errorf("asked with %s", got)
		}
		in("mine", "5")
		if got := w.up["a"].Texts(); got != "user:5" {
			t.Errorf("a conversation of its own was asked with %s", got)
		}
	})
}

func TestWhatIsDeletedUnderAKeptConversationIsNoticedAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a")), map[string][]script{"a": {says("ok")}})
		w.ask(t.Context(), w.in("k", w.question("1"))).mustSay(t, "ok")
		if err := w.st.Delete(t.Context(), "alice", ""); err != nil {
			t.Fatal(err)
		}
		w.ask(t.Context(), w.in("k", w.question("2"))).mustSay(t, "ok")
		w.ask(t.Context(), w.in("k", w.question("3"))).mustSay(t, "ok")
		if got := w.stored("k"); got != "user:2|assistant:ok|user:3|assistant:ok" {
			t.Errorf("stored: %s", got)
		}
	})
}

// TestWhatIsKeptIsWhatIsStored does to a few conversations whatever can be done to
// one, and looks at each step whether the gateway's memory of them is the store's,
// and whether the fingerprints are those of what was said.
func TestWhatIsKeptIsWhatIsStored(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, withPreset(conf(backend("a", kind("rest")))), nil)
				r := rand.New(rand.NewPCG(seed, 0))
				w.up["a"].PlayNth(func(n int) script {
					if n%7 == 6 {
						return script{Steps: []step{text("half"), fails(fault(translate.FaultBroken))}}
					}
					return script{Steps: []step{text(fmt.Sprint("answer ", n)), finish().In(time.Second)}}
				})
				for range 200 {
					w.happen(t, r, fmt.Sprint("k", r.IntN(3)))
					w.mustKeepWhatIsStored(t)
				}
			})
		})
	}
}

// happen does one thing to the conversation key.
func (w *world) happen(t *testing.T, r *rand.Rand, key string) {
	t.Helper()
	ask := func(change func(*question)) {
		q := w.questionOf(alice, []string{"", "p"}[r.IntN(2)], fmt.Sprint("question ", r.IntN(100)))
		q.Request.Context = r.IntN(4)
		if r.IntN(2) == 0 {
			q.Failure = shown
		}
		w.in(key, q)
		if change != nil {
			change(q)
		}
		w.ask(t.Context(), q)
	}
	edit := func(e conversation.Edit) {
		u, err := w.g.Enqueue(t.Context(), alice, talkOf(key))
		if err == nil {
			err = u.Edit(t.Context(), e)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	c, _ := w.st.Load(t.Context(), "alice", store.Ref{Key: key}, store.Newest(1))
	switch n := r.IntN(3); r.IntN(40) {
	default:
		ask(nil)
	case 0:
		ask(func(q *question) { q.Request.Messages, q.Restart = nil, true })
	case 1:
		w.stopped(t, key)
	case 2:
		edit(conversation.Edit{Set: &conversation.SetText{Index: n, Text: "changed"}})
	case 3:
		edit(conversation.Edit{Remove: &n})
	case 4:
		edit(conversation.Edit{Insert: []store.Message{unsaid([]translate.Role{translate.RoleSystem, translate.RoleUser}[r.IntN(2)], "before")}})
	case 5, 6:
		if c != nil && n == 0 {
			_ = w.g.Conversations().Delete(t.Context(), alice.Name, c.ID)
		} else if c != nil {
			_ = w.g.Conversations().Clear(t.Context(), alice.Name, c.ID)
		}
	}
}

// stopped asks a question that its client stops before it is answered in full.
func (w *world) stopped(t *testing.T, key string) {
	ctx, cancel := context.WithCancelCause(t.Context())
	q := w.in(key, w.question("stop"))
	q.KeepPartial = true
	done := make(chan struct{})
	go func() { defer close(done); w.ask(ctx, q) }()
	time.Sleep(500 * time.Millisecond)
	cancel(errLeft)
	<-done
}

func (w *world) mustKeepWhatIsStored(t *testing.T) {
	t.Helper()
	synctest.Wait()
	if err := w.g.Conversations().Verify(t.Context()); err != nil {
		t.Fatal(err)
	}
}
