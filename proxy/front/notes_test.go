package front_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
	"github.com/dragoman-gateway/dragoman/store"
)

// A client that is refused thousands of times has more on its screen than is stored: what
// it names by its place, or as the last one, must not become another message.
func TestRefusalsThatAreNotStoredLeadToNoOtherMessage(t *testing.T) {
	t.Parallel()
	w := world.Start(t, callers+"channels:\n"+channel("up", "openai", "", "echo"))
	c := world.NewChatnio(w, key, 0)
	defer c.Close(t)
	if r := world.Put(t, c, world.Ask{Model: "echo", Text: "apple"}); !r.Ended {
		t.Fatal(r.Outcome())
	}
	// No such model, 8 KB each.
	for i := range 100 {
		world.Put(t, c, world.Ask{Model: "none", Text: fmt.Sprint(i, strings.Repeat("x", 8000))})
	}
	kept := func() *store.Conversation {
		t.Helper()
		list, _, err := w.Store.List(t.Context(), store.Filter{Owner: "alice", Limit: 10})
		if err != nil || len(list) != 1 {
			t.Fatalf("%d conversations, %v", len(list), err)
		}
		conv, err := w.Store.Load(t.Context(), "alice", store.Ref{ID: list[0].ID}, store.Window{})
		if err != nil {
			t.Fatal(err)
		}
		return conv
	}
	stored := kept().Messages
	if strings.HasPrefix(stored[len(stored)-1].Text(), "99x") || len(stored) > 1 && strings.HasPrefix(stored[len(stored)-2].Text(), "99x") {
		t.Skip("the machine is so slow that there was room for the last refusal again")
	}
	n := len(stored)
	if n < 10 || n > 100 {
		t.Errorf("%d messages are stored of 202", n)
	}
	if r := world.Put(t, c, world.Ask{Type: "restart", Model: "echo"}); r.Outcome() != "end VALIDATION_ERROR" {
		t.Errorf("the last question, which is not stored, asked again: %s %q", r.Outcome(), r.Text)
	}
	c.Send(t, map[string]any{"type": "remove", "message": "1"})
	c.Send(t, map[string]any{"type": "edit", "message": "0:pear"})
	if r := world.Put(t, c, world.Ask{Model: "echo", Text: "plum"}); !strings.Contains(r.Text, "plum") {
		t.Errorf("afterwards: %s", r.Outcome())
	}
	conv := kept()
	if len(conv.Messages) != n+2 || conv.Messages[0].Text() != "apple" {
		t.Errorf("%d messages, the first one %q; there were %d", len(conv.Messages), conv.Messages[0].Text(), n)
	}
	if r := world.Put(t, c, world.Ask{Type: "restart", Model: "echo"}); !strings.Contains(r.Text, "plum") {
		t.Errorf("the last question asked again: %s %q", r.Outcome(), r.Text)
	}
}

// What is put before a conversation is stored with its first question, also one that is
// refused: it counts.
func TestHeadsOfRefusedQuestionsFillNoDisk(t *testing.T) {
	t.Parallel()
	w := world.Start(t, "callers: {keys: [{name: alice, key: "+key+", limits: small}]}\nlimits: {small: {tokens: 2000/h}}\nchannels:\n"+channel("up", "openai", "", "echo"))
	head := "[{\"role\":\"user\",\"content\":\"" + strings.Repeat("h", 200<<10) + "\"}]"
	for range 12 {
		c := world.NewChatnio(w, key, 0)
		c.Send(t, map[string]any{"type": "mask", "message": head})
		if r := world.Put(t, c, world.Ask{Model: "echo", Text: "hi", Context: 9}); !strings.HasPrefix(r.Outcome(), "end RATE_LIMITED") {
			t.Errorf("asked: %s", r.Outcome())
		}
		c.Close(t)
	}
	if _, n, err := w.Store.List(t.Context(), store.Filter{Owner: "alice", Limit: 50}); err != nil || n == 0 || n > 2 {
		t.Errorf("%d conversations of 200 KiB are stored, %v", n, err)
	}
}
