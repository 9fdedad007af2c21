package front_test

import (
	"flag"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

// A model behind every kind of server refuses what is too long, in that server's own form.
func TestAConversationNeverEndsForItsLength(t *testing.T) {
	t.Parallel()
	for _, kind := range config.Kinds {
		for _, newClient := range world.Fronts {
			front := newClient(nil, "").Front()
			if stateless(front) {
				continue
			}
			for _, context := range []string{"", ", context: 700"} {
				t.Run(kind.Name+" from "+front+context, func(t *testing.T) {
					t.Parallel()
					at := ""
					if url := modelAt(kind.Name); url != "" {
						at = fmt.Sprintf(", url: %q, keys: [%s]", url, channelKey)
					}
					w := world.Start(t, "callers: {keys: [{name: alice, key: "+key+"}]}\npresets: {default: {model: m}}\n"+
						"channels:\n- {id: a, kind: "+kind.Name+at+", models: [{name: m, upstream: takes-700"+context+"}]}\n")
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

var lifeTurns = flag.Int("turns", 400, "how long the conversation of a life becomes")

// The cost of a turn is told with -v; -turns 10000 takes a minute. Gateway, clients and the
// scripted model share the process.
func TestALifelongConversationIsAnsweredAndItsTurnsCostTheSame(t *testing.T) {
	for _, newClient := range world.Fronts {
		front := newClient(nil, "").Front()
		if stateless(front) {
			continue
		}
		t.Run(front, func(t *testing.T) {
			w := world.Start(t, fmt.Sprintf("store: {url: %q}\n", "sqlite:"+filepath.Join(t.TempDir(), "w.db"))+
				"callers: {keys: [{name: alice, key: "+key+"}]}\npresets: {default: {model: m}}\n"+
				"channels:\n- {id: a, kind: openai, url: \"http://{MODEL}/v1\", keys: ["+channelKey+"], models: [{name: m, upstream: takes-4000}]}\n")
			c := newClient(w, key)
			defer c.Close(t)
			var before, after runtime.MemStats
			early, done := uint64(0), 0
			for _, until := range []int{*lifeTurns / 100, *lifeTurns / 10, *lifeTurns / 2, *lifeTurns} {
				// What the last quarter of the way costs.
				from := until - max(until/4, 1)
				began := time.Now()
				for ; done < until; done++ {
					if done == from {
						runtime.GC()
						runtime.ReadMemStats(&before)
						began = time.Now()
					}
					text := fmt.Sprintf("question %d %s", done, strings.Repeat("word ", 20))
					r := world.Put(t, c, world.Ask{Model: "m", Text: text, User: "u", Context: 100_000, Stream: c.Streams()})
					if r.Failed || !strings.HasPrefix(r.Text, "Hello, you said ") {
						t.Fatalf("question %d: %s", done, r.Outcome())
					}
				}
				took := time.Since(began) / time.Duration(until-from)
				runtime.ReadMemStats(&after)
				each := (after.TotalAlloc - before.TotalAlloc) / uint64(until-from)
				t.Logf("%d turns: %v and %d KiB allocated for each", until, took.Round(time.Microsecond), each>>10)
				if until == *lifeTurns/2 {
					early = each
				}
				if until == *lifeTurns && early > 0 && each > 2*early+64<<10 {
					t.Errorf("a turn allocates %d bytes after %d turns, and %d after half as many", each, until, early)
				}
			}
		})
	}
}
