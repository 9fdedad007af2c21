package proxy

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/internal/ids"
	"github.com/dragoman-gateway/dragoman/proxy/channel"
	"github.com/dragoman-gateway/dragoman/proxy/conversation"
	"github.com/dragoman-gateway/dragoman/translate"
)

// mem is what the n-th request to channel id said of its memory.
func (w *world) mem(id string, n int) translate.Memory {
	w.t.Helper()
	reqs := w.up[id].Asked()
	if n >= len(reqs) {
		w.t.Fatalf("channel %s was asked %d times", id, len(reqs))
	}
	return reqs[n].Memory
}

func (w *world) mustBeFresh(id string, n int) string {
	w.t.Helper()
	m := w.mem(id, n)
	if m.ID == "" || m.InSync {
		w.t.Errorf("request %d to %s: %+v, want a fresh memory", n, id, m)
	}
	for i := range n {
		if w.mem(id, i).ID == m.ID {
			w.t.Errorf("request %d to %s has the memory of request %d", n, id, i)
		}
	}
	return m.ID
}

func TestASecondTurnSendsOnlyWhatIsNewToARemoteMemory(t *testing.T) {
	t.Parallel()
	for _, k := range []string{"rest", "iagent", "chatnio"} {
		t.Run(k, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, conf(backend("a", kind(k))), map[string][]script{"a": {says("one"), says("two")}})
				w.ask(t.Context(), w.in("k", w.question("1"))).mustSay(t, "one")
				id := w.mustBeFresh("a", 0)
				w.ask(t.Context(), w.in("k", w.question("2"))).mustSay(t, "two")
				if m := w.mem("a", 1); m.ID != id || !m.InSync {
					t.Errorf("second turn: %+v, first: %s", m, id)
				}
				got, want := w.up["a"].Texts(), "user:2"
				if k == "chatnio" { // the codec leaves out what the socket knows
					want = "user:1|assistant:one|user:2"
				}
				if got != want {
					t.Errorf("it was sent %s", got)
				}
			})
		})
	}
}

func TestAFailoverAndTheWayBackReplayEverything(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a", kind("rest")), backend("b", kind("rest"), tier(2))), map[string][]script{
			"a": {says("one"), refuses(fault(translate.FaultDial)), says("three"), says("four")},
			"b": {says("two")},
		})
		for i, want := range []string{"one", "two", "three", "four"} {
			q := w.in("k", w.question(fmt.Sprint(i+1)))
			w.ask(t.Context(), q).mustSay(t, want)
		}
		w.mustBeFresh("a", 0)
		w.mustBeFresh("b", 0)
		id := w.mustBeFresh("a", 2)
		if m := w.mem("a", 3); m.ID != id || !m.InSync {
			t.Errorf("the fourth turn: %+v", m)
		}
		replay := w.up["a"].Asked()[2].Messages
		if len(replay) != 1 || !strings.Contains(replay[0].Text(), "assistant: two") || !strings.HasSuffix(replay[0].Text(), "3") {
			t.Errorf("replayed %s", said(replay))
		}
	})
}

func TestWhatHappensToAConversationPutsItsMemoryOutOfSync(t *testing.T) {
	t.Parallel()
	zero := 0
	for name, happen := range map[string]func(*testing.T, *world){
		"an edit": func(t *testing.T, w *world) {
			p, err := w.g.Enqueue(t.Context(), alice, talkOf("k"))
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Edit(t.Context(), conversation.Edit{Set: &conversation.SetText{Index: 0, Text: "changed"}}); err != nil {
				t.Fatal(err)
			}
		},
		"a removal": func(t *testing.T, w *world) {
			p, err := w.g.Enqueue(t.Context(), alice, talkOf("k"))
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Edit(t.Context(), conversation.Edit{Remove: &zero}); err != nil {
				t.Fatal(err)
			}
		},
		"a clear": func(t *testing.T, w *world) {
			p, err := w.g.Enqueue(t.Context(), alice, talkOf("k"))
			if err != nil {
				t.Fatal(err)
			}
			if err := w.g.Conversations().Clear(t.Context(), alice.Name, p.ID()); err != nil {
				t.Fatal(err)
			}
			p.Done()
		},
		"a failed turn": func(t *testing.T, w *world) {
			if r := w.ask(t.Context(), w.in("k", w.question("FAIL"))); r.err == nil {
				t.Error("it did not fail")
			}
		},
		"a cancelled turn": func(t *testing.T, w *world) {
			w.up["a"].PlayAt(1, script{Steps: []step{text("x"), hangs()}})
			ctx, cancel := context.WithCancelCause(t.Context())
			q := w.in("k", w.question("STOP"))
			done := make(chan struct{})
			go func() { defer close(done); w.ask(ctx, q) }()
			synctest.Wait()
			cancel(errLeft)
			<-done
		},
		"a narrower window": func(t *testing.T, w *world) {
			w.up["a"].PlayAt(1, says("ok"))
			q := w.in("k", w.question("narrow"))
			q.Request.Context = 1
			w.ask(t.Context(), q).mustSay(t, "ok")
			if m := w.mem("a", 1); m.ID != "" {
				t.Errorf("a question that stands alone has the memory %+v", m)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, conf(backend("a", kind("rest"))), map[string][]script{"a": {
					says("one"), {Steps: []step{text("x"), fails(fault(translate.FaultBroken))}}, says("end")}})
				w.ask(t.Context(), w.in("k", w.question("1"))).mustSay(t, "one")
				happen(t, w)
				if len(w.up["a"].Asked()) == 1 {
					w.up["a"].PlayAt(1, says("end"))
				}
				w.ask(t.Context(), w.in("k", w.question("last"))).mustSay(t, "end")
				w.mustBeFresh("a", len(w.up["a"].Asked())-1)
			})
		})
	}
}

// turns is a stateless question with what was said before.
func (w *world) stateless(said ...string) *question {
	q := w.question("")
	for i, s := range said {
		q.Request.Messages = append(q.Request.Messages, translate.TextMessage([]translate.Role{translate.RoleUser, translate.RoleAssistant}[i%2], s))
	}
	return q
}

func TestAStatelessChatGoesOnInItsRemoteMemory(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a", kind("rest")), backend("b", kind("rest"))), map[string][]script{"a": {says("one")}, "b": {says("one")}})
		for range 20 { // whichever channel is drawn first keeps it
			prefix := ids.New("")
			w.ask(t.Context(), w.stateless(prefix)).mustSay(t, "one")
			first := strings.Fields(w.order())
			w.ask(t.Context(), w.stateless(prefix, "one", "2")).mustSay(t, "one")
			second := strings.Fields(w.order())
			ch := second[len(second)-1]
			if ch != first[len(first)-1] {
				t.Fatalf("it went on at %s", ch)
			}
			reqs := w.up[ch].Asked()
			if m := reqs[len(reqs)-1].Memory; !m.InSync || m.ID != reqs[len(reqs)-2].Memory.ID {
				t.Fatalf("second request %+v", m)
			}
		}
	})
}

func TestOtherCallersDoNotGetAtARemoteMemory(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a", kind("rest"))), map[string][]script{"a": {says("one")}})
		w.ask(t.Context(), w.stateless("1")).mustSay(t, "one")
		q := w.stateless("1", "one", "2")
		q.Caller = &Caller{Name: "mallory"}
		w.ask(t.Context(), q).mustSay(t, "one")
		w.mustBeFresh("a", 1)
	})
}

func TestTwoQuestionsNeverShareARemoteMemoryAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a", kind("rest"))), map[string][]script{"a": {says("one")}})
		w.ask(t.Context(), w.stateless("1")).mustSay(t, "one")
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() { w.ask(t.Context(), w.stateless("1", "one", fmt.Sprint(i))).mustSay(t, "one") })
		}
		all.Wait()
		seen, sync := map[string]int{}, 0
		for _, r := range w.up["a"].Asked()[1:] {
			seen[r.Memory.ID]++
			if r.Memory.InSync {
				sync++
			}
		}
		if len(seen) != 20 || sync != 1 {
			t.Errorf("20 questions had %d memories, %d of them in sync", len(seen), sync)
		}
	})
}

func TestAFoldSaysEverythingInOneMessage(t *testing.T) {
	t.Parallel()
	msgs := []translate.Message{
		translate.TextMessage(translate.RoleSystem, "sys"),
		translate.TextMessage(translate.RoleUser, "q1"),
		{Role: translate.RoleAssistant, Parts: []translate.Part{{Kind: translate.PartReasoning, Text: "hidden"}, {Kind: translate.PartText, Text: "a1"}, {Kind: translate.PartToolCall, Name: "f", Args: "{}"}}},
		{Role: translate.RoleTool, Parts: []translate.Part{{Kind: translate.PartToolResult, Text: "42"}}},
		{Role: translate.RoleUser, Parts: []translate.Part{{Kind: translate.PartText, Text: "q2"}, {Kind: translate.PartImage, URL: "u"}}},
	}
	for text, want := range map[string]string{
		"": "sys\n\nOur conversation so far:\nuser: q1\nassistant: a1\n[called f with {}]\ntool: [result: 42]\n\nNow answer this:\nq2",
		"{{.System}}/{{len .History}}/{{.Message}}": "sys/3/q2",
	} {
		tmpl, err := channel.ParseFold(text)
		if err != nil {
			t.Fatal(err)
		}
		got, err := channel.FoldRequest(tmpl, &translate.Request{Messages: msgs})
		if err != nil {
			t.Fatal(err)
		}
		if got.Text() != want || len(got.Parts) != 2 || got.Parts[1].URL != "u" {
			t.Errorf("folded to %q, want %q", got.Text(), want)
		}
	}
	tmpl, _ := channel.ParseFold("")
	if got, _ := channel.FoldRequest(tmpl, &translate.Request{Messages: msgs[4:]}); got.Text() != "q2" {
		t.Errorf("a lone message became %q", got.Text())
	}
}

func TestAFoldIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		twice := strings.Repeat("{{.Message}}", 40)
		w := newWorld(t, conf(backend("a", kind("rest"), func(c *config.Channel) { c.Fold = twice })), map[string][]script{"a": {says("x"), says("y")}})
		w.ask(t.Context(), w.stateless("1", "one", strings.Repeat("x", 1<<20))).mustFail(t, translate.CodeInternal, 0)
		w.ask(t.Context(), w.stateless("1", "one", strings.Repeat("x", 1<<19))).mustSay(t, "x")
	})
}

func TestAFoldThatFailsIsOurFaultAndNobodyElses(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a", kind("rest"), func(c *config.Channel) { c.Fold = "{{.Nothing}}" })), map[string][]script{"a": {says("x")}})
		q := w.stateless("1", "one", "2")
		w.ask(t.Context(), q).mustFail(t, translate.CodeInternal, 0)
	})
}
