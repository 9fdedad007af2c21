package proxy

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/proxy/conversation"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

// remove is what takes messages away while others talk: a deletion of one
// conversation, of all, or a clear.
type remove struct {
	name string
	do   func(w *world, id string) error
}

var removals = []remove{
	{"delete", func(w *world, id string) error {
		return w.g.Conversations().Delete(context.Background(), alice.Name, id)
	}},
	{"delete all", func(w *world, _ string) error {
		return w.g.Conversations().Delete(context.Background(), alice.Name, "")
	}},
	{"clear", func(w *world, id string) error {
		return w.g.Conversations().Clear(context.Background(), alice.Name, id)
	}},
}

func TestWhatWasAskedBeforeARemovalIsAnsweredButNotStored(t *testing.T) {
	t.Parallel()
	for _, rm := range removals {
		t.Run(rm.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, conf(backend("a")), map[string][]script{"a": {says("one"), {Steps: []step{text("two").In(time.Second), finish()}}, says("three"), says("four"), says("five")}})
				w.ask(t.Context(), w.in("k", w.question("1"))).mustSay(t, "one")
				x, err := w.open(t.Context(), w.in("k", w.question("2"))) // runs
				if err != nil {
					t.Fatal(err)
				}
				old := x.prompt.turn.ID()
				waits := w.in("k", w.question("3"))
				if err := rm.do(w, old); err != nil {
					t.Fatal(err)
				}
				next := w.in("k", w.question("4"))
				if told := next.Turn.ID(); (told == old) != (rm.name == "clear") {
					t.Errorf("the next question is told the id %s, that before was %s", told, old)
				}
				readAll(x).mustSay(t, "two")
				_ = x.Close()
				w.ask(t.Context(), waits).mustSay(t, "three")
				if got := w.up["a"].Texts(); got != "user:3" {
					t.Errorf("what waited was asked with %s", got)
				}
				if got := w.stored("k"); got != "" {
					t.Errorf("stored before anything new was asked: %s", got)
				}
				w.ask(t.Context(), next).mustSay(t, "four")
				w.ask(t.Context(), w.in("k", w.question("5"))).mustSay(t, "five")
				if got := w.stored("k"); got != "user:4|assistant:four|user:5|assistant:five" {
					t.Errorf("stored: %s", got)
				}
				w.mustBeIdle()
			})
		})
	}
}

func TestAStoppedQuestionThatWasAskedBeforeARemovalIsNotStored(t *testing.T) {
	t.Parallel()
	for _, rm := range removals {
		t.Run(rm.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, conf(backend("a")), map[string][]script{"a": {says("one"), says("three")}})
				w.ask(t.Context(), w.in("k", w.question("1"))).mustSay(t, "one")
				q := w.in("k", w.question("2"))
				q.KeepPartial = true
				if err := rm.do(w, q.Turn.ID()); err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancelCause(t.Context())
				cancel(errLeft)
				r := w.ask(ctx, q)
				r.mustFail(t, translate.CodeCanceled, translate.FaultGone)
				w.ask(t.Context(), w.in("k", w.question("3"))).mustSay(t, "three")
				if got := w.stored("k"); got != "user:3|assistant:three" {
					t.Errorf("stored: %s", got)
				}
			})
		})
	}
}

func TestAnAnswerThatGoesOnWithoutItsClientIsNotStoredAfterARemoval(t *testing.T) {
	t.Parallel()
	for _, rm := range removals {
		t.Run(rm.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, conf(backend("a", finishes)), map[string][]script{"a": {says("one"), slowly(), says("three")}})
				w.ask(t.Context(), w.in("k", w.question("1"))).mustSay(t, "one")
				q := w.in("k", w.question("2"))
				id := q.Turn.ID()
				ctx, cancel := context.WithCancelCause(t.Context())
				done := make(chan result, 1)
				go func() { done <- w.ask(ctx, q) }()
				time.Sleep(1500 * time.Millisecond)
				cancel(errLeft)
				<-done
				if err := rm.do(w, id); err != nil {
					t.Fatal(err)
				}
				w.ask(t.Context(), w.in("k", w.question("3"))).mustSay(t, "three")
				time.Sleep(5 * time.Second)
				if got := w.stored("k"); got != "user:3|assistant:three" {
					t.Errorf("stored: %s", got)
				}
				w.mustBeIdle()
			})
		})
	}
}

func TestWhoeverBringsADeletedConversationBackAtTheSameTimeIsAnswered(t *testing.T) {
	t.Parallel()
	for _, first := range []string{"by key", "by number"} {
		t.Run(first, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, conf(backend("a")), map[string][]script{"a": {says("0"), says("1"), says("2")}})
				w.ask(t.Context(), w.in("k", w.question("old"))).mustSay(t, "0")
				c, err := w.st.Load(t.Context(), "alice", store.Ref{Key: "k"}, store.Newest(1))
				if err != nil {
					t.Fatal(err)
				}
				numbered := conversation.Identity{Find: store.Ref{Num: c.Num}, Make: &store.Conversation{Num: c.Num}}
				// Both are found while they are in use, then deleted under them.
				byNum := w.question("n")
				if byNum.Turn, err = w.g.Enqueue(t.Context(), alice, numbered); err != nil {
					t.Fatal(err)
				}
				if err := w.g.Conversations().Delete(t.Context(), alice.Name, c.ID); err != nil {
					t.Fatal(err)
				}
				byNum.Turn.Done()
				if byNum.Turn, err = w.g.Enqueue(t.Context(), alice, numbered); err != nil {
					t.Fatal(err)
				}
				byKey := w.in("k", w.question("k"))
				questions := []*question{byKey, byNum}
				if first == "by number" {
					questions = []*question{byNum, byKey}
				}
				for i, q := range questions {
					r := w.ask(t.Context(), q)
					r.mustSay(t, strconv.Itoa(i+1))
				}
				again, err := w.st.Load(t.Context(), "alice", store.Ref{Num: c.Num}, store.Window{})
				if err != nil || len(again.Messages) != 2 || again.Messages[0].Text() != "n" || again.ID == c.ID {
					t.Errorf("by number: %+v, %v", again, err)
				}
				if got := w.stored("k"); !strings.HasPrefix(got, "user:k|assistant:") {
					t.Errorf("by key: %s", got)
				}
			})
		})
	}
}

func TestAnAnswerAnewToWhatWasClearedMeanwhileIsNotStored(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a")), map[string][]script{"a": {says("one"), says("anew"), says("two")}})
		w.ask(t.Context(), w.in("k", w.question("1"))).mustSay(t, "one")
		q := w.in("k", w.question(""))
		q.Restart = true
		x, err := w.open(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.g.Conversations().Clear(t.Context(), alice.Name, q.Turn.ID()); err != nil {
			t.Fatal(err)
		}
		readAll(x).mustSay(t, "anew")
		_ = x.Close()
		if got := w.stored("k"); got != "" {
			t.Errorf("half a turn is stored: %s", got)
		}
		w.ask(t.Context(), w.in("k", w.question("2"))).mustSay(t, "two")
		if got := w.stored("k"); got != "user:2|assistant:two" {
			t.Errorf("stored: %s", got)
		}
	})
}

func TestAWindowNeverPartsAResultFromItsCall(t *testing.T) {
	t.Parallel()
	call := translate.Message{Role: translate.RoleAssistant, Parts: []translate.Part{{Kind: translate.PartText, Text: "call"}, {Kind: translate.PartToolCall, ID: "c1"}, {Kind: translate.PartToolCall, ID: "c2"}}}
	result := func(id string) translate.Message {
		return translate.Message{Role: translate.RoleTool, Parts: []translate.Part{{Kind: translate.PartToolResult, ID: id}}}
	}
	sys, q1, a1, q2 := translate.TextMessage(translate.RoleSystem, "sys"), translate.TextMessage(translate.RoleUser, "q1"),
		translate.TextMessage(translate.RoleAssistant, "a1"), translate.TextMessage(translate.RoleUser, "q2")
	answered := []translate.Message{sys, q1, call, result("c1"), result("c2"), a1, q2}
	asking := answered[:5]
	for _, c := range []struct {
		msgs []translate.Message
		keep int
		want string
	}{
		{answered, -1, "system:sys|user:q1|assistant:call|tool:|tool:|assistant:a1|user:q2"},
		{answered, 5, "system:sys|user:q1|assistant:call|tool:|tool:|assistant:a1|user:q2"},
		{answered, 4, "system:sys|assistant:call|tool:|tool:|assistant:a1|user:q2"},
		{answered, 3, "system:sys|assistant:a1|user:q2"},
		{answered, 2, "system:sys|assistant:a1|user:q2"},
		{answered, 1, "system:sys|assistant:a1|user:q2"},
		{answered, 0, "system:sys|user:q2"},
		{asking, 0, "system:sys|assistant:call|tool:|tool:"},
		{asking, 1, "system:sys|assistant:call|tool:|tool:"},
		{asking, 3, "system:sys|user:q1|assistant:call|tool:|tool:"},
	} {
		if got := said(window(c.msgs, c.keep)); got != c.want {
			t.Errorf("%d of %d: %s, want %s", c.keep, len(c.msgs), got, c.want)
		}
	}
}
