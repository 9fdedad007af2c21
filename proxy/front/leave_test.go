package front_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

// settled waits until the gateway has given up a question and the model knows:
// an agent on a shared socket cannot be told, and the mock is in the process.
func settled(t *testing.T, w *world.World, kind string, left int64) {
	t.Helper()
	if kind == "mock" {
		return // the end of the world waits for what is not given up
	}
	w.Eventually(t, "the log says that the client left", func() bool {
		return strings.Count(w.Log.String(), " code=CANCELED") == int(left)
	})
	if kind == "iagent" {
		return
	}
	w.Eventually(t, "the model was left", func() bool { return w.Model.Active() == 0 && w.Model.Left() == left })
}

// asked waits until the model has the question.
func asked(t *testing.T, w *world.World, kind string, n int64) {
	t.Helper()
	if kind != "mock" {
		w.Eventually(t, "the model is asked", func() bool { return w.Model.Requests() == n })
	}
}

func TestAClientThatLeavesBeforeTheFirstByteEndsTheQuestion(t *testing.T) {
	t.Parallel()
	eachPair(t, func(t *testing.T, w *world.World, kind string, client func() world.Client) {
		n := int64(0)
		ways(t, client, func(t *testing.T, c world.Client, a world.Ask) {
			a.Model, a.Text = "echo-first-60000", "hi"
			turn := c.Begin(t, a)
			n++
			asked(t, w, kind, n)
			turn.Leave()
			settled(t, w, kind, n)
		})
	})
}

func TestAClientThatLeavesInTheMiddleEndsTheAnswer(t *testing.T) {
	t.Parallel()
	eachPair(t, func(t *testing.T, w *world.World, kind string, client func() world.Client) {
		c := client()
		if !c.Streams() || kind == "iagent" {
			t.Skip("there is no middle in an answer of one piece")
		}
		turn := c.Begin(t, world.Ask{Model: "long-400-slow-20", Text: "hi", Stream: true})
		if !turn.Next(t) || turn.Reply().Text != "w0 " {
			t.Fatalf("the first piece: %s", turn.Reply().Outcome())
		}
		turn.Leave()
		settled(t, w, kind, 1)
		if kind == "mock" {
			w.Eventually(t, "the log says that the client left", func() bool { return strings.Contains(w.Log.String(), " code=CANCELED") })
		}
		kept(t, w, c.Front(), "hi", "w0 ")
	})
}

// kept checks what is stored of a turn whose client left: on chatnio the question
// and what came, elsewhere nothing (docs/rules/conversations.md 8).
func kept(t *testing.T, w *world.World, front, question, begin string) {
	t.Helper()
	list := listed(t, w)
	if front != "chatnio" {
		if len(list) > 0 {
			t.Errorf("an abandoned turn was stored: %+v", list)
		}
		return
	}
	if len(list) != 1 {
		t.Fatalf("listed: %+v", list)
	}
	got := screen(t, w)
	if len(got) != 2 || got[0].Content != question || !strings.HasPrefix(got[1].Content, begin) {
		t.Errorf("stored: %+v", got)
	}
}

func TestAStoppingServerEndsAnswersInTheirOwnForm(t *testing.T) {
	t.Parallel()
	for _, newClient := range world.Fronts {
		t.Run(newClient(nil, "").Front(), func(t *testing.T) {
			t.Parallel()
			w := world.Start(t, pair("openai"))
			c := newClient(w, key)
			turn := c.Begin(t, world.Ask{Model: "long-400-slow-20", Text: "hi", Stream: true})
			if c.Streams() {
				turn.Next(t)
			} else {
				asked(t, w, "openai", 1)
			}
			stopped := make(chan struct{})
			go func() {
				defer close(stopped)
				w.Shutdown(50 * time.Millisecond)
			}()
			for turn.Next(t) {
			}
			<-stopped
			r := turn.Reply()
			got := r.Outcome()
			if r.Text != "" {
				got = strings.TrimPrefix(got, strconv.Quote(r.Text)+" then ")
			}
			if got != form(c.Front(), "stopping") {
				t.Errorf("got %s, want %s", got, form(c.Front(), "stopping"))
			}
			if c.Streams() && !strings.HasPrefix(r.Text, "w0 ") {
				t.Errorf("the text before it: %q", r.Text)
			}
		})
	}
}

func TestAClientThatLeavesWhileTheServerStopsEndsItsAnswer(t *testing.T) {
	t.Parallel()
	for _, newClient := range world.Fronts {
		t.Run(newClient(nil, "").Front(), func(t *testing.T) {
			t.Parallel()
			w := world.Start(t, pair("openai"))
			c := newClient(w, key)
			turn := c.Begin(t, world.Ask{Model: "echo-first-60000", Text: "hi", Stream: c.Streams()})
			asked(t, w, "openai", 1)
			stopped := make(chan struct{})
			began := time.Now()
			go func() {
				defer close(stopped)
				w.Shutdown(world.Limit)
			}()
			w.Eventually(t, "the gateway stops", w.Gateway.Draining)
			turn.Leave()
			<-stopped
			if took := time.Since(began); took > world.Limit/2 {
				t.Errorf("it took %v to stop, with nobody there", took)
			}
			settled(t, w, "openai", 1)
		})
	}
}
