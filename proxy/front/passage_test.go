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
