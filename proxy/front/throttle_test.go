package front_test

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dragoman-gateway/dragoman/internal/fakemodel"
	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

// throttledConf has one chatnio channel, with more settings, of which keys must be one.
func throttledConf(more string) string {
	return "callers: {keys: [{name: alice, key: " + key + "}]}\npresets: {default: {model: m}}\n" +
		"channels:\n- {id: a, kind: chatnio, url: \"http://{MODEL}\", models: [{name: m, upstream: echo}]" + more + "}\n"
}

// atOnce has n clients, each in a conversation of its own, ask at once, and returns how
// many were answered and how long that took.
func atOnce(t *testing.T, w *world.World, newClient func(*world.World, string) world.Client, n int) (answered int, took time.Duration) {
	t.Helper()
	began := time.Now()
	var all sync.WaitGroup
	var mu sync.Mutex
	why := map[string]int{}
	for i := range n {
		c := newClient(w, key)
		all.Go(func() {
			defer c.Close(t)
			text := fmt.Sprintf("question %d", i)
			r := world.Put(t, c, world.Ask{Model: "m", Text: text, User: fmt.Sprint("user", i), Stream: c.Streams()})
			mu.Lock()
			defer mu.Unlock()
			if r.Text == fmt.Sprintf("Hello, you said %q (n=1)", text) {
				answered++
			} else {
				why[r.Outcome()]++
			}
		})
	}
	all.Wait()
	for words, n := range why {
		t.Logf("%d times: %s", n, words)
	}
	return answered, time.Since(began)
}

func TestAllConversationsAtOnceAreAnsweredBehindTheRealThrottle(t *testing.T) {
	t.Parallel()
	for _, newClient := range world.Fronts {
		for _, more := range []string{", keys: [sk-only]", ", keys: [sk-only], dials: 4/s", ", keys: [sk-only], dials: 5/s", ", keys: [sk-only], dials: 2/s", ", keys: [sk-first, sk-second]"} {
			for _, n := range []int{20, 50} {
				for _, lossy := range []bool{false, true} {
					name := fmt.Sprintf("%s%s, %d, lossy %v", newClient(nil, "").Front(), more, n, lossy)
					t.Run(name, func(t *testing.T) {
						t.Parallel()
						synctest.Test(t, func(t *testing.T) {
							w := world.Alone(t, throttledConf(more))
							h := &fakemodel.Throttle{Lossy: lossy}
							w.Model.Throttle(h)
							answered, took := atOnce(t, w, newClient, n)
							taken, refused := h.Taken()
							t.Logf("%d of %d in %v, %d dials taken, %d refused", answered, n, took, len(taken), len(refused))
							if answered != n {
								t.Errorf("%d of %d were answered", answered, n)
							}
							if took > 30*time.Second {
								t.Errorf("it took %v", took)
							}
							mustRest(t, refused)
						})
					})
				}
			}
		}
	}
}

// mustRest checks that a server which refused dials was left alone for a second: the
// refusals come in bursts of dials that were under way.
func mustRest(t *testing.T, refused []time.Time) {
	t.Helper()
	for i := 1; i < len(refused); i++ {
		if d := refused[i].Sub(refused[i-1]); d > 20*time.Millisecond && d < time.Second {
			t.Errorf("a dial was refused %v after another one: it kept the server closed", d)
		}
	}
}
