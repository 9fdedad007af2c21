package proxy

import (
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/limiter"
	"github.com/dragoman-gateway/dragoman/proxy/conversation"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/store/embedded"
	"github.com/dragoman-gateway/dragoman/translate"
)

// windowed is a question that shows the model n messages, itself included.
func (w *world) windowed(key string, n int, text string) *question {
	q := w.in(key, w.question(text))
	q.Request.Context = n
	return q
}

// heldOf returns what is held of the conversation key: reading no message reads no store.
func (w *world) heldOf(t *testing.T, key string) (msgs []store.Message, skipped int) {
	t.Helper()
	u, err := w.g.Enqueue(t.Context(), alice, talkOf(key))
	if err != nil {
		t.Fatal(err)
	}
	defer u.Done()
	if msgs, skipped, err = u.Read(t.Context(), 0, conversation.ReadMost); err != nil {
		t.Fatal(err)
	}
	return msgs, skipped
}

func TestOfALongConversationOnlyTheWindowIsHeld(t *testing.T) {
	for _, url := range []string{"memory:", "sqlite:" + filepath.Join(t.TempDir(), "w.db")} {
		st, err := embedded.Open(url)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = st.Close() }()
		w := newWorldOn(t, withPreset(conf(backend("a"))), map[string][]script{"a": {says("ok")}}, st)
		w.up["a"].PlayNth(func(n int) script { return says(fmt.Sprint("a", n)) })
		system := conversation.Edit{Insert: []store.Message{unsaid(translate.RoleSystem, "be kind")}}
		w.ask(t.Context(), w.windowed("k", 4, "q0"))
		u, err := w.g.Enqueue(t.Context(), alice, talkOf("k"))
		if err == nil {
			err = u.Edit(t.Context(), system)
		}
		if err != nil {
			t.Fatal(err)
		}
		said := []string{"user:q0", "assistant:a0"}
		newest := func(n int) string {
			return "system:be kind|" + strings.Join(said[max(0, len(said)-n):], "|")
		}
		const turns = 200
		for i := 1; i < turns; i++ {
			n := 4
			switch {
			case i%50 == 0:
				n = 0 // everything
			case i%20 == 0:
				n = 60
			}
			w.ask(t.Context(), w.windowed("k", n, fmt.Sprint("q", i)))
			said = append(said, fmt.Sprint("user:q", i))
			if n == 0 {
				n = len(said)
			}
			if got := w.up["a"].Texts(); got != newest(n) {
				t.Fatalf("%s: question %d was asked with %s, want %s", url, i, got, newest(n))
			}
			said = append(said, fmt.Sprint("assistant:a", i))
		}
		msgs, skipped := w.heldOf(t, "k")
		if n := len(msgs); n > 1+2*(4+16) || n+skipped != 2*turns+1 {
			t.Errorf("%s: %d messages are held, %d are not, of %d", url, n, skipped, 2*turns+1)
		}
		q := w.windowed("k", 4, "")
		q.Request.Messages, q.Restart = nil, true
		w.ask(t.Context(), q)
		if got, want := w.up["a"].Texts(), "system:be kind|"+strings.Join(said[len(said)-5:len(said)-1], "|"); got != want {
			t.Errorf("%s: Again: %s, want %s", url, got, want)
		}
		if all := strings.Split(w.stored("k"), "|"); len(all) != 2*turns+1 || !slices.Equal(all[1:2*turns], said[:2*turns-1]) {
			t.Errorf("%s: stored %d: %s", url, len(all), all)
		}
	}
}

// A restart may find that the whole window is what it takes off.
func TestARestartReadsOnWhereTheWindowIsOnlyAnswers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a")), map[string][]script{"a": {says("ok")}})
		c := &store.Conversation{ID: "conv_1", Owner: "alice", Key: "k"}
		turn := store.Turn{At: 1, Messages: []store.Message{unsaid(translate.RoleUser, "q0"), unsaid(translate.RoleAssistant, "a0"), unsaid(translate.RoleUser, "q1")}}
		for range 100 {
			turn.Messages = append(turn.Messages, unsaid(translate.RoleAssistant, "more"))
		}
		if err := w.st.Append(t.Context(), c, turn); err != nil {
			t.Fatal(err)
		}
		q := w.windowed("k", 2, "")
		q.Request.Messages, q.Restart = nil, true
		w.ask(t.Context(), q).mustSay(t, "ok")
		if got := w.up["a"].Texts(); got != "assistant:a0|user:q1" {
			t.Errorf("asked with %s", got)
		}
		if got := w.stored("k"); got != "user:q0|assistant:a0|user:q1|assistant:ok" {
			t.Errorf("stored %s", got)
		}
	})
}

func TestTurnsWithAWindowReadNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := countReads(t)
		w := newWorldOn(t, conf(backend("a")), map[string][]script{"a": {says("ok")}}, st)
		for i := range 300 {
			w.ask(t.Context(), w.windowed("k", 8, fmt.Sprint(i))).mustSay(t, "ok")
		}
		if n := st.reads.Load(); n != 1 {
			t.Errorf("read %d times", n)
		}
	})
}

func TestWhatAQuestionNeedsAndWeighsTooMuchIsReadForEachTurn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a")), map[string][]script{"a": {says("ok")}})
		const most = 1 << 20 // of one conversation
		long := strings.Repeat("x", most/8)
		for i := range 20 {
			w.ask(t.Context(), w.in("k", w.question(fmt.Sprint(i, long)))).mustSay(t, "ok")
			if got := strings.Count(w.up["a"].Texts(), "user:"); got != i+1 {
				t.Fatalf("question %d was asked with %d", i, got)
			}
			if held := w.g.Conversations().Stats().Bytes; held > most+1024+1000 {
				t.Errorf("%d bytes are held after question %d", held, i)
			}
		}
	})
}

// The text that goes before a question is known to limits of tokens, held or not.
func TestTheTextOfWhatIsNotHeldCounts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a")), map[string][]script{"a": {says("1234")}})
		counted := &Caller{Name: "alice", Rules: []*limiter.Rule{limiter.NewRule("t", config.Limit{Tokens: config.Rate{N: 1 << 30, Per: time.Minute}})}}
		for range 200 {
			q := w.windowed("k", 3, "123456")
			w.ask(t.Context(), q).mustSay(t, "1234")
		}
		u, err := w.g.Enqueue(t.Context(), counted, talkOf("k"))
		if err != nil {
			t.Fatal(err)
		}
		defer u.Done()
		if _, skipped, err := u.Read(t.Context(), 0, conversation.ReadMost); err != nil || skipped == 0 {
			t.Fatal("all is held")
		}
		for last, want := range map[int]int{-1: 2000, 0: 0, 1: 4, 2: 10, 10: 50, 200: 1000, 400: 2000, 9999: 2000} {
			if got := u.SentLength(last); got != want {
				t.Errorf("the newest %d have %d bytes of text, not %d", last, want, got)
			}
		}
	})
}

// TestConversationsInUseTakeNoMoreTheLongerTheyAre is about bytes: thousands of turns
// must not leave more behind than the windows.
func TestConversationsInUseTakeNoMoreTheLongerTheyAre(t *testing.T) {
	st, err := embedded.Open("sqlite:" + filepath.Join(t.TempDir(), "m.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = st.Close() }()
	w := newWorldOn(t, conf(backend("a")), map[string][]script{"a": {says(strings.Repeat("a", 4000))}}, st)
	ask := func(from, to int) uint64 {
		for i := from; i < to; i++ {
			w.ask(t.Context(), w.windowed(fmt.Sprint(i%4), 8, strings.Repeat("q", 4000)))
			w.up["a"].Forget()
		}
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := ask(0, 400)
	after := ask(400, 2000)
	if grown := int64(after) - int64(before); grown > 4<<20 { // they are 12.8 MB
		t.Errorf("1,600 turns of 8 KB left %d bytes", grown)
	}
}
