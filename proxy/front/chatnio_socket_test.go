package front_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

const (
	needsKey = "not authenticated error (model: mock-echo)"
	helloHi  = `Hello, you said "hi" (n=1)`
)

func TestEveryFirstFrameSignsInOrIsAnonymous(t *testing.T) {
	t.Parallel()
	s := openSite(t, siteConf)
	token := signed(t, "alice", time.Hour)
	for _, c := range []struct {
		path, frame string
		signed      bool
	}{
		{"/chat", `{"token":"sk-alice","id":-1}`, true},
		{"/chat", `{"token":"Bearer sk-alice","id":"-1"}`, true},
		{"/chat", `{"token":" sk-alice ","id":-1.0}`, true},
		{"/chat", `{"token":"sk-alice"}`, true},
		{"/chat", `{"token":"sk-alice","id":"abc"}`, true},
		{"/chat", `{"token":"sk-alice","id":null,"more":[1]}`, true},
		{"/chat", `{"token":"` + token + `","id":0}`, true},
		{"/chat", `{"token":"plain-key","id":-1}`, true},
		{"/chat", `{"token":"{\"token\":\"sk-alice\",\"id\":-1}"}`, true},
		{"/chat?token=sk-alice&id=-1", "", true},
		{"/chat?token=sk-alice", `{"token":"","id":-1}`, true},
		{"/chat?token=sk-nobody", `{"token":"sk-alice","id":-1}`, true},
		{"/chat", `{}`, false},
		{"/chat", ``, false},
		{"/chat", `{"token":"anonymous","id":-1}`, false},
		{"/chat", `{"token":null,"id":5}`, false},
		{"/chat", `{"token":"sk-nobody","id":-1}`, false},
		{"/chat", `{"token":"sk-late","id":-1}`, false},
		{"/chat", `{"token":"` + signed(t, "alice", -time.Hour) + `","id":-1}`, false},
		{"/chat?token=sk-nobody", `{"token":"","id":-1}`, false},
	} {
		k := s.dial(t, c.path, `{"type":"ping"}`)
		if c.frame != "" {
			k.say(c.frame)
		}
		p := k.ask("mock-echo", "hi")
		if c.signed && (p.number <= 0 || p.text != helloHi || p.fault != "") || !c.signed && (p.number != -1 || p.fault != needsKey) {
			t.Errorf("%s %s: got %+v", c.path, c.frame, p)
		}
		k.say(`{"type":"ping"}`)
		k.leave()
	}
}

func TestTheHeaderOfTheUpgradeDoesNotSignIn(t *testing.T) {
	t.Parallel()
	s := openSite(t, siteConf)
	k := &sock{t: t, ws: s.Socket(t, "/chat", "Authorization", "Bearer sk-alice", "Origin", "http://x.example")}
	k.say(`{"token":"anonymous","id":-1}`)
	if p := k.ask("mock-echo", "hi"); p.number != -1 || p.fault != needsKey {
		t.Errorf("got %+v", p)
	}
	k.leave()
}

func TestAFirstFrameThatCannotBeReadIsAnErrorTurn(t *testing.T) {
	t.Parallel()
	s := openSite(t, siteConf)
	for _, first := range []string{"hello", "[1]", "null", `{"token":`} {
		k := s.dial(t, "/chat", first)
		if p := k.turn(); p.number != -1 || !strings.HasPrefix(p.fault, "VALIDATION_ERROR: ") {
			t.Errorf("%s: got %+v", first, p)
		}
		if p := k.ask("free", "hi"); p.number != -1 || p.text != helloHi {
			t.Errorf("%s: got %+v", first, p)
		}
		k.leave()
	}
	// Who signed in by the query stays signed in.
	k := s.dial(t, "/chat?token=sk-alice", "nonsense")
	if p := k.turn(); p.number <= 0 || p.fault == "" {
		t.Errorf("got %+v", p)
	}
	k.leave()
}

func TestAnonymousConversationsLiveOnTheirSocketOnly(t *testing.T) {
	t.Parallel()
	s := openSite(t, siteConf)
	for range 2 {
		k := s.dial(t, "/chat", `{"token":"anonymous","id":5}`)
		for i, text := range []string{"one", "two"} {
			if p := k.ask("free", text); p.number != -1 || p.text != fmt.Sprintf("Hello, you said %q (n=%d)", text, 2*i+1) {
				t.Errorf("got %+v", p)
			}
		}
		k.leave()
	}
	if list := s.list(t, "sk-alice"); len(list) != 0 {
		t.Errorf("got %+v", list)
	}
}

func TestParallelSocketsWithoutANumberGetDifferentOnes(t *testing.T) {
	t.Parallel()
	s := openSite(t, siteConf)
	const sockets = 20
	var wg sync.WaitGroup
	socks, numbers := make([]*sock, sockets), make([]int64, sockets)
	for i := range socks {
		socks[i] = s.enter(t, "sk-alice", 0)
	}
	for i, k := range socks {
		wg.Go(func() {
			numbers[i] = k.ask("mock-echo", fmt.Sprint("from ", i)).number
		})
	}
	wg.Wait()
	seen := make(map[int64]bool)
	for i, k := range socks {
		k.leave()
		if n := numbers[i]; n < 1 || n > sockets || seen[n] {
			t.Errorf("number %d", n)
		}
		seen[numbers[i]] = true
		want := fmt.Sprintf("user: from %d | assistant: Hello, you said \"from %d\" (n=1)", i, i)
		if c := s.load(t, "sk-alice", numbers[i]); c.said() != want {
			t.Errorf("conversation %d is %s", numbers[i], c.said())
		}
	}
}

func TestANumberOfNobodysBeginsANewConversation(t *testing.T) {
	t.Parallel()
	s := openSite(t, siteConf)
	k := s.enter(t, "sk-alice", 0)
	k.ask("mock-echo", "hi")
	k.leave()
	for _, one := range []struct {
		key    string
		number int64
	}{{"sk-bob", 1}, {"sk-alice", 77}} {
		k := s.enter(t, one.key, one.number)
		if p := k.ask("mock-echo", "hi"); p.text != helloHi || p.number == 77 {
			t.Errorf("%+v: got %+v", one, p)
		}
		k.leave()
	}
	k = s.enter(t, "sk-alice", 1)
	if p := k.ask("mock-echo", "again"); p.number != 1 || p.text != `Hello, you said "again" (n=3)` {
		t.Errorf("got %+v", p)
	}
	k.leave()
}

func TestARefusedTurnHasTheNumberOfItsConversation(t *testing.T) {
	t.Parallel()
	s := openSite(t, siteConf)
	k := s.enter(t, "sk-alice", 0)
	for _, frame := range []string{chatFrame("nope", "hi"), chatFrame("mock-echo", ""), "{bad", `{"type":"restart","model":"mock-echo"}`, chatFrame("fail-500", "hi"), chatFrame("mock-echo", "hi")} {
		k.say(frame)
		p := k.turn()
		if p.number != 1 || (p.fault == "") != strings.HasPrefix(p.text, `Hello, you said "hi"`) {
			t.Errorf("%s: got %+v", frame, p)
		}
	}
	k.leave()
	const want = "user: hi | assistant: the price of the model is not set (model: nope) | assistant: " + helloHi +
		" | user: hi | assistant: MODEL_ERROR: the model answered with an error | user: hi | assistant: Hello, you said \"hi\" (n=3)"
	if c := s.load(t, "sk-alice", 1); c.said() != want {
		t.Errorf("on the screen is %s\nstored is %s", want, c.said())
	}
}

func TestErrorTurnsSpeakTheWordsOfTheRealServer(t *testing.T) {
	t.Parallel()
	s := openSite(t, siteConf)
	closed := openSite(t, strings.Replace(siteConf, "  anonymous: {models: [free, mock-free, say]}\n", "", 1))
	for _, c := range []struct {
		s                *site
		key, model, want string
	}{
		{s, "", "mock-echo", "not authenticated error (model: mock-echo)"},
		{closed, "", "free", "not authenticated error (model: free)"},
		{closed, "", "", "not authenticated error (model: default)"},
		{s, "", "nope", "not authenticated error (model: nope)"},
		{s, "sk-alice", "nope", "the price of the model is not set (model: nope)"},
		{s, "sk-bob", "recall", "cannot find channel for model recall"},
		{s, "sk-alice", "fail-500", "MODEL_ERROR: the model answered with an error"},
		{s, "sk-alice", "empty", "MODEL_ERROR: the model gave an empty answer"},
	} {
		k := c.s.enter(t, c.key, 0)
		p := k.ask(c.model, "hi")
		if p.fault != c.want || len(p.frames) != 2 {
			t.Errorf("%s as %q: got %+v", c.model, c.key, p)
		}
		if end := p.frames[len(p.frames)-1]; !strings.HasPrefix(end, `{"conversation":0,"quota":0,"keyword":"","message":"`) {
			t.Errorf("got %s", end)
		}
		k.leave()
	}
}

func TestFramesAreThoseOfTheRealServerByteByByte(t *testing.T) {
	t.Parallel()
	s := openSite(t, siteConf)
	k := s.enter(t, "sk-alice", 0)
	p := k.ask("say", "<&>\u2028é")
	want := []string{`{"conversation":1,"quota":0,"keyword":"","message":"","end":false,"plan":false}` + "\n"}
	for _, c := range []string{`\u003c`, `\u0026`, `\u003e`, `\u2028`, `é`} {
		want = append(want, `{"conversation":0,"quota":0,"keyword":"","message":"`+c+`","end":false,"plan":false}`+"\n")
	}
	want = append(want, `{"conversation":0,"quota":0,"keyword":"","message":"","end":true,"plan":false}`+"\n")
	if strings.Join(p.frames, "") != strings.Join(want, "") {
		t.Errorf("got %q", p.frames)
	}
	k.leave()
}

func TestFieldsAreTakenAsStringsToo(t *testing.T) {
	t.Parallel()
	s := openSite(t, siteConf)
	k := s.enter(t, "sk-alice", 0)
	k.say(`{"type":"","message":"one","web":"false","model":"mock-echo","context":"3","temperature":"0.5","think":true,"mcp_plugin_id":7}`)
	if p := k.turn(); p.fault != "" {
		t.Errorf("got %+v", p)
	}
	k.say(`{"message":"two","model":"recall","ignore_context":"true"}`)
	if p := k.turn(); p.text != "user: two" {
		t.Errorf("got %+v", p)
	}
	k.say(`{"message":"three","model":"recall","web":"perhaps"}`)
	if p := k.turn(); p.fault != "VALIDATION_ERROR: web must be true or false" {
		t.Errorf("got %+v", p)
	}
	k.say(`{"type":"unknown","message":"x"}`, chatFrame("mock-echo", "four"))
	if p := k.turn(); p.text != `Hello, you said "four" (n=5)` {
		t.Errorf("got %+v", p)
	}
	k.leave()
}

func TestTheWindowCountsTheNewestMessage(t *testing.T) {
	t.Parallel()
	s := openSite(t, siteConf)
	for frame, want := range map[string]int{
		`{"message":"x","model":"recall"}`:                         8,
		`{"message":"x","model":"recall","context":-1}`:            8,
		`{"message":"x","model":"recall","context":2}`:             2,
		`{"message":"x","model":"recall","context":100}`:           13,
		`{"message":"x","model":"recall","ignore_context":true}`:   1,
		`{"type":"restart","model":"recall","context":3}`:          3,
		`{"message":"x","model":"recall","context":1,"web":false}`: 1,
	} {
		k := s.enter(t, "sk-alice", 0)
		k.say(mask(`[{"role":"system","content":"be brief"}]`))
		for i := range 6 {
			k.ask("mock-echo", fmt.Sprint("q", i))
		}
		k.say(frame)
		p := k.turn()
		// The system message is seen besides.
		if seen := strings.Split(p.text, " | "); seen[0] != "system: be brief" || len(seen) != want+1 {
			t.Errorf("%s: the model saw %d: %s", frame, len(seen), p.text)
		}
		k.leave()
	}
}

func TestAConversationThatWasDeletedComesBackUnderItsNumber(t *testing.T) {
	t.Parallel()
	s := openSite(t, siteConf)
	k := s.enter(t, "sk-alice", 0)
	k.ask("mock-echo", "hi")
	s.want(t, "sk-alice", "GET", "/conversation/delete?id=1", "", 200, ok)
	if p := k.ask("mock-echo", "hi"); p.number != 1 || p.text != helloHi {
		t.Errorf("got %+v", p)
	}
	k.leave()
	if c := s.load(t, "sk-alice", 1); len(c.Message) != 2 {
		t.Errorf("got %+v", c)
	}
}

func TestTwoSocketsOnOneConversationKeepBothTurns(t *testing.T) {
	t.Parallel()
	s := openSite(t, siteConf)
	a := s.enter(t, "sk-alice", 0)
	a.ask("mock-echo", "first")
	b := s.enter(t, "sk-alice", 1)
	a.say(chatFrame("mock-echo", "from a"))
	b.say(chatFrame("mock-echo", "from b"))
	pa, pb := a.turn(), b.turn()
	a.leave()
	b.leave()
	both := map[string]bool{pa.text[strings.Index(pa.text, "("):]: true, pb.text[strings.Index(pb.text, "("):]: true}
	if !both["(n=3)"] || !both["(n=5)"] {
		t.Errorf("one did not see the other: %q, %q", pa.text, pb.text)
	}
	c := s.load(t, "sk-alice", 1)
	if len(c.Message) != 6 || !strings.Contains(c.said(), "user: from a | assistant: "+pa.text) || !strings.Contains(c.said(), "user: from b | assistant: "+pb.text) {
		t.Errorf("got %s", c.said())
	}
}

// pairs reads a turn as the PHP SDK does: the end is looked for in every other
// frame, beginning with the first, and text in the others.
func pairs(t *testing.T, p *played) (text string) {
	t.Helper()
	for i, f := range p.frames {
		end, message := strings.Contains(f, `"end":true`), between(f, `"message":"`, `","end"`)
		switch {
		case i%2 == 0 && end:
			return text
		case i%2 == 0 && message != "" || end:
			t.Errorf("frame %d is lost: %s", i+1, f)
		}
		text += message
	}
	t.Errorf("no end was seen: %q", p.frames)
	return text
}

func between(s, before, after string) string {
	_, s, _ = strings.Cut(s, before)
	s, _, _ = strings.Cut(s, after)
	return s
}

func TestAClientThatReadsEveryOtherFrameLosesNothing(t *testing.T) {
	t.Parallel()
	s := openSite(t, siteConf)
	k := &sock{t: t, ws: s.Socket(t, "/chat", "User-Agent", "websocket-client-php")}
	k.say(`{"token":"sk-alice","id":-1}`)
	for text, model := range map[string]string{"a": "say", "ab": "say", "abc": "say", "": "nope"} {
		frame := chatFrame(model, text)
		if text == "" {
			frame = chatFrame(model, "x")
		}
		k.say(frame)
		if got := pairs(t, k.turn()); got != text {
			t.Errorf("got %q, want %q", got, text)
		}
	}
	k.leave()
}

func TestSearchWordsThatAChannelReportsAreShown(t *testing.T) {
	t.Parallel()
	s := openSite(t, strings.Replace(siteConf, "channels:", "channels:\n  - {id: old, kind: chatnio, url: 'ws://"+searching(t)+"', models: [searcher]}", 1))
	k := s.enter(t, "sk-alice", 0)
	k.say(`{"type":"chat","message":"hi","web":true,"model":"searcher"}`)
	p := k.turn()
	if p.text != "found" || p.fault != "" || !strings.Contains(strings.Join(p.frames, ""), `"keyword":"some words"`) {
		t.Errorf("got %+v", p)
	}
	k.leave()
}

func TestAShutdownEndsTurnsBeforeItClosesSockets(t *testing.T) {
	t.Parallel()
	s := openSite(t, siteConf)
	k := s.enter(t, "sk-alice", 0)
	k.say(chatFrame("hang", "hi"))
	k.frame()
	s.Eventually(t, "the model is asked", func() bool { return s.Model.Active() == 1 })
	done := make(chan struct{})
	go func() { defer close(done); s.Shutdown(10 * time.Millisecond) }()
	f, _ := k.frame()
	if !*f.End || !strings.Contains(*f.Message, "cannot find channel for model hang") {
		t.Errorf("got %v %q", *f.End, *f.Message)
	}
	if _, _, err := k.ws.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseGoingAway) {
		t.Errorf("got %v", err)
	}
	<-done
	_ = k.ws.Close()
}

func TestPingsAreAnsweredDuringATurn(t *testing.T) {
	t.Parallel()
	s := openSite(t, siteConf)
	k := s.enter(t, "sk-alice", 0)
	k.say(chatFrame("hang", "hi"))
	k.frame()
	answered := ""
	k.ws.SetPongHandler(func(data string) error { answered = data; return nil })
	if err := k.ws.WriteControl(websocket.PingMessage, []byte("x"), time.Now().Add(world.Limit)); err != nil {
		t.Fatal(err)
	}
	k.say(`{"type":"stop"}`)
	if f, _ := k.frame(); !*f.End || *f.Message != "" || answered != "x" {
		t.Errorf("got %v %q, pong %q", *f.End, *f.Message, answered)
	}
	k.leave()
}
