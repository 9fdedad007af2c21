package proxy

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/proxy/channel"
	"github.com/dragoman-gateway/dragoman/translate"
)

// throttles is a refusal with a hint; 0: without one.
func throttles(hint time.Duration) script {
	e := fault(translate.FaultBusy)
	e.Retry = hint
	return refuses(e)
}

// serves makes a channel serve model alone.
func serves(model string) func(*config.Channel) {
	return func(c *config.Channel) { c.Models = []config.Model{{Name: model, Upstream: "up-" + c.ID}} }
}

// repeats is n times s.
func repeats(n int, s script) []script {
	var all []script
	for range n {
		all = append(all, s)
	}
	return all
}

func TestAChannelWithoutAnAlternativeIsTriedASecondTime(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name        string
		first       script
		asked       int
		least, most time.Duration
		code        translate.Code
		retry       time.Duration
	}{
		{name: "after an error", first: refuses(fault(translate.FaultBroken)), asked: 2, least: 50 * time.Millisecond, most: 150 * time.Millisecond},
		{name: "after a cut", first: script{Steps: []step{start("x"), fails(fault(translate.FaultBroken))}}, asked: 2, least: 50 * time.Millisecond, most: 150 * time.Millisecond},
		{name: "after a short throttle", first: throttles(2 * time.Second), asked: 2, least: 2 * time.Second, most: 2 * time.Second},
		{name: "not after a long throttle", first: throttles(2100 * time.Millisecond), asked: 1, code: translate.CodeRateLimited, retry: 2100 * time.Millisecond},
		{name: "not after a throttle without a hint", first: throttles(0), asked: 1, code: translate.CodeRateLimited, retry: time.Second},
		{name: "not after silence", first: script{Hang: true}, asked: 1, least: firstAlone, most: firstAlone, code: translate.CodeModel},
		{name: "not where nothing was reached", first: refuses(fault(translate.FaultDial)), asked: 1, code: translate.CodeUnavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, conf(backend("a")), map[string][]script{"a": {c.first, says("well")}})
				var r result
				mustTake(t, elapsed(func() { r = w.ask(t.Context(), w.question("hi")) }), c.least, c.most)
				if c.code == "" {
					r.mustSay(t, "well")
				} else if r.err == nil || r.err.Code != c.code || r.err.Retry != c.retry {
					t.Errorf("it ended with %+v, want %s after %v", r.err, c.code, c.retry)
				}
				if n := len(w.up["a"].Asked()); n != c.asked {
					t.Errorf("asked %d times, want %d", n, c.asked)
				}
			})
		})
	}
}

func TestASecondTryWaitsNoLongerThanOthersAllow(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a"), backend("b", tier(2))),
			map[string][]script{"a": {refuses(fault(translate.FaultBroken)), {Hang: true}}, "b": {says("b")}})
		mustTake(t, elapsed(func() { w.ask(t.Context(), w.question("hi")).mustSay(t, "b") }), 10*time.Second, 10150*time.Millisecond)
	})
}

func TestAnAlternativeThatCannotBeAskedIsNone(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*world, *channel.Channel, *channel.Record) func(){
		"full": func(w *world, ch *channel.Channel, _ *channel.Record) func() {
			ch.Slots.Take()
			return func() { w.g.room.GiveBack(ch.Slots) }
		},
		"being probed": func(_ *world, _ *channel.Channel, c *channel.Record) func() {
			for range openAfter {
				breaks(c)
			}
			_, wait := c.Blocked(time.Now())
			time.Sleep(wait)
			done := c.Allow()
			return func() { done(nil) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, conf(backend("a"), backend("b", atMost(1))),
					map[string][]script{"a": {refuses(fault(translate.FaultBroken)), says("well")}, "b": {says("b")}})
				b := w.g.plan.Load().Routes["m"].Tiers[0][1]
				defer spoil(w, b.Channel, b.Record)()
				w.ask(t.Context(), w.question("hi")).mustSay(t, "well")
			})
		})
	}
}

func TestFallbackModelsAnswerInTheirOrder(t *testing.T) {
	t.Parallel()
	long := fault(translate.FaultRejected)
	long.Upstream = &translate.Refusal{Status: 400, Code: "context_length_exceeded"}
	refused := fault(translate.FaultRejected)
	refused.Upstream = &translate.Refusal{Status: 400, Code: "content_policy_violation"}
	for _, c := range []struct {
		name   string
		a, b   script
		want   string // of the answer; "": it fails
		orders string
	}{
		{"unreachable", refuses(fault(translate.FaultDial)), refuses(fault(translate.FaultDial)), "c", "a b c"},
		{"throttled", throttles(time.Minute), throttles(time.Minute), "c", "a b c"},
		{"silent", script{Hang: true}, says("b"), "b", "a b"},
		{"too long", refuses(long), refuses(long), "c", "a b c"},
		{"a content refusal", refuses(refused), says("b"), "", "a"},
		{"too long, then a content refusal", refuses(long), refuses(refused), "", "a b"},
		{"a refusal as an answer", script{Steps: []step{start("x"), ends(translate.FinishFilter)}}, says("b"), "", "a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				conf := conf(backend("a"), backend("b", serves("m2")), backend("c", serves("m3")))
				conf.Fallbacks = map[string][]string{"m": {"nobody", "m2", "m3"}}
				w := newWorld(t, conf, map[string][]script{"a": {c.a}, "b": {c.b}, "c": {says("c")}})
				r := w.ask(t.Context(), w.questionOf(alice, "m", "hi"))
				if c.want != "" {
					r.mustSay(t, c.want)
				} else if r.text != "" {
					t.Errorf("it says %q", r.text)
				}
				if got := w.order(); got != c.orders {
					t.Errorf("asked %s, want %s", got, c.orders)
				}
			})
		})
	}
}

func TestWhatNobodyElseTakesIsStillTooLong(t *testing.T) {
	bubble(t, func(t *testing.T) {
		long := fault(translate.FaultRejected)
		long.Upstream = &translate.Refusal{Status: 400, Code: "context_length_exceeded"}
		conf := conf(backend("a"), backend("b", serves("m2")))
		conf.Fallbacks = map[string][]string{"m": {"m2"}}
		w := newWorld(t, conf, map[string][]script{"a": {refuses(long)}, "b": {refuses(fault(translate.FaultDial))}})
		if e := w.ask(t.Context(), w.questionOf(alice, "m", "hi")).mustFail(t, translate.CodeModel, translate.FaultRejected); e.Upstream == nil {
			t.Error("what the upstream said is lost")
		}
	})
}

func TestBlockedChannelsAreNotAskedAndTheErrorSaysWhy(t *testing.T) {
	t.Parallel()
	open := func(_ *channel.Channel, c *channel.Record) {
		for range openAfter {
			breaks(c)
		}
	}
	cools := func(_ *channel.Channel, c *channel.Record) { c.CoolDown(7 * time.Second) }
	aside := func(ch *channel.Channel, _ *channel.Record) { ch.Quarantine.Set(time.Now(), translate.FaultDenied, 0) }
	for _, c := range []struct {
		name        string
		a, b        func(*channel.Channel, *channel.Record)
		code        translate.Code
		least, most time.Duration // of Retry
		says        []string
	}{
		{"breakers open", open, open, translate.CodeUnavailable, openFirst, openFirst * 5 / 4, []string{"a: breaker open for ", "b: breaker open for "}},
		{"cooling down", cools, cools, translate.CodeRateLimited, 7 * time.Second, 7 * time.Second, []string{"throttled"}},
		{"a bad key", aside, aside, translate.CodeUnavailable, asideFirst, asideFirst, []string{"a: its credential was refused"}},
		{"one of each", cools, open, translate.CodeUnavailable, openFirst, openFirst * 5 / 4, []string{"a: throttled for 7 s", "b: breaker open for "}},
	} {
		for _, fallback := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s fallback=%v", c.name, fallback), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					second := backend("b")
					conf := conf(backend("a"), second)
					if fallback {
						serves("m2")(&conf.Channels[1])
						conf.Fallbacks = map[string][]string{"m": {"m2"}}
					}
					w := newWorld(t, conf, map[string][]script{"a": {says("a")}, "b": {says("b")}})
					all := w.g.plan.Load().Routes["m"].Tiers[0]
					if fallback {
						all = append(all, w.g.plan.Load().Routes["m2"].Tiers[0]...)
					}
					c.a(all[0].Channel, all[0].Record)
					c.b(all[1].Channel, all[1].Record)
					r := w.ask(t.Context(), w.questionOf(alice, "m", "hi"))
					if r.err == nil || r.err.Code != c.code {
						t.Fatalf("it ended with %+v, want %s", r.err, c.code)
					}
					mustTake(t, r.err.Retry, c.least, c.most)
					for _, s := range c.says {
						if !strings.Contains(r.err.Error(), s) {
							t.Errorf("%q does not say %q", r.err.Message, s)
						}
					}
					if got := w.order(); got != "" {
						t.Errorf("asked %s", got)
					}
					time.Sleep(asideFirst)
					r = w.ask(t.Context(), w.questionOf(alice, "m", "hi"))
					if r.err != nil {
						t.Errorf("it does not come back by itself: %v", r.err)
					}
				})
			})
		}
	}
}

func TestABurstOfRefusalsIsOneRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := channel.NewRecord(rand.Int64N)
		for range 50 {
			c.Report(time.Now(), c.Allow(), &translate.Error{Fault: translate.FaultBusy})
		}
		if _, wait := c.Blocked(time.Now()); wait != coolFirst {
			t.Errorf("cooling down for %v, want %v", wait, coolFirst)
		}
	})
}

func TestAnswersThatBreakOffLateDoNotProlongAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := channel.NewRecord(rand.Int64N)
		for range openAfter {
			breaks(c)
		}
		_, before := c.Blocked(time.Now())
		time.Sleep(openFirst * 3 / 4)
		c.CutOff(down)
		if _, wait := c.Blocked(time.Now()); wait != before-openFirst*3/4 {
			t.Errorf("open for another %v", wait)
		}
	})
}

// TestADeadChannelCostsAFewProbes puts 2,000 questions, 200 a second, to four
// channels of which one is dead for the first half.
func TestADeadChannelCostsAFewProbes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const n, pause, back = 2000, 5 * time.Millisecond, 5 * time.Second
		good := func(s string) script { return script{After: 30 * time.Millisecond, Steps: says(s).Steps} }
		w := newWorld(t, conf(backend("a"), backend("b"), backend("c"), backend("d")),
			map[string][]script{"a": {good("x")}, "b": {good("x")}, "c": {good("x")}, "d": {refuses(fault(translate.FaultBroken))}})
		dead, began := w.up["d"], time.Now()
		var all sync.WaitGroup
		calls, again := 0, time.Duration(0)
		for i := range n {
			if time.Since(began) >= back && calls == 0 {
				dead.Play(good("x"))
				calls = len(dead.Asked())
			}
			if calls > 0 && again == 0 && len(dead.Asked()) > calls {
				again = time.Since(began) - back
			}
			all.Go(func() {
				if r := w.ask(t.Context(), w.question("hi")); r.text != "x" {
					t.Errorf("question %d: %v", i, r.err)
				}
			})
			time.Sleep(pause)
		}
		all.Wait()
		t.Logf("0 of %d failed if nothing else is said; the dead channel got %d calls; used again %v after its recovery", n, calls, again)
		if calls < openAfter || calls > openAfter+3 {
			t.Errorf("the dead channel got %d calls, want %d and a few probes", calls, openAfter)
		}
		if again == 0 || again > 8*time.Second {
			t.Errorf("it was used again after %v", again)
		}
		if got := len(dead.Asked()) - calls; got < n/100 { // its share grows for ten seconds
			t.Errorf("after its recovery it got %d", got)
		}
	})
}

func TestTenThousandWaitersAreOneProbe(t *testing.T) {
	bubble(t, func(t *testing.T) {
		probe := script{After: time.Second, Steps: says("x").Steps}
		w := newWorld(t, conf(backend("a")), map[string][]script{"a": append(repeats(openAfter, refuses(fault(translate.FaultDial))), probe)})
		for range openAfter {
			w.ask(t.Context(), w.question("hi"))
		}
		time.Sleep(openFirst * 5 / 4)
		var all sync.WaitGroup
		var mu sync.Mutex
		answered, refused := 0, 0
		for range 10_000 {
			all.Go(func() {
				r := w.ask(t.Context(), w.question("hi"))
				mu.Lock()
				defer mu.Unlock()
				if r.err == nil {
					answered++
				} else if r.err.Code == translate.CodeUnavailable && r.err.Retry > 0 {
					refused++
				}
			})
		}
		all.Wait()
		if n := len(w.up["a"].Asked()) - openAfter; n != 1 || answered != 1 || refused != 9_999 {
			t.Errorf("%d probes, %d answered, %d refused", n, answered, refused)
		}
	})
}
