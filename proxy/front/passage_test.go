package front_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

func TestAConversationPassesThroughChannelsOfThreeKinds(t *testing.T) {
	t.Parallel()
	w := world.Start(t, callers+"channels:\n"+
		channel("a", "openai", "", "{name: one, upstream: recall}")+
		channel("b", "iagent", "", "{name: two, upstream: recall}")+
		channel("c", "chatnio", "", "{name: three, upstream: recall}"))
	c := world.NewChatnio(w, key, 0)
	first := world.Put(t, c, world.Ask{Model: "one", Text: "apple"})
	if first.Text != "user: apple" {
		t.Fatalf("openai: %s", first.Outcome())
	}
	rest := world.NewRest(w, key)
	defer rest.Close(t)
	second := world.Put(t, rest, world.Ask{Model: "two", Text: "pear", User: "alice", Group: fmt.Sprintf("chatnio:%d", first.Number)})
	if strings.Count(second.Text, "user: apple\nassistant: user: apple\n") != 1 || !strings.HasSuffix(second.Text, "pear") {
		t.Errorf("iagent: %s", second.Outcome())
	}
	third := world.Put(t, c, world.Ask{Model: "three", Text: "plum"})
	if want := "user: apple | assistant: user: apple | user: pear | assistant: " + second.Text + " | user: plum"; third.Text != want {
		t.Errorf("chatnio: %s, want %q", third.Outcome(), want)
	}
	c.Close(t)
	if n := w.Model.Requests(); n != 3 {
		t.Errorf("%d questions were asked", n)
	}
}

// The pool's connections are cut again and again by questions for a model that does
// so. Every message is answered once, and in its order. One that was in flight when
// its connection was cut is put once more; only if that is cut too does it fail. No
// other may fail: not for a connection that has to be dialled again, nor because
// those that were cut are held against the channel.
func TestRepliesStayOneForEachMessageWhileConnectionsAreCut(t *testing.T) {
	t.Parallel()
	const users, each = 50, 4
	w := world.Start(t, callers+"channels:\n"+channel("up", "iagent", "connections: 4", "echo", "drop"))
	c, cutter := world.NewIAgent(w, key), world.NewIAgent(w, key)
	ids := make([][each]string, users)
	var cuts []string
	for n := range each {
		for u := range users {
			ids[u][n] = c.Send(t, world.Ask{Model: "echo", User: fmt.Sprintf("u%d", u), Text: fmt.Sprintf("u%d m%d", u, n)})
			if (u*each+n)%13 == 0 {
				cuts = append(cuts, cutter.Send(t, world.Ask{Model: "drop", User: fmt.Sprintf("d%d-%d", u, n), Text: "cut"}))
			}
		}
	}
	good := 0
	for u := range users {
		last := -1
		for n, id := range ids[u] {
			r := c.Wait(t, id)
			switch {
			case r.Failed:
				if r.Code != "CHANNEL_UNAVAILABLE" || !strings.Contains(r.Message, "(1 of 1: answered with an error)") {
					t.Errorf("u%d m%d: %s %s", u, n, r.Outcome(), r.Message)
				}
			case !strings.Contains(r.Text, fmt.Sprintf("u%d m%d", u, n)):
				t.Errorf("u%d m%d: got %s", u, n, r.Outcome())
			default:
				good++
			}
			if c.At[id] < last {
				t.Errorf("user %d: message %d was answered before the one before it", u, n)
			}
			last = c.At[id]
		}
	}
	for _, id := range cuts {
		if r := cutter.Wait(t, id); !r.Failed {
			t.Errorf("a cut question: %s", r.Outcome())
		}
	}
	if good < users*each/2 {
		t.Errorf("only %d of %d were answered with text", good, users*each)
	}
	t.Logf("%d of %d answered in spite of %d cuts", good, users*each, len(cuts))
	c.Close(t) // nothing more may come
	cutter.Close(t)
}
