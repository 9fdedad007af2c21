package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/proxy/conversation"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/store/embedded"
	"github.com/dragoman-gateway/dragoman/translate"
)

// withPreset adds the presets p, with everything, and h, which sees two messages.
func withPreset(c *config.Config) *config.Config {
	n, hot := 77, 1.5
	c.Presets = map[string]config.Preset{
		"p": {Model: "m", System: "be brief", MaxTokens: &n, Temperature: &hot, TopP: &hot},
		"h": {Model: "m", System: "be brief", History: 2},
	}
	return c
}

func TestTurnsOfOneConversationRunInTheirOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a")), map[string][]script{"a": {{Steps: []step{text("ok").In(time.Second), finish()}}}})
		const n = 100
		var all sync.WaitGroup
		running, most := 0, 0
		var mu sync.Mutex
		for i := range n {
			q := w.in("k", w.question(fmt.Sprint(i)))
			all.Go(func() {
				x, err := w.open(t.Context(), q)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				running++
				most = max(most, running)
				mu.Unlock()
				readAll(x).mustSay(t, "ok")
				mu.Lock()
				running--
				mu.Unlock()
				_ = x.Close()
			})
		}
		all.Wait()
		var want []string
		for i := range n {
			want = append(want, fmt.Sprintf("user:%d|assistant:ok", i))
		}
		if got := w.stored("k"); got != strings.Join(want, "|") {
			t.Errorf("stored in the order %s", got)
		}
		if most != 1 {
			t.Errorf("%d ran at once", most)
		}
	})
}

func TestOtherConversationsRunBesideIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a")), map[string][]script{"a": {{Steps: []step{text("ok").In(time.Second), finish()}}}})
		var all sync.WaitGroup
		took := elapsed(func() {
			for i := range 50 {
				q := w.in(fmt.Sprint(i), w.question("hi"))
				all.Go(func() { w.ask(t.Context(), q).mustSay(t, "ok") })
			}
			all.Wait()
		})
		mustTake(t, took, time.Second, time.Second)
	})
}

func TestCallersDoNotShareAKey(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a")), map[string][]script{"a": {says("ok")}})
		one, err := w.g.Enqueue(t.Context(), &Caller{Name: "al"}, talkOf("ice\x00k"))
		if err != nil {
			t.Fatal(err)
		}
		two, err := w.g.Enqueue(t.Context(), &Caller{Name: "al\x00ice"}, talkOf("k"))
		if err != nil {
			t.Fatal(err)
		}
		if one.ID() == two.ID() {
			t.Error("two callers got one conversation")
		}
		one.Done()
		two.Done()
	})
}

func TestAConversationThatIsNotThereCannotBeContinued(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a")), map[string][]script{"a": {says("ok")}})
		_, err := w.g.Enqueue(t.Context(), alice, conversation.Identity{Find: store.Ref{ID: "conv_none"}})
		if e := typed(err); e.Code != translate.CodeConversation {
			t.Errorf("got %v", err)
		}
	})
}

func TestTheTurnIsStoredBeforeItsFinishIsSeen(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a")), map[string][]script{"a": {says("one")}})
		x, err := w.open(t.Context(), w.in("k", w.question("hi")))
		if err != nil {
			t.Fatal(err)
		}
		defer x.Close()
		for {
			ev, err := x.Next()
			if err != nil {
				t.Fatal(err)
			}
			stored := w.stored("k")
			if ev.Kind == translate.KindFinish {
				if stored != "user:hi|assistant:one" {
					t.Errorf("at the finish there is %q", stored)
				}
				break
			}
			if stored != "" {
				t.Errorf("stored too early: %q", stored)
			}
		}
		if ev, err := x.Next(); err != nil || ev.Kind != translate.KindUsage || !ev.Usage.Estimated {
			t.Errorf("%+v, %v", ev, err)
		}
		if _, err := x.Next(); err != io.EOF {
			t.Error(err)
		}
	})
}

// badStore fails to append.
type badStore struct{ store.Store }

func (badStore) Append(context.Context, *store.Conversation, store.Turn) error {
	return errors.New("disk full at /secret")
}

func TestAnAnswerThatCannotBeStoredEndsInAnError(t *testing.T) {
	t.Parallel()
	for _, stream := range []bool{true, false} {
		t.Run(fmt.Sprintf("stream=%v", stream), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				st, _ := embedded.Open("memory:")
				w := newWorldOn(t, conf(backend("a")), map[string][]script{"a": {says("one")}}, badStore{st})
				q := w.in("k", w.question("hi"))
				q.Request.Stream = stream
				x, err := w.open(t.Context(), q)
				if err != nil {
					t.Fatal(err)
				}
				defer func() { w.log.Reset() }() // the log may name the disk
				defer x.Close()
				if !stream {
					_, err = x.Whole()
				}
				for err == nil {
					var ev translate.Event
					if ev, err = x.Next(); ev.Kind == translate.KindFinish {
						t.Error("there was an end mark")
					}
				}
				if e := typed(err); e.Code != translate.CodeInternal || strings.Contains(e.Message, "secret") {
					t.Errorf("got %v", e)
				}
			})
		})
	}
}

func TestARestartPutsItsAnswerInThePlaceOfTheLast(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a")), map[string][]script{"a": {
			says("one"), says("two"), says("better"), {Steps: []step{text("x"), fails(fault(translate.FaultBroken))}}}})
		w.ask(t.Context(), w.in("k", w.question("1"))).mustSay(t, "one")
		w.ask(t.Context(), w.in("k", w.question("2"))).mustSay(t, "two")
		again := func() *question {
			q := w.in("k", w.question(""))
			q.Restart = true
			return q
		}
		w.ask(t.Context(), again()).mustSay(t, "better")
		if got := w.up["a"].Texts(); got != "user:1|assistant:one|user:2" {
			t.Errorf("asked with %s", got)
		}
		if r := w.ask(t.Context(), again()); r.err == nil {
			t.Error("it should have failed")
		}
		if got := w.stored("k"); got != "user:1|assistant:one|user:2|assistant:better" {
			t.Errorf("stored: %s", got)
		}
		if got := w.screen("k"); got != "user:1|assistant:one|user:2|assistant:two(superseded)|assistant:better" {
			t.Errorf("on the screen: %s", got)
		}
	})
}

func TestThereMustBeSomethingToRestart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a")), nil)
		q := w.in("k", w.question(""))
		q.Restart = true
		w.ask(t.Context(), q).mustFail(t, translate.CodeValidation, 0)
		w.ask(t.Context(), w.question("")).mustFail(t, translate.CodeValidation, 0)
	})
}

// fill stores four turns under k.
func (w *world) fill() {
	w.t.Helper()
	for i := 1; i <= 4; i++ {
		w.ask(w.t.Context(), w.in("k", w.question(fmt.Sprint("q", i)))).mustSay(w.t, "ok")
	}
}

func TestTheClientsWindowCountsTheNewestMessageButNoSystemText(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{
		0: "system:be brief|user:q1|assistant:ok|user:q2|assistant:ok|user:q3|assistant:ok|user:q4|assistant:ok|user:new",
		1: "system:be brief|user:new",
		2: "system:be brief|assistant:ok|user:new",
		4: "system:be brief|assistant:ok|user:q4|assistant:ok|user:new",
		9: "system:be brief|user:q1|assistant:ok|user:q2|assistant:ok|user:q3|assistant:ok|user:q4|assistant:ok|user:new",
	} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, withPreset(conf(backend("a"))), map[string][]script{"a": {says("ok")}})
				w.fill()
				q := w.in("k", w.questionOf(alice, "p", "new"))
				q.Request.Context = n
				w.ask(t.Context(), q).mustSay(t, "ok")
				if got := w.up["a"].Texts(); got != want {
					t.Errorf("asked with %s", got)
				}
			})
		})
	}
}

func TestThePresetsWindowBoundsTheClients(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{
		0: "system:be brief|user:q4|assistant:ok|user:new",
		9: "system:be brief|user:q4|assistant:ok|user:new",
		2: "system:be brief|assistant:ok|user:new",
	} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, withPreset(conf(backend("a"))), map[string][]script{"a": {says("ok")}})
				w.fill()
				q := w.in("k", w.questionOf(alice, "h", "new"))
				q.Request.Context = n
				w.ask(t.Context(), q).mustSay(t, "ok")
				if got := w.up["a"].Texts(); got != want {
					t.Errorf("asked with %s", got)
				}
			})
		})
	}
}

func TestAPresetAddsItsTextAndWhatTheClientLeftOpen(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, withPreset(conf(backend("a"))), map[string][]script{"a": {says("ok")}})
		q := w.questionOf(alice, "p", "hi")
		mine := 0.25
		q.Request.Params.Temperature = &mine
		q.Request.Messages = append([]translate.Message{translate.TextMessage(translate.RoleSystem, "mine")}, q.Request.Messages...)
		w.ask(t.Context(), q).mustSay(t, "ok")
		req := w.up["a"].Asked()[0]
		if *req.Params.MaxTokens != 77 || *req.Params.Temperature != 0.25 || *req.Params.TopP != 1.5 {
			t.Errorf("parameters %+v", req.Params)
		}
		if got := w.up["a"].Texts(); got != "system:be brief|system:mine|user:hi" {
			t.Errorf("asked with %s", got)
		}
		if q.Request.Params.MaxTokens != nil || len(q.Request.Messages) != 2 {
			t.Error("the client's request was changed")
		}
	})
}

func TestWhatIsDeletedBehindTheGatewaysBackBeginsAnewWithTheNextQuestion(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a")), map[string][]script{"a": {says("one"), {Steps: []step{text("two").In(time.Second), finish()}}, says("three")}})
		w.ask(t.Context(), w.in("k", w.question("1"))).mustSay(t, "one")
		x, err := w.open(t.Context(), w.in("k", w.question("2")))
		if err != nil {
			t.Fatal(err)
		}
		waits := w.in("k", w.question("lost"))
		lost := make(chan result, 1)
		go func() { lost <- w.ask(t.Context(), waits) }()
		synctest.Wait()
		if err := w.st.Delete(t.Context(), "alice", ""); err != nil {
			t.Fatal(err)
		}
		readAll(x).mustSay(t, "two")
		_ = x.Close()
		r := <-lost
		r.mustFail(t, translate.CodeConversation, 0)
		w.ask(t.Context(), w.in("k", w.question("3"))).mustSay(t, "three")
		if got := w.stored("k"); got != "user:3|assistant:three" {
			t.Errorf("stored: %s", got)
		}
	})
}

// slowStore lets look-ups take time, so that others come in between.
type slowStore struct{ store.Store }

func (s slowStore) Load(ctx context.Context, owner string, ref store.Ref, w store.Window) (*store.Conversation, error) {
	c, err := s.Store.Load(ctx, owner, ref, w)
	if ref.Key != "" {
		time.Sleep(time.Second)
	}
	return c, err
}

func TestAConversationThatBeganDuringALookUpIsFound(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st, _ := embedded.Open("memory:")
		w := newWorldOn(t, conf(backend("a")), map[string][]script{"a": {says("ok")}}, slowStore{st})
		var all sync.WaitGroup
		for i := range 5 {
			all.Go(func() {
				time.Sleep(time.Duration(i) * 300 * time.Millisecond)
				w.ask(t.Context(), w.in("k", w.question(fmt.Sprint(i)))).mustSay(t, "ok")
			})
		}
		all.Wait()
		if got := strings.Count(w.stored("k"), "user:"); got != 5 {
			t.Errorf("%d of 5 turns are stored: %s", got, w.stored("k"))
		}
	})
}

func TestAnUnstoredConversationLivesInMemoryOnly(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a")), map[string][]script{"a": {says("ok"), says("ok"), says("new")}})
		var kept conversation.Thread
		for i := range 2 {
			q := w.question(fmt.Sprint(i))
			q.Turn = w.g.Conversations().Unstored(&kept)
			w.ask(t.Context(), q).mustSay(t, "ok")
		}
		q := w.question("")
		q.Turn, q.Restart = w.g.Conversations().Unstored(&kept), true
		w.ask(t.Context(), q).mustSay(t, "new")
		if got := w.up["a"].Texts(); got != "user:0|assistant:ok|user:1" {
			t.Errorf("asked with %s", got)
		}
		if got := w.keptOf(&kept); onScreen(got) != "user:0|assistant:ok|user:1|assistant:ok(superseded)|assistant:new" {
			t.Errorf("kept %v", got)
		}
		if _, n, _ := w.st.List(t.Context(), store.Filter{Owner: "alice"}); n != 0 {
			t.Error("it was stored")
		}
	})
}

func TestASilentAnswerIsNotStored(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a")), map[string][]script{"a": {{Steps: []step{ends(translate.FinishSilent)}}}})
		w.ask(t.Context(), w.in("k", w.question("hi"))).mustSay(t, "")
		if got := w.stored("k"); got != "" {
			t.Errorf("stored: %s", got)
		}
	})
}

func TestEditsWaitForTheirTurn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a")), map[string][]script{"a": {says("one")}})
		x, err := w.open(t.Context(), w.in("k", w.question("1")))
		if err != nil {
			t.Fatal(err)
		}
		one, gone := 1, 9
		done := make(chan error, 1)
		edits := []conversation.Edit{
			{Set: &conversation.SetText{Index: 0, Text: "changed"}}, {Set: &conversation.SetText{Index: 9, Text: "x"}}, {Remove: &gone}, {Remove: &one},
			{Insert: []store.Message{unsaid(translate.RoleAssistant, "before")}},
		}
		var places []*conversation.Turn
		for range edits {
			p, err := w.g.Enqueue(t.Context(), alice, talkOf("k"))
			if err != nil {
				t.Fatal(err)
			}
			places = append(places, p)
		}
		go func() {
			var all error
			for i, e := range edits {
				all = errors.Join(all, places[i].Edit(t.Context(), e))
			}
			done <- all
		}()
		synctest.Wait()
		readAll(x).mustSay(t, "one")
		_ = x.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if got := w.stored("k"); got != "assistant:before|user:changed" {
			t.Errorf("stored: %s", got)
		}
	})
}

func TestAnAnswerThatEndedWellIsStoredOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a")), map[string][]script{"a": {says("one")}})
		for _, toTheEnd := range []bool{true, false} {
			q := w.in(fmt.Sprint(toTheEnd), w.question("hi"))
			q.KeepPartial = true
			x, err := w.open(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			for {
				if !x.Ready() {
					t.Error("Next would wait")
				}
				ev, err := x.Next()
				if err == io.EOF || ev.Kind == translate.KindFinish && !toTheEnd {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			_ = x.Close()
			if got := w.stored(fmt.Sprint(toTheEnd)); got != "user:hi|assistant:one" {
				t.Errorf("to the end %v: stored %s", toTheEnd, got)
			}
		}
	})
}
