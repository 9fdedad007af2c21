package proxy

import (
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/proxy/channel"
	"github.com/dragoman-gateway/dragoman/proxy/metrics"
	"github.com/dragoman-gateway/dragoman/translate"
)

func (w *world) apply(conf *config.Config) {
	w.t.Helper()
	if err := w.g.Apply(conf); err != nil {
		w.t.Fatal(err)
	}
}

func TestARunningAnswerEndsUnderTheConfigurationThatItBeganWith(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("old")), map[string][]script{"old": {says("one", "two")}, "new": {says("from new")}})
		x, err := w.open(t.Context(), w.question("hi"))
		if err != nil {
			t.Fatal(err)
		}
		old := w.up["old"]
		w.apply(conf(backend("new")))
		if old.Ends() != 0 {
			t.Error("the channel was closed under a running answer")
		}
		w.ask(t.Context(), w.question("hi")).mustSay(t, "from new")
		said := ""
		for ev, err := x.Next(); err != io.EOF; ev, err = x.Next() {
			if err != nil {
				t.Fatal(err)
			}
			said += string(ev.Text)
		}
		if said != "onetwo" {
			t.Errorf("the running answer is %q", said)
		}
		if err := x.Close(); err != nil {
			t.Error(err)
		}
		if old.Ends() != 1 {
			t.Errorf("the channel that is gone was closed %d times", old.Ends())
		}
	})
}

func TestWhatIsKnownOfAChannelSurvivesANewConfiguration(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a"), backend("b", tier(2))), map[string][]script{"a": {refuses(fault(translate.FaultBroken))}, "b": {says("b")}})
		for range openAfter {
			w.ask(t.Context(), w.question("hi")).mustSay(t, "b")
		}
		before, up := len(w.up["a"].Asked()), w.up["a"]
		w.apply(conf(backend("a", func(c *config.Channel) { c.Weight = 5 }), backend("b", tier(2))))
		w.ask(t.Context(), w.question("hi")).mustSay(t, "b")
		if n := len(up.Asked()); w.up["a"] != up || n != before {
			t.Errorf("a channel whose breaker is open was asked %d times after the change, by the same upstream: %v", n-before, w.up["a"] == up)
		}
		if err := w.g.Force("b", channel.ForceOpen); err != nil {
			t.Fatal(err)
		}
		w.apply(conf(backend("b", tier(3))))
		w.ask(t.Context(), w.question("hi")).mustFail(t, translate.CodeUnavailable, 0)
		if up.Ends() != 1 || w.up["b"].Ends() != 0 {
			t.Errorf("closed: the one that is gone %d times, the one that stays %d times", up.Ends(), w.up["b"].Ends())
		}
	})
}

func TestAnotherAddressIsAnotherUpstream(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a")), map[string][]script{"a": {says("a")}})
		first := w.up["a"]
		w.apply(conf(backend("a", func(c *config.Channel) { c.URL = "https://another-address.example" })))
		if w.up["a"] == first || first.Ends() != 1 {
			t.Errorf("the old upstream stays, or was closed %d times", first.Ends())
		}
		w.ask(t.Context(), w.question("hi")).mustSay(t, "a")
	})
}

func TestWhatIsKnownOfABackEndIsNotKnownOfAnother(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a")), map[string][]script{"a": {refuses(fault(translate.FaultDial))}})
		for range openAfter {
			w.ask(t.Context(), w.question("hi"))
		}
		w.apply(conf(backend("a", func(c *config.Channel) { c.URL = "https://mended.example" })))
		before := len(w.up["a"].Asked())
		w.ask(t.Context(), w.question("hi"))
		if len(w.up["a"].Asked()) == before {
			t.Error("the breaker of the old address is open for the new one")
		}
	})
}

func TestAChannelThatIsGoneIsThereForAQuestionThatBeganTwoConfigurationsAgo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a")), map[string][]script{"a": {says("1")}, "b": {says("2")}})
		a := w.up["a"]
		first, second := w.in("k", w.question("one")), w.in("k", w.question("two"))
		x, err := w.open(t.Context(), first)
		if err != nil {
			t.Fatal(err)
		}
		answered := make(chan result, 1)
		go func() { answered <- w.ask(t.Context(), second) }()
		synctest.Wait() // the second waits behind the first
		w.apply(conf(backend("a", func(c *config.Channel) { c.Weight = 5 })))
		w.apply(conf(backend("b")))
		if n := a.Ends(); n != 0 {
			t.Errorf("it was closed %d times under two questions", n)
		}
		readAll(x).mustSay(t, "1")
		_ = x.Close()
		r := <-answered
		r.mustSay(t, "1")
		if n := a.Ends(); n != 1 {
			t.Errorf("it was closed %d times", n)
		}
	})
}

func TestAConfigurationWithoutProbesEndsThem(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a", probed(1000))), map[string][]script{"a": {lasts(time.Second)}})
		a := w.up["a"]
		for i := range 20 {
			w.apply(conf(backend("a", probed(1000), tier(i+1))))
			time.Sleep(5*time.Second + 100*time.Millisecond) // within a probe, which is broken off
		}
		before := pings(a)
		w.apply(conf(backend("a")))
		time.Sleep(time.Minute)
		if n := pings(a) - before; n != 0 || before == 0 {
			t.Errorf("%d probes of a channel that has none, %d before", n, before)
		}
	})
}

// TestConfigurationsChangeWhileAnswersRunAndProbesGo is for the race detector: what
// counts is that nothing is lost, closed twice or left behind.
func TestConfigurationsChangeWhileAnswersRunAndProbesGo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		scripts := map[string][]script{"a": {lasts(30 * time.Millisecond)}, "b": {refuses(fault(translate.FaultDial)), lasts(20 * time.Millisecond)}}
		plan := func(i int) *config.Config {
			often := func(c *config.Channel) { probed(1e6)(c); c.Probe.Every = 7 * time.Millisecond }
			all := []config.Channel{backend("a", often, func(c *config.Channel) { c.Weight = i + 1 })}
			if i%3 > 0 {
				all = append(all, backend("b", often, tier(i%2+1)))
			}
			return conf(all...)
		}
		w := newWorld(t, plan(1), scripts)
		var all sync.WaitGroup
		const askers, each = 20, 50
		for i := range askers {
			all.Go(func() {
				for n := range each {
					q := w.question("hi")
					q.ID = fmt.Sprintf("%d-%d", i, n)
					if r := w.ask(t.Context(), q); r.text != "x" {
						t.Errorf("%s: %v", q.ID, r.err)
					}
					if _, ok := w.g.Explain(q.ID); !ok {
						t.Errorf("%s is not known", q.ID)
					}
				}
			})
		}
		for i := range 2 {
			all.Go(func() {
				for n := range 100 {
					w.apply(plan(n + i))
					w.g.Channels()
					time.Sleep(time.Duration(9+i) * time.Millisecond)
				}
			})
		}
		all.Wait()
		w.apply(conf(backend("a"))) // the last probes end
		good := uint64(0)
		for _, counted := range w.g.Metrics() {
			for _, e := range counted.Exchanges {
				good += map[bool]uint64{true: e.N}[e.Outcome == metrics.OK]
			}
		}
		if good != askers*each {
			t.Errorf("%d questions were counted, want %d", good, askers*each)
		}
		if n := len(w.g.plans); n != 1 {
			t.Errorf("%d plans are kept", n)
		}
	})
}

func TestNothingIsAppliedAfterTheEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a", probed(100))), map[string][]script{"a": {says("a")}})
		_ = w.g.Close()
		if err := w.g.Apply(conf(backend("a", probed(100)))); err == nil {
			t.Error("it was applied")
		}
		time.Sleep(time.Minute)
		if n := pings(w.up["a"]); n != 0 {
			t.Errorf("%d probes after the end", n)
		}
	})
}

func TestAQuestionWhoseModelWasFoundBeforeGoesTheNewWay(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("old")), map[string][]script{"old": {says("from old")}, "new": {says("from new")}})
		q, gone := w.question("hi"), w.question("hi")
		w.apply(conf(backend("new")))
		w.ask(t.Context(), q).mustSay(t, "from new")
		w.apply(conf(backend("new", func(c *config.Channel) { c.Models = []config.Model{{Name: "another", Upstream: "another"}} })))
		w.ask(t.Context(), gone).mustFail(t, translate.CodeModelNotFound, 0)
	})
}

func TestAConfigurationThatCannotBeAppliedChangesNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a")), map[string][]script{"a": {says("a")}, "b": {says("b")}})
		bad := backend("c")
		bad.Fold = "{{"
		if err := w.g.Apply(conf(backend("b"), backend("a"), bad)); err == nil {
			t.Fatal("a broken template was taken")
		}
		w.ask(t.Context(), w.question("hi")).mustSay(t, "a")
		if n := w.up["b"].Ends(); n != 1 {
			t.Errorf("what was opened in vain was closed %d times", n)
		}
		if n := w.up["a"].Ends(); n != 0 {
			t.Errorf("what stays was closed %d times", n)
		}
	})
}
