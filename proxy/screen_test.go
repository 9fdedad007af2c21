package proxy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/proxy/conversation"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

// shown is what a client shows for an answer that failed.
func shown(err *translate.Error) string { return "[" + string(err.Code) + "]" }

// onScreenOf is a question whose client counts what is on its screen; an empty text is a
// restart.
func (w *world) onScreenOf(key, text string) *question {
	q := w.question(text)
	if text == "" {
		q.Request.Messages, q.Restart = nil, true
	}
	q.Request.Stream, q.KeepPartial, q.Failure = true, true, shown
	return w.in(key, q)
}

// A step is a question, a restart, a stop after the first piece or before it, an edit or
// a removal, and what the screen and the models have after it.
type screenStep struct {
	do     string
	index  int
	screen string
	asked  string // what the model was told, of questions
}

func (w *world) screenStep(t *testing.T, s screenStep) {
	t.Helper()
	switch s.do {
	case "edit", "remove":
		e := conversation.Edit{Remove: &s.index}
		if s.do == "edit" {
			e = conversation.Edit{Set: &conversation.SetText{Index: s.index, Text: "edited"}}
		}
		u, err := w.g.Enqueue(t.Context(), alice, talkOf("k"))
		if err == nil {
			err = u.Edit(t.Context(), e)
		}
		if err != nil {
			t.Fatal(err)
		}
	case "stop":
		ctx, cancel := context.WithCancelCause(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); w.ask(ctx, w.onScreenOf("k", fmt.Sprint("s", s.index))) }()
		time.Sleep(500 * time.Millisecond)
		cancel(errLeft)
		<-done
	case "restart":
		w.ask(t.Context(), w.onScreenOf("k", ""))
	default:
		w.ask(t.Context(), w.onScreenOf("k", s.do))
	}
	if got := w.screen("k"); got != s.screen {
		t.Errorf("after %s %d: %s\nwant %s", s.do, s.index, got, s.screen)
	}
	if s.asked != "" && w.up["a"].Texts() != s.asked {
		t.Errorf("%s was asked with %s\nwant %s", s.do, w.up["a"].Texts(), s.asked)
	}
}

func TestTheConversationIsWhatItsClientHasOnTheScreen(t *testing.T) {
	bad := refuses(fault(translate.FaultRejected))
	slow := script{Steps: []step{finish().In(time.Hour)}}
	half := script{Steps: []step{text("half"), finish().In(time.Hour)}}
	cut := script{Steps: []step{text("cut"), fails(fault(translate.FaultBroken))}}
	const f, s, o = "(failed)", "(superseded)", "(orphan)"
	for name, c := range map[string]struct {
		answers []script
		steps   []screenStep
	}{
		"a failed question is asked again": {[]script{says("1"), bad, says("2")}, []screenStep{
			{do: "first", screen: "user:first|assistant:1"},
			{do: "second", screen: "user:first|assistant:1|user:second" + f + "|assistant:[MODEL_ERROR]" + f},
			{do: "restart", screen: "user:first|assistant:1|user:second|assistant:[MODEL_ERROR]" + f + "|assistant:2", asked: "user:first|assistant:1|user:second"},
		}},
		"the first question failed, was edited, and is asked again until it is answered": {[]script{bad, bad, says("1"), says("2")}, []screenStep{
			{do: "first", screen: "user:first" + f + "|assistant:[MODEL_ERROR]" + f},
			{do: "edit", screen: "user:edited" + f + "|assistant:[MODEL_ERROR]" + f},
			{do: "restart", screen: "user:edited" + f + "|assistant:[MODEL_ERROR]" + f + "|assistant:[MODEL_ERROR]" + f},
			{do: "restart", screen: "user:edited|assistant:[MODEL_ERROR]" + f + "|assistant:[MODEL_ERROR]" + f + "|assistant:1", asked: "user:edited"},
			{do: "next", screen: "user:edited|assistant:[MODEL_ERROR]" + f + "|assistant:[MODEL_ERROR]" + f + "|assistant:1|user:next|assistant:2", asked: "user:edited|assistant:1|user:next"},
		}},
		"an error in the middle is removed": {[]script{says("1"), bad, says("3"), says("4")}, []screenStep{
			{do: "first", screen: "user:first|assistant:1"},
			{do: "second", screen: "user:first|assistant:1|user:second" + f + "|assistant:[MODEL_ERROR]" + f},
			{do: "third", screen: "user:first|assistant:1|user:second" + f + "|assistant:[MODEL_ERROR]" + f + "|user:third|assistant:3", asked: "user:first|assistant:1|user:third"},
			{do: "remove", index: 3, screen: "user:first|assistant:1|user:second" + f + "|user:third|assistant:3"},
			{do: "fourth", screen: "user:first|assistant:1|user:second" + f + "|user:third|assistant:3|user:fourth|assistant:4", asked: "user:first|assistant:1|user:third|assistant:3|user:fourth"},
		}},
		"a restart is appended, and removing it makes the old answer current": {[]script{says("1"), says("2"), says("3"), says("4")}, []screenStep{
			{do: "one", screen: "user:one|assistant:1"},
			{do: "restart", screen: "user:one|assistant:1" + s + "|assistant:2", asked: "user:one"},
			{do: "two", screen: "user:one|assistant:1" + s + "|assistant:2|user:two|assistant:3", asked: "user:one|assistant:2|user:two"},
			{do: "edit", index: 3, screen: "user:one|assistant:1" + s + "|assistant:2|user:edited|assistant:3"},
			{do: "remove", index: 2, screen: "user:one|assistant:1|user:edited|assistant:3"},
			{do: "restart", screen: "user:one|assistant:1|user:edited|assistant:3" + s + "|assistant:4", asked: "user:one|assistant:1|user:edited"},
		}},
		"a restart that fails leaves the answer": {[]script{says("1"), bad, says("2")}, []screenStep{
			{do: "one", screen: "user:one|assistant:1"},
			{do: "restart", screen: "user:one|assistant:1|assistant:[MODEL_ERROR]" + f},
			{do: "two", screen: "user:one|assistant:1|assistant:[MODEL_ERROR]" + f + "|user:two|assistant:2", asked: "user:one|assistant:1|user:two"},
		}},
		"an answer that was stopped before its first word": {[]script{slow, says("1")}, []screenStep{
			{do: "stop", screen: "user:s0|assistant:empty response(empty)"},
			{do: "go on", screen: "user:s0|assistant:empty response(empty)|user:go on|assistant:1", asked: "user:s0|user:go on"},
		}},
		"an answer that was stopped in the middle": {[]script{half, says("1"), says("2")}, []screenStep{
			{do: "stop", screen: "user:s0|assistant:half\n(incomplete)"},
			{do: "go on", screen: "user:s0|assistant:half\n(incomplete)|user:go on|assistant:1", asked: "user:s0|assistant:half|user:go on"},
		}},
		"an answer that broke off is shown with its error, and goes to no model": {[]script{cut, says("1")}, []screenStep{
			{do: "one", screen: "user:one" + f + "|assistant:cut[MODEL_ERROR]" + f},
			{do: "two", screen: "user:one" + f + "|assistant:cut[MODEL_ERROR]" + f + "|user:two|assistant:1", asked: "user:two"},
		}},
		"an answer whose question was removed goes to no model": {[]script{says("1"), says("2"), says("3"), says("4")}, []screenStep{
			{do: "one", screen: "user:one|assistant:1"},
			{do: "two", screen: "user:one|assistant:1|user:two|assistant:2"},
			{do: "remove", index: 2, screen: "user:one|assistant:1|assistant:2" + o},
			{do: "three", screen: "user:one|assistant:1|assistant:2" + o + "|user:three|assistant:3", asked: "user:one|assistant:1|user:three"},
			{do: "restart", screen: "user:one|assistant:1|assistant:2" + o + "|user:three|assistant:3" + s + "|assistant:4", asked: "user:one|assistant:1|user:three"},
		}},
		"a restart where the last question was removed asks the one before": {[]script{says("1"), says("2"), says("3"), says("4")}, []screenStep{
			{do: "one", screen: "user:one|assistant:1"},
			{do: "two", screen: "user:one|assistant:1|user:two|assistant:2"},
			{do: "remove", index: 2, screen: "user:one|assistant:1|assistant:2" + o},
			{do: "restart", screen: "user:one|assistant:1" + s + "|assistant:2" + o + "|assistant:3", asked: "user:one"},
			{do: "remove", index: 3, screen: "user:one|assistant:1|assistant:2" + o},
			{do: "three", screen: "user:one|assistant:1|assistant:2" + o + "|user:three|assistant:4", asked: "user:one|assistant:1|user:three"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, conf(backend("a")), map[string][]script{"a": c.answers})
				for _, s := range c.steps {
					w.screenStep(t, s)
				}
			})
		})
	}
}

func TestANewConversationIsStoredWithItsQuestionBeforeAModelIsAsked(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a")), map[string][]script{"a": {{Steps: []step{text("hello").In(time.Second), finish()}}, says("again")}})
		q := w.question("hi")
		q.KeepPartial, q.Failure = true, shown
		id := conversation.Identity{Make: &store.Conversation{Key: "k", Group: "chatnio:", Numbered: true, Messages: []store.Message{unsaid(translate.RoleSystem, "be kind")}}}
		if err := w.admit(t.Context(), q); err != nil {
			t.Fatal(err)
		}
		if err := q.p.Begin(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		if n := q.p.Turn().Number(); n != 1 {
			t.Errorf("it has number %d", n)
		}
		c, err := w.st.Load(t.Context(), "alice", store.Ref{Num: 1}, store.Window{})
		if err != nil || c.Group != "chatnio:1" {
			t.Fatalf("loaded %+v, %v", c, err)
		}
		if got := w.screen("k"); got != "system:be kind|user:hi(failed)" {
			t.Errorf("before it is asked: %s", got)
		}
		if page, n, _ := w.st.List(t.Context(), store.Filter{Owner: "alice"}); n != 1 || page[0].LastMessage != "be kind" {
			t.Errorf("listed: %+v", page)
		}
		w.ask(t.Context(), q).mustSay(t, "hello")
		if got := w.up["a"].Texts(); got != "system:be kind|user:hi" {
			t.Errorf("asked with %s", got)
		}
		if got := w.screen("k"); got != "system:be kind|user:hi|assistant:hello" {
			t.Errorf("after the answer: %s", got)
		}
		next := w.question("more")
		turn, err := w.g.Enqueue(t.Context(), alice, conversation.Identity{Find: store.Ref{Num: 1}})
		if err != nil {
			t.Fatal(err)
		}
		next.Turn = turn
		w.ask(t.Context(), next).mustSay(t, "again")
		if got := w.up["a"].Texts(); got != "system:be kind|user:hi|assistant:hello|user:more" {
			t.Errorf("the next one was asked with %s", got)
		}
	})
}

func TestAQuestionThatWasRefusedIsNotedWhateverTheConversationHasBecome(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a")), map[string][]script{"a": {says("1"), says("2")}})
		note := func(id conversation.Identity, text string) int64 {
			t.Helper()
			u, err := w.g.Enqueue(t.Context(), alice, id)
			if err != nil {
				t.Fatal(err)
			}
			n := conversation.Note{Text: "[no]"}
			if text != "" {
				n.Question = []store.Message{unsaid(translate.RoleUser, text)}
			}
			number, err := u.Note(t.Context(), n)
			if err != nil {
				t.Fatal(err)
			}
			return number
		}
		if n := note(talkOf("k"), ""); n != 0 || w.screen("k") != "" {
			t.Errorf("a restart of nothing is number %d: %s", n, w.screen("k"))
		}
		if n := note(talkOf("k"), "early"); n != 1 {
			t.Errorf("its number is %d", n)
		}
		w.ask(t.Context(), w.in("k", w.question("one"))).mustSay(t, "1")
		// versions are those of what is stored, and of what was said.
		versions := func() (stored, said int64) {
			t.Helper()
			u, err := w.g.Enqueue(t.Context(), alice, talkOf("k"))
			if err != nil {
				t.Fatal(err)
			}
			defer u.Done()
			if stored, err = w.st.Version(t.Context(), "alice", u.ID()); err != nil {
				t.Fatal(err)
			}
			return stored, u.Version()
		}
		was, said := versions()
		note(talkOf("k"), "late")
		if now, says := versions(); now == was || says != said {
			t.Errorf("version %d was %d; of what was said %d, was %d", now, was, says, said)
		}
		// Another process adds to it.
		c, err := w.st.Load(t.Context(), "alice", store.Ref{Key: "k"}, store.Window{})
		if err == nil {
			err = w.st.Append(t.Context(), c, store.Turn{At: 1, Messages: []store.Message{unsaid(translate.RoleUser, "elsewhere"), unsaid(translate.RoleAssistant, "e")}})
		}
		if err != nil {
			t.Fatal(err)
		}
		note(talkOf("k"), "")
		const before = "user:early(failed)|assistant:[no](failed)|user:one|assistant:1|user:late(failed)|assistant:[no](failed)|user:elsewhere|assistant:e|assistant:[no](failed)"
		if got := w.screen("k"); got != before {
			t.Errorf("it is %s", got)
		}
		w.ask(t.Context(), w.in("k", w.question("two"))).mustSay(t, "2")
		if got := w.up["a"].Texts(); got != "user:one|assistant:1|user:elsewhere|assistant:e|user:two" {
			t.Errorf("asked with %s", got)
		}
	})
}

func TestWhatIsStoredOfQuestionsThatNoLimitCountsIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a")), map[string][]script{"a": {says("1")}})
		note := func(text string) int {
			t.Helper()
			u, err := w.g.Enqueue(t.Context(), alice, talkOf("k"))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := u.Note(t.Context(), conversation.Note{Text: "[no]", Question: []store.Message{unsaid(translate.RoleUser, text)}}); err != nil && !errors.Is(err, conversation.ErrUnnoted) {
				t.Fatal(err)
			}
			c, err := w.st.Load(t.Context(), "alice", store.Ref{Key: "k"}, store.Window{})
			if err != nil {
				t.Fatal(err)
			}
			return weigh(c.Messages)
		}
		most := 0
		for range 100 {
			most = note(strings.Repeat("x", 100<<10))
		}
		if most > 256<<10+101<<10 || most < 256<<10/2 {
			t.Errorf("%d bytes are stored", most)
		}
		if !w.g.Conversations().MayNote("bob") {
			t.Error("another caller pays for it")
		}
		time.Sleep(2 * time.Minute)
		if again := note("later"); again <= most {
			t.Error("nothing is stored some minutes later")
		}
	})
}
