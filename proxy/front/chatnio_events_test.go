package front_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/fasthttp/websocket"

	"github.com/dragoman-gateway/dragoman/store"
)

// searching serves a chatnio of 2023, which tells what it searched for.
func searching(t *testing.T) (address string) {
	t.Helper()
	up := websocket.Upgrader{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := up.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = ws.Close() }()
		for {
			_, msg, err := ws.ReadMessage()
			if err != nil {
				return
			}
			if !strings.Contains(string(msg), `"web":true`) {
				continue
			}
			for _, f := range []string{
				`{"quota":0,"keyword":"some words","message":"","end":false}`,
				`{"quota":0.1,"keyword":"","message":"found","end":false}`,
				`{"quota":0.1,"keyword":"","message":"","end":true}`,
			} {
				_ = ws.WriteMessage(websocket.TextMessage, []byte(f))
			}
		}
	}))
	t.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "http://")
}

// kept is what the store has of a conversation.
func (s *site) kept(t *testing.T, owner string, number int64) *store.Conversation {
	t.Helper()
	c, err := s.Store.Load(t.Context(), owner, store.Ref{Num: number}, store.Window{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestStopEndsATurnOnceAndKeepsWhatWasSaid(t *testing.T) {
	t.Parallel()
	s := openSite(t, siteConf)
	k := s.enter(t, "sk-alice", 0)
	k.say(chatFrame("long-400-slow-5", "go"))
	seen := ""
	for len(seen) < 6 {
		f, _ := k.frame()
		seen += *f.Message
	}
	k.say(`{"type":"stop","message":"","model":"event"}`)
	for {
		f, _ := k.frame()
		seen += *f.Message
		if *f.End {
			break
		}
	}
	if strings.Contains(seen, "w399") {
		t.Error("it was not stopped")
	}
	c := s.kept(t, "alice", 1)
	if len(c.Messages) != 2 || !c.Messages[1].Incomplete || c.Messages[1].Text() != seen || c.Messages[0].Text() != "go" {
		t.Errorf("%q was shown, kept is %+v", seen, c.Messages)
	}
	// The next turn is an ordinary one, and a stop that nothing runs for is nothing.
	if p := k.ask("mock-echo", "next"); p.text != `Hello, you said "next" (n=3)` {
		t.Errorf("got %+v", p)
	}
	k.say(`{"type":"stop"}`)
	if p := k.ask("mock-echo", "after"); p.text != `Hello, you said "after" (n=5)` {
		t.Errorf("got %+v", p)
	}
	k.leave()
	s.Eventually(t, "the model is left", func() bool { return s.Model.Active() == 0 })
}

func TestAStopThatFollowsItsQuestionAtOnceIsNotLost(t *testing.T) {
	t.Parallel()
	s := openSite(t, siteConf)
	k := s.enter(t, "sk-alice", 0)
	for range 30 {
		k.say(chatFrame("hang", "go"), `{"type":"stop"}`)
		if p := k.turn(); p.fault != "" || p.text != "" || len(p.frames) != 2 {
			t.Fatalf("got %+v", p)
		}
	}
	k.leave()
	c := s.kept(t, "alice", 1)
	if len(c.Messages) != 60 || c.Messages[59].Mark != store.MarkEmpty || c.Messages[58].Mark != store.MarkNone {
		t.Errorf("%d messages are kept", len(c.Messages))
	}
}

func TestAStopMeansTheRunningTurnOnly(t *testing.T) {
	t.Parallel()
	s := openSite(t, siteConf)
	k := s.enter(t, "sk-alice", 0)
	k.say(chatFrame("hang", "one"))
	k.frame()
	k.say(chatFrame("mock-echo", "two"), chatFrame("mock-echo", "three"), `{"type":"stop"}`)
	if f, _ := k.frame(); !*f.End || *f.Message != "" {
		t.Errorf("got %v %q", *f.End, *f.Message)
	}
	for _, want := range []string{"two", "three"} {
		if p := k.turn(); !strings.HasPrefix(p.text, fmt.Sprintf("Hello, you said %q", want)) {
			t.Errorf("got %+v", p)
		}
	}
	k.leave()
}

func TestAClientThatVanishesLeavesItsPartialAnswer(t *testing.T) {
	t.Parallel()
	s := openSite(t, siteConf)
	k := s.enter(t, "sk-alice", 0)
	k.say(chatFrame("long-400-slow-5", "go"))
	for seen := ""; len(seen) < 6; {
		f, _ := k.frame()
		seen += *f.Message
	}
	_ = k.ws.Close()
	s.Eventually(t, "the model is left", func() bool { return s.Model.Active() == 0 })
	s.Eventually(t, "the turn is kept", func() bool { return len(s.list(t, "sk-alice")) == 1 && len(s.kept(t, "alice", 1).Messages) == 2 })
	c := s.kept(t, "alice", 1)
	if len(c.Messages) != 2 || !c.Messages[1].Incomplete || !strings.HasPrefix(c.Messages[1].Text(), "w0 w1") {
		t.Errorf("got %+v", c.Messages)
	}
}

func TestARestartIsAppendedToTheAnswerThatItSupersedes(t *testing.T) {
	t.Parallel()
	s := openSite(t, siteConf)
	k := s.enter(t, "sk-alice", 0)
	k.ask("mock-echo", "one")
	k.ask("mock-echo", "two")
	k.say(`{"type":"restart","message":"ignored","web":false,"model":"recall"}`)
	p := k.turn()
	if p.number != 1 || p.text != `user: one | assistant: Hello, you said "one" (n=1) | user: two` {
		t.Errorf("the model saw %+v", p)
	}
	c := s.load(t, "sk-alice", 1)
	if len(c.Message) != 5 || c.Message[4].Content != p.text || c.Model != "recall" {
		t.Errorf("got %+v", c)
	}
	// A restart that fails leaves the answer as it was.
	k.say(`{"type":"restart","model":"fail-500"}`)
	if p = k.turn(); p.fault == "" {
		t.Errorf("got %+v", p)
	}
	if again := s.load(t, "sk-alice", 1); again.said() != c.said()+" | assistant: "+p.fault {
		t.Errorf("got %s", again.said())
	}
	k.leave()
}

func mask(text string) string {
	b, _ := json.Marshal(map[string]string{"type": "mask", "message": text})
	return string(b)
}

func TestMaskEditAndRemoveChangeWhatTheModelSees(t *testing.T) {
	t.Parallel()
	s := openSite(t, siteConf)
	for _, frame := range []string{`{"token":"sk-alice","id":-1}`, `{"token":"anonymous","id":-1}`} {
		model := "recall"
		if strings.Contains(frame, "anonymous") {
			model = "free-recall"
		}
		k := s.dial(t, "/chat", frame, mask(`[{"role":"system","content":"be brief"},{"role":"user","content":"u0"},{"role":"assistant","content":"a0"}]`))
		if model == "free-recall" {
			// The model that is free repeats only how much it was given.
			if p := k.ask("free", "q1"); p.text != `Hello, you said "q1" (n=3)` {
				t.Errorf("got %+v", p)
			}
			k.say(`{"type":"remove","message":"0"}`, `{"type":"remove","message":"0"}`, `{"type":"edit","message":"0:a1"}`)
			if p := k.ask("free", "q2"); p.text != `Hello, you said "q2" (n=3)` {
				t.Errorf("got %+v", p) // an answer without its question is told nobody
			}
			k.leave()
			continue
		}
		if p := k.ask(model, "q1"); p.text != "system: be brief | user: u0 | assistant: a0 | user: q1" {
			t.Errorf("got %+v", p)
		}
		k.say(`{"type":"edit","message":"3:a:b"}`, `{"type":"remove","message":"4"}`)
		if p := k.ask(model, "q2"); p.text != "system: be brief | user: u0 | assistant: a0 | user: a:b | user: q2" {
			t.Errorf("got %+v", p)
		}
		if c := s.load(t, "sk-alice", 1); !strings.HasPrefix(c.said(), "system: be brief | user: u0 | assistant: a0 | user: a:b | user: q2 | assistant: ") || c.Name != "q1" {
			t.Errorf("got %q %s", c.Name, c.said())
		}
		k.leave()
	}
}

func TestEventsThatMakeNoSenseAreIgnored(t *testing.T) {
	t.Parallel()
	s := openSite(t, siteConf)
	k := s.enter(t, "sk-alice", 0)
	k.ask("mock-echo", "one")
	k.say(`{"type":"edit","message":"nocolon"}`, `{"type":"edit","message":"x:y"}`, `{"type":"edit","message":"99:z"}`, `{"type":"edit","message":"-1:z"}`,
		`{"type":"remove","message":"x"}`, `{"type":"remove","message":"99"}`, `{"type":"remove"}`,
		mask("{}"), mask("nonsense"), mask(`[{"role":"user","content":{"a":1}}]`), mask(`[]`),
		`{"type":"share","message":"0123"}`, `{"type":"edit"}`)
	if p := k.ask("recall", "two"); p.text != `user: one | assistant: Hello, you said "one" (n=1) | user: two` {
		t.Errorf("got %+v", p)
	}
	k.leave()
}

func TestAShareBeginsAConversation(t *testing.T) {
	t.Parallel()
	s := openSite(t, siteConf)
	k := s.enter(t, "sk-alice", 0)
	k.ask("mock-echo", "one")
	k.leave()
	_, body := s.call(t, "POST", "/conversation/share", `{"id":1,"refs":[-1]}`, "Authorization", "sk-alice")
	hash := between(body, `"data":"`, `"`)
	share := `{"type":"share","message":"` + hash + `"}`
	want := `user: one | assistant: Hello, you said "one" (n=1) | user: two`
	for _, frames := range [][]string{
		{`{"token":"plain-key","id":-1}`, share, share},
		{`{"token":"plain-key","id":-1,"ref":"` + hash + `"}`},
		// What is shared is a new conversation, whatever number came with it.
		{`{"token":"plain-key","id":1,"ref":"` + hash + `"}`, share},
	} {
		k := s.dial(t, "/chat", frames...)
		p := k.ask("recall", "two")
		if p.text != want {
			t.Errorf("%s: the model saw %+v", frames, p)
		}
		if c := s.load(t, "plain-key", p.number); c.Name != "one" || len(c.Message) != 4 {
			t.Errorf("got %+v", c)
		}
		k.leave()
	}
	if n := len(s.list(t, "plain-key")); n != 3 {
		t.Errorf("%d conversations", n)
	}
}

func TestQuestionsThatWaitAreAnsweredInTheirOrder(t *testing.T) {
	t.Parallel()
	s := openSite(t, siteConf)
	k := s.enter(t, "sk-alice", 0)
	for i := range 12 {
		k.say(chatFrame("mock-echo", fmt.Sprint("q", i)))
	}
	for i := range 12 {
		if p := k.turn(); p.text != fmt.Sprintf("Hello, you said \"q%d\" (n=%d)", i, min(8, 2*i+1)) {
			t.Errorf("turn %d: %+v", i, p)
		}
	}
	k.leave()
}

func TestQuestionsThatAreTooManyAreRefusedInTheirPlace(t *testing.T) {
	t.Parallel()
	s := openSite(t, siteConf)
	k := s.enter(t, "sk-alice", 0)
	k.say(chatFrame("hang", "first"))
	k.frame()
	const more = 70
	for i := range more {
		k.say(chatFrame("mock-echo", fmt.Sprint("q", i)))
	}
	k.say(`{"type":"stop"}`)
	if f, _ := k.frame(); !*f.End || *f.Message != "" {
		t.Errorf("got %v %q", *f.End, *f.Message)
	}
	refused := 0
	for i := range more {
		p := k.turn()
		switch {
		case strings.HasPrefix(p.fault, "RATE_LIMITED: "):
			refused++
		case p.fault != "" || !strings.HasPrefix(p.text, fmt.Sprintf("Hello, you said \"q%d\"", i)):
			t.Errorf("turn %d: %+v", i, p)
		}
	}
	if refused != more-64 {
		t.Errorf("%d were refused", refused)
	}
	k.leave()
}

func TestManyUnreadableFramesEndAConnection(t *testing.T) {
	t.Parallel()
	s := openSite(t, siteConf)
	k := s.enter(t, "sk-alice", 0)
	for range 20 {
		k.say("{bad")
		if p := k.turn(); !strings.HasPrefix(p.fault, "VALIDATION_ERROR: ") {
			t.Fatalf("got %+v", p)
		}
	}
	if p := k.ask("mock-echo", "hi"); p.text != helloHi {
		t.Errorf("got %+v", p)
	}
	for range 25 {
		if k.ws.WriteMessage(websocket.TextMessage, []byte("{bad")) != nil {
			break // the connection has ended
		}
	}
	for range 20 {
		if p := k.turn(); !strings.HasPrefix(p.fault, "VALIDATION_ERROR: ") {
			t.Fatalf("at once: %+v", p)
		}
	}
	if _, msg, err := k.ws.ReadMessage(); !websocket.IsCloseError(err, websocket.ClosePolicyViolation) {
		t.Errorf("got %s, %v", msg, err)
	}
	_ = k.ws.Close()
}
