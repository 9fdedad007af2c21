package proxy

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/store/embedded"
	"github.com/dragoman-gateway/dragoman/translate"
)

// takes is a model that takes so many tokens, as a server counts them that says so or not.
func takes(u *fakeUp, tokens int, refuse func(sent int) error) {
	u.Reply(func(req *translate.Request) script {
		if sent := serverCount(req); sent > tokens {
			return script{Err: refuse(sent)}
		}
		return says("ok")
	})
}

// serverCount is how a server counts: 3.5 bytes a token, and 4 tokens a message.
func serverCount(req *translate.Request) (n int) {
	for i := range req.Messages {
		n += 4 + 2*len(req.Messages[i].Text())/7
	}
	return n
}

func tooLongFor(int) error {
	return &translate.Error{Code: translate.CodeModel, Fault: translate.FaultRejected, Upstream: &translate.Refusal{Status: 400, Code: "context_length_exceeded"}}
}

// longTalk stores a conversation of so many turns under the key k.
func longTalk(t *testing.T, st store.Store, turns int) {
	t.Helper()
	c := &store.Conversation{ID: "conv_long", Owner: "alice", Key: "k", User: "u"}
	turn := store.Turn{At: 1}
	for i := range turns {
		turn.Messages = append(turn.Messages,
			store.Message{At: 1, Message: translate.TextMessage(translate.RoleUser, fmt.Sprintf("question %d %s", i, strings.Repeat("word ", 12)))},
			store.Message{At: 1, Message: translate.TextMessage(translate.RoleAssistant, fmt.Sprintf("answer %d %s", i, strings.Repeat("word ", 24)))})
	}
	if err := st.Append(t.Context(), c, turn); err != nil {
		t.Fatal(err)
	}
}

// kindOf is channel a of a kind, whose model takes so many tokens, 0: nobody knows.
func kindOf(kind string, tokens int) config.Channel {
	return config.Channel{ID: "a", Kind: kind, Models: []config.Model{{Name: "m", Upstream: "m", Context: tokens}}}
}

func weigh(msgs []store.Message) (n int) {
	for i := range msgs {
		n += msgs[i].Weight()
	}
	return n
}

// weighed is a store that knows what was read of conversations.
type weighed struct {
	store.Store
	loads, messages, bytes int
}

func (c *weighed) Load(ctx context.Context, owner string, ref store.Ref, w store.Window) (*store.Conversation, error) {
	conv, err := c.Store.Load(ctx, owner, ref, w)
	if c.loads++; err == nil {
		c.messages += len(conv.Messages)
		c.bytes += weigh(conv.Messages)
	}
	return conv, err
}

func TestOfALongConversationAModelGetsWhatItTakes(t *testing.T) {
	for _, kind := range []string{"openai", "anthropic", "chatnio", "rest", "iagent"} {
		t.Run(kind, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, conf(kindOf(kind, 4000)), map[string][]script{"a": {says("ok")}})
				longTalk(t, w.st, 500)
				for i := range 3 {
					w.ask(t.Context(), w.in("k", w.question(fmt.Sprint("now ", i)))).mustSay(t, "ok")
					req := w.up["a"].Asked()[i]
					if n := serverCount(&req); n > 4000-700 {
						t.Errorf("question %d was asked with %d tokens of 4000", i, n)
					}
					if kind == "chatnio" && req.Memory.InSync {
						continue // what it was sent is how much of its memory it is to look at
					}
					if n := serverCount(&req); n < 2000 {
						t.Errorf("question %d was asked with %d tokens of 4000 only", i, n)
					}
					if text := req.Newest().Text(); !strings.HasSuffix(strings.TrimSpace(text), fmt.Sprint("now ", i)) {
						t.Errorf("question %d was asked as %q", i, text)
					}
				}
				if n := w.explained(t).Attempts[0].LeftBehind; n < 900 {
					t.Errorf("explain says that %d messages stayed behind", n)
				}
				if !strings.Contains(logged(w), "left_behind=") {
					t.Errorf("the log does not say that messages stayed behind: %s", logged(w))
				}
			})
		})
	}
}

// explained is what is known of the newest exchange.
func (w *world) explained(t *testing.T) *Explanation {
	t.Helper()
	e, ok := w.g.Explain("r1")
	if !ok {
		t.Fatal("nothing is known of the exchange")
	}
	if n := len(e.Same); n > 0 {
		e, _ = w.g.ExplainOf("r1", "", n)
	}
	return e
}

func TestWhatABackEndSaysOfItsLengthIsBelieved(t *testing.T) {
	refused := func(fault translate.Fault, status int, l *translate.Length) *translate.Error {
		return &translate.Error{Code: translate.CodeModel, Fault: fault, TooLong: l, Upstream: &translate.Refusal{Status: status}}
	}
	for name, test := range map[string]struct {
		refuse func(sent int) error
		answer int // tokens that the server keeps for the answer
		most   int // attempts beyond one for each question
	}{
		"both numbers": {func(sent int) error {
			return refused(translate.FaultRejected, 400, &translate.Length{Limit: 4000, Sent: int64(sent)})
		}, 0, 1},
		"the limit only": {func(int) error { return refused(translate.FaultRejected, 400, &translate.Length{Limit: 4000}) }, 0, 2},
		"a long answer": {func(sent int) error {
			return refused(translate.FaultRejected, 400, &translate.Length{Limit: 4000, Sent: int64(sent)})
		}, 2500, 5},
		"what was sent only": {func(sent int) error {
			return refused(translate.FaultRejected, 400, &translate.Length{Sent: int64(sent)})
		}, 0, 10},
		"a limit that is nonsense":  {func(int) error { return refused(translate.FaultRejected, 400, &translate.Length{Limit: 1, Sent: 7}) }, 0, 10},
		"a limit above what it had": {func(int) error { return refused(translate.FaultRejected, 400, &translate.Length{Limit: 1 << 40}) }, 0, 12},
		"a proxy on the way":        {func(int) error { return refused(translate.FaultSize, 413, nil) }, 0, 10},
		"413 of the back end":       {func(int) error { return refused(translate.FaultRejected, 413, nil) }, 0, 10},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, conf(kindOf("openai", 0)), map[string][]script{"a": nil})
				takes(w.up["a"], 4000-test.answer, test.refuse)
				longTalk(t, w.st, 2000)
				for i := range 40 {
					if r := w.ask(t.Context(), w.in("k", w.question(fmt.Sprint("now ", i)))); r.err != nil || r.text != "ok" {
						t.Fatalf("question %d: %v", i, r.err)
					}
				}
				reqs := w.up["a"].Asked()
				if more := len(reqs) - 40; more > test.most {
					t.Errorf("40 questions took %d more attempts", more)
				}
				if n := serverCount(&reqs[len(reqs)-1]); n < (4000-test.answer)/3 {
					t.Errorf("%d tokens of %d are used in the end", n, 4000-test.answer)
				}
			})
		})
	}
}

func TestALimitOfTokensCountsWhatIsSentOfALongConversation(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := conf(kindOf("openai", 4000))
		c.Limits = map[string]config.Limit{"l": {Tokens: config.Rate{N: 12000, Per: time.Minute}}}
		c.Callers.Keys = []config.Key{{Name: "alice", Key: limitedKey, Access: config.Access{Limits: config.Names{"l"}}}}
		inner, err := embedded.Open("memory:")
		if err != nil {
			t.Fatal(err)
		}
		st := &weighed{Store: inner}
		w := newWorldOn(t, c, map[string][]script{"a": {says("ok")}}, st)
		longTalk(t, inner, 10000)
		for i := range 3 {
			who, err := w.g.Identify(limitedKey, "")
			if err != nil {
				t.Fatal(err)
			}
			w.ask(t.Context(), w.in("k", w.questionOf(who, "m", fmt.Sprint("now ", i)))).mustSay(t, "ok")
			time.Sleep(time.Minute)
		}
		if st.bytes > 1<<20 {
			t.Errorf("%d bytes of the conversation were read", st.bytes)
		}
	})
}

func TestAnAnswerThatIsLongerThanTheModelTakesIsAskedForShorter(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(kindOf("openai", 4000)), map[string][]script{"a": {says("ok")}})
		longTalk(t, w.st, 500)
		for most, want := range map[int][2]int{100_000: {1500, 2500}, 3000: {1500, 2500}, 500: {500, 500}} {
			q := w.in("k", w.question("now"))
			q.Request.Params.MaxTokens = &most
			w.ask(t.Context(), q).mustSay(t, "ok")
			reqs := w.up["a"].Asked()
			req := &reqs[len(reqs)-1]
			if got := *req.Params.MaxTokens; got < want[0] || got > want[1] || got+serverCount(req)*7/8 > 4000 {
				t.Errorf("max_tokens %d was sent as %d, beside %d", most, got, serverCount(req))
			}
			if *q.Request.Params.MaxTokens != most {
				t.Error("the question was changed")
			}
		}
	})
}

func TestWhatIsTooLongIsAskedAgainWithLess(t *testing.T) {
	for _, kind := range []string{"openai", "chatnio", "rest", "iagent"} {
		t.Run(kind, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, conf(kindOf(kind, 0)), map[string][]script{"a": nil})
				takes(w.up["a"], 4000, tooLongFor)
				longTalk(t, w.st, 2000)
				for i := range 40 {
					if r := w.ask(t.Context(), w.in("k", w.question(fmt.Sprint("now ", i)))); r.err != nil || r.text == "" {
						t.Fatalf("question %d: %v", i, r.err)
					}
				}
				tries := len(w.up["a"].Asked())
				if tries > 40+12 {
					t.Errorf("40 questions took %d attempts", tries)
				}
				for i := range 10 {
					w.ask(t.Context(), w.in("k", w.question(fmt.Sprint("then ", i))))
				}
				if n := len(w.up["a"].Asked()) - tries; n > 11 {
					t.Errorf("10 more took %d attempts: what was refused is not remembered", n)
				}
				req := w.up["a"].Asked()[len(w.up["a"].Asked())-1]
				if n := serverCount(&req); kind == "openai" && n < 2000 {
					t.Errorf("%d tokens of 4000 are used in the end", n)
				}
			})
		})
	}
}

func TestALongQuestionThatStandsAloneIsNeverShortened(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(kindOf("openai", 4000)), map[string][]script{"a": nil})
		takes(w.up["a"], 4000, tooLongFor)
		q := w.question("now")
		for i := range 200 {
			q.Request.Messages = append(q.Request.Messages, translate.TextMessage(translate.RoleAssistant, strings.Repeat("word ", 50)), translate.TextMessage(translate.RoleUser, fmt.Sprint(i)))
		}
		if r := w.ask(t.Context(), q); r.err == nil || !tooLong(r.err) {
			t.Errorf("answered %+v", r)
		}
		if reqs := w.up["a"].Asked(); len(reqs) != 1 || len(reqs[0].Messages) != 401 {
			t.Errorf("asked %d times, with %d messages", len(reqs), len(reqs[0].Messages))
		}
	})
}

func TestWhatStaysTooLongGoesToTheFallback(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := conf(kindOf("openai", 0), config.Channel{ID: "b", Kind: "openai", Models: []config.Model{{Name: "n", Upstream: "n"}}})
		c.Fallbacks = map[string][]string{"m": {"n"}}
		w := newWorld(t, c, map[string][]script{"a": {{Err: tooLongFor(0)}}, "b": {says("ok")}})
		longTalk(t, w.st, 100)
		w.ask(t.Context(), w.in("k", w.question("now"))).mustSay(t, "ok")
		if a, b := w.up["a"].Asked(), w.up["b"].Asked(); len(a) != 1+maxCuts || len(b) != 1 || len(b[0].Messages) != 201 {
			t.Errorf("a was asked %d times, b %d times", len(a), len(b))
		}
		w.ask(t.Context(), w.in("k2", w.question("alone"))).mustSay(t, "ok")
		if a := w.up["a"].Asked(); len(a) != 2+maxCuts {
			t.Errorf("a question with nothing before it was shortened: %d attempts", len(a))
		}
	})
}

func TestAShortenedConversationKeepsCallsAndBeginsWithAQuestion(t *testing.T) {
	user := func(text string) translate.Message { return translate.TextMessage(translate.RoleUser, text) }
	says := func(text string) translate.Message { return translate.TextMessage(translate.RoleAssistant, text) }
	call := translate.Message{Role: translate.RoleAssistant, Parts: []translate.Part{{Kind: translate.PartToolCall, ID: "1", Name: "f", Args: "{}"}}}
	result := translate.Message{Role: translate.RoleUser, Parts: []translate.Part{{Kind: translate.PartToolResult, ID: "1", Text: "r"}}}
	system := translate.TextMessage(translate.RoleSystem, "s")
	f := func(name string, room, must int, want string, behind int, msgs ...translate.Message) {
		t.Helper()
		got, n := fit(msgs, room, must)
		var words []string
		for i := range got {
			word := got[i].Text()
			if word == "" {
				word = got[i].Parts[0].ID + got[i].Parts[0].Name
			}
			words = append(words, word)
		}
		if s := strings.Join(words, " "); s != want || n != behind {
			t.Errorf("%s: kept %q, %d stayed behind; want %q, %d", name, s, n, want, behind)
		}
	}
	f("all fits", 1000, 1, "s q a now", 0, system, user("q"), says("a"), user("now"))
	f("an answer is not kept without its question", 17*3+3, 1, "s now", 2, system, user("q"), says("a"), user("now"))
	f("nothing fits", 0, 1, "s now", 2, system, user("q"), says("a"), user("now"))
	f("less than nothing", -5, 1, "now", 2, user("q"), says("a"), user("now"))
	f("a result goes with its call", 60, 1, "now", 4, user("q"), call, result, says("a"), user("now"))
	f("a result that is the question keeps its call", 0, 1, "1f 1", 2, user("q"), says("a"), call, result)
	f("the question has two messages", 0, 2, "now then", 2, user("q"), says("a"), user("now"), user("then"))
	f("a system message amid it is no beginning", 17*2+5, 1, "now", 2, user("q"), system, user("now"))
	f("only system messages", 0, 1, "s", 0, system)
	f("nothing", 0, 1, "", 0)
}

// What a turn reads and holds is what the model takes, however long the conversation is.
func TestATurnCostsWhatTheModelTakes(t *testing.T) {
	for _, url := range []string{"memory:", "sqlite:"} {
		for _, kind := range []string{"openai", "chatnio", "rest", "iagent"} {
			var first, held int
			for _, turns := range []int{100, 1000, 10000} {
				path := url
				if url == "sqlite:" {
					path += filepath.Join(t.TempDir(), "w.db")
				}
				inner, err := embedded.Open(path)
				if err != nil {
					t.Fatal(err)
				}
				st := &weighed{Store: inner}
				longTalk(t, inner, turns)
				w := newWorldOn(t, conf(kindOf(kind, 4000)), map[string][]script{"a": {says("ok")}}, st)
				ask := func() { w.ask(t.Context(), w.in("k", w.question("now"))).mustSay(t, "ok") }
				ask()
				read := st.bytes
				var before, after runtime.MemStats
				st.bytes = 0
				runtime.ReadMemStats(&before)
				const n = 50
				for range n {
					ask()
				}
				runtime.ReadMemStats(&after)
				perTurn, holds := int(after.TotalAlloc-before.TotalAlloc)/n, w.g.Conversations().Stats().Bytes
				t.Logf("%s %s, %d turns: the first question reads %d bytes; each of %d more reads %d, allocates %d; %d bytes are held", url, kind, turns, read, n, st.bytes/n, perTurn, holds)
				if turns == 100 {
					first, held = perTurn, holds
				}
				if most := 4 * (readLeast + readTimes*16000); read > most || st.bytes > 0 {
					t.Errorf("%d bytes are read, then %d", read, st.bytes)
				}
				if perTurn > 4*first+100_000 || holds > 6*held {
					t.Errorf("a turn of %d allocates %d bytes and %d are held; %d and %d of 100", turns, perTurn, holds, first, held)
				}
				_ = inner.Close()
			}
		}
	}
}
