package front_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

// A model behind every kind of server refuses what is too long, in that server's own form.
func TestAConversationNeverEndsForItsLength(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		for _, newClient := range world.Fronts {
			front := newClient(nil, "").Front()
			if front == "openai" || front == "anthropic" {
				continue
			}
			for _, context := range []string{"", ", context: 700"} {
				t.Run(kind.name+" from "+front+context, func(t *testing.T) {
					t.Parallel()
					at := ""
					if kind.url != "" {
						at = fmt.Sprintf(", url: %q, keys: [%s]", kind.url, channelKey)
					}
					w := world.Start(t, "callers: {keys: [{name: alice, key: "+key+"}]}\npresets: {default: {model: m}}\n"+
						"channels:\n- {id: a, kind: "+kind.name+at+", models: [{name: m, upstream: takes-700"+context+"}]}\n")
					c := newClient(w, key)
					defer c.Close(t)
					for i := range 30 {
						text := fmt.Sprintf("question %d %s", i, strings.Repeat("word ", 90))
						r := world.Put(t, c, world.Ask{Model: "m", Text: text, User: "u", Context: 100, Stream: c.Streams()})
						if r.Failed || !strings.HasPrefix(r.Text, "Hello, you said ") {
							t.Fatalf("question %d: %s", i, r.Outcome())
						}
					}
				})
			}
		}
	}
}
