package proxy

import (
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/proxy/proxytest"
	"github.com/dragoman-gateway/dragoman/store/embedded"
	"github.com/dragoman-gateway/dragoman/translate"
)

// BenchmarkChannels is how all channels stand, as the event of the channels tells it each second.
// Ten times as many channels must not take a hundred times as long.
func BenchmarkChannels(b *testing.B) {
	for _, n := range []int{100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			st, err := embedded.Open("memory:")
			if err != nil {
				b.Fatal(err)
			}
			all := make([]config.Channel, n)
			for i := range all {
				all[i] = backend(fmt.Sprint("c", i))
			}
			g, err := New(conf(all...), st, func(c *config.Channel, _ string) (Upstream, error) { return proxytest.NewUpstream(c.ID, nil), nil }, slog.New(slog.DiscardHandler), Options{})
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { _ = g.Close(); _ = st.Close() })
			for b.Loop() {
				if len(g.Channels()) != n {
					b.Fatal("some are not told")
				}
			}
		})
	}
}

func TestAChannelThatHasComeBackGetsItsShareBySteps(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a"), backend("b")),
			map[string][]script{"a": {says("x")}, "b": append(repeats(openAfter, refuses(fault(translate.FaultDial))), says("x"))})
		b := w.up["b"]
		for len(b.Asked()) < openAfter {
			w.ask(t.Context(), w.question("hi")).mustSay(t, "x")
		}
		time.Sleep(openFirst * 5 / 4)
		for n := len(b.Asked()); len(b.Asked()) == n; {
			w.ask(t.Context(), w.question("hi")).mustSay(t, "x")
		}
		// From here on its breaker is closed. A thousand questions in each second.
		var got []int
		for range 12 {
			before := len(b.Asked())
			for range 1000 {
				w.ask(t.Context(), w.question("hi")).mustSay(t, "x")
				time.Sleep(time.Millisecond)
			}
			got = append(got, len(b.Asked())-before)
		}
		t.Logf("of a thousand in each second: %v", got)
		if got[0] == 0 || got[0] > 120 || got[4] < 120 || got[4] > 350 || got[11] < 400 || got[11] > 600 {
			t.Errorf("its share: %v", got)
		}
	})
}

func TestOnlyOneRequestTriesAKeyThatWasRefused(t *testing.T) {
	for name, c := range map[string]struct {
		then  script
		asked int // in the second burst, a minute later
	}{
		"it works again":     {says("1"), 100},
		"it is refused":      {refuses(fault(translate.FaultDenied)), 1},
		"nothing was learnt": {refuses(fault(translate.FaultDial)), 1},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				slow := c.then
				slow.After = time.Second
				other := says("2")
				other.After = time.Second // as slow as k1 will be
				w := newWorld(t, conf(backend("a", keys("k1", "k2"))), map[string][]script{"a/k1": {refuses(fault(translate.FaultDenied)), slow}, "a/k2": {other}})
				k1 := w.up["a/k1"]
				for len(k1.Asked()) == 0 {
					w.ask(t.Context(), w.question("hi"))
				}
				time.Sleep(asideFirst)
				burst := func() int {
					before := len(k1.Asked())
					var all sync.WaitGroup
					for range 400 {
						all.Go(func() {
							if r := w.ask(t.Context(), w.question("hi")); r.err != nil {
								t.Error(r.err)
							}
						})
					}
					all.Wait()
					return len(k1.Asked()) - before
				}
				if n := burst(); n != 1 {
					t.Errorf("%d requests tried the key", n)
				}
				time.Sleep(time.Minute)
				if n := burst(); c.asked == 100 && n < 10 || c.asked < 100 && n != c.asked {
					t.Errorf("later: %d, want %d", n, c.asked)
				}
			})
		})
	}
}
