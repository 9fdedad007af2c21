package front_test

import (
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

func TestAStoppedTurnHasOneEndAndKeepsWhatCame(t *testing.T) {
	t.Parallel()
	for _, kind := range config.Kinds {
		if kind.Name == "iagent" {
			continue
		}
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			w := world.Start(t, pair(kind.Name))
			c := world.NewChatnio(w, key, 0)
			turn := c.Begin(t, world.Ask{Model: "long-400-slow-20", Text: "apple"})
			turn.Next(t)
			c.Send(t, map[string]any{"type": "stop", "message": "", "model": "event"})
			for turn.Next(t) {
			}
			r := turn.Reply()
			if !r.Ended || r.Failed || !strings.HasPrefix(r.Text, "w0 ") {
				t.Fatalf("the stopped turn: %s", r.Outcome())
			}
			if len(listed(t, w)) != 1 {
				t.Errorf("listed: %+v", listed(t, w))
			} else if got := screen(t, w); len(got) != 2 || got[1].Content != r.Text {
				t.Errorf("stored %+v, seen %q", got, r.Text)
			} else if got := loaded(t, w, listed(t, w)[0].ID); len(got) != 1 || listed(t, w)[0].Count != 1 {
				t.Errorf("half an answer is shown on rest: %+v", got)
			}
			next := world.Put(t, c, world.Ask{Model: "recall", Text: "pear"})
			want := "user: apple | assistant: " + r.Text + " | user: pear"
			if kind.Name == "rest" {
				want = "user: Our conversation so far:\nuser: apple\nassistant: " + r.Text + "\n\nNow answer this:\npear"
			}
			if next.Text != want || next.Number != r.Number {
				t.Errorf("the next turn: %s in %d, want %q", next.Outcome(), next.Number, want)
			}
			c.Close(t)
			if kind.Name != "mock" {
				w.Eventually(t, "the model was left", func() bool { return w.Model.Left() == 1 })
			}
		})
	}
}

func TestChatsThatWaitAreAnsweredInTheirOrder(t *testing.T) {
	t.Parallel()
	w := world.Start(t, pair("openai"))
	c := world.NewChatnio(w, key, 0)
	defer c.Close(t)
	texts := strings.Fields("one two three four five six seven eight nine ten eleven twelve")
	for _, text := range texts {
		c.Begin(t, world.Ask{Model: "echo", Text: text})
	}
	for _, text := range texts {
		if r := c.Read().All(t); !strings.Contains(r.Text, `"`+text+`"`) || !r.Ended {
			t.Errorf("to %s: %s", text, r.Outcome())
		}
	}
}

func TestARestartPutsItsAnswerInThePlaceOfTheLast(t *testing.T) {
	t.Parallel()
	w := world.Start(t, pair("openai"))
	c := world.NewChatnio(w, key, 0)
	defer c.Close(t)
	world.Put(t, c, world.Ask{Model: "echo", Text: "apple"})
	if r := world.Put(t, c, world.Ask{Type: "restart", Model: "recall"}); r.Text != apple {
		t.Errorf("restarted: %s", r.Outcome())
	}
	if r := world.Put(t, c, world.Ask{Model: "recall", Text: "pear"}); r.Text != pear {
		t.Errorf("after it: %s", r.Outcome())
	}
	empty := world.NewChatnio(w, key, 0)
	defer empty.Close(t)
	if r := world.Put(t, empty, world.Ask{Type: "restart", Model: "recall"}); r.Outcome() != "end VALIDATION_ERROR" {
		t.Errorf("with nothing to restart: %s", r.Outcome())
	}
}

func TestTheWindowCountsTheNewestMessageAndKeepsTheSystemText(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"openai", "anthropic", "chatnio", "mock"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := world.Start(t, pair(kind))
			c := world.NewChatnio(w, key, 0)
			defer c.Close(t)
			world.Put(t, c, world.Ask{Model: "echo", Text: "a"})
			world.Put(t, c, world.Ask{Model: "echo", Text: "b"})
			if r := world.Put(t, c, world.Ask{Model: "brief", Text: "c", Context: 3}); r.Text != `system: Be brief. | user: b | assistant: Hello, you said "b" (n=3) | user: c` {
				t.Errorf("context 3: %s", r.Outcome())
			}
			if r := world.Put(t, c, world.Ask{Model: "brief", Text: "d", Context: 1}); r.Text != "system: Be brief. | user: d" {
				t.Errorf("context 1: %s", r.Outcome())
			}
		})
	}
}

func TestAnonymousChatsAreNotStored(t *testing.T) {
	t.Parallel()
	w := world.Start(t, strings.Replace(pair("openai"), "callers: {", "callers: {anonymous: {models: [recall]}, ", 1))
	c := world.NewChatnio(w, "", 0)
	for _, turn := range []struct{ text, want string }{{"apple", apple}, {"pear", pear}} {
		if r := world.Put(t, c, world.Ask{Model: "recall", Text: turn.text}); r.Text != turn.want || r.Number != -1 {
			t.Errorf("%s: %s in %d", turn.text, r.Outcome(), r.Number)
		}
	}
	if r := world.Put(t, c, world.Ask{Model: "echo", Text: "x"}); !r.Failed || r.Number != -1 {
		t.Errorf("a model that is not for anonymous callers: %s", r.Outcome())
	}
	c.Close(t)
	if _, _, body := w.Do(t, "GET", "/api/conversations", ""); !strings.Contains(body, `"total":0`) {
		t.Errorf("stored: %s", body)
	}
}
