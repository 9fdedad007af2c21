package proxy

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/translate"
)

func TestTiersAreTriedInTheirOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		broken := []script{refuses(fault(translate.FaultBroken))}
		w := newWorld(t, conf(backend("c", tier(3)), backend("a2"), backend("b", tier(2)), backend("a1")),
			map[string][]script{"a1": broken, "a2": broken, "b": broken, "c": {says("from c")}})
		w.ask(t.Context(), w.question("hi")).mustSay(t, "from c")
		// The last one of a tier gets a second try before the next tier is asked.
		got := w.order()
		if got != "a1 a2 a2 b b c" && got != "a2 a1 a1 b b c" {
			t.Errorf("asked %s", got)
		}
		if m := w.up["c"].Asked()[0].Model; m != "up-c" {
			t.Errorf("the channel was asked for %q", m)
		}
	})
}

func TestALowerTierGetsNothingWhileAHigherOneAnswers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("b", tier(2)), backend("a")), map[string][]script{"a": {says("a")}, "b": {says("b")}})
		for range 20 {
			w.ask(t.Context(), w.question("hi")).mustSay(t, "a")
		}
		if n := len(w.up["b"].Asked()); n != 0 {
			t.Errorf("tier 2 was asked %d times", n)
		}
	})
}

func TestEachFaultHasItsConsequence(t *testing.T) {
	t.Parallel()
	no := false
	for _, c := range []struct {
		name   string
		fault  translate.Fault
		replay *bool
		on     bool // another channel is asked
	}{
		{"dial", translate.FaultDial, nil, true},
		{"broken", translate.FaultBroken, nil, true},
		{"slow", translate.FaultSlow, nil, true},
		{"busy", translate.FaultBusy, nil, true},
		{"denied", translate.FaultDenied, nil, true},
		{"purse", translate.FaultPurse, nil, true},
		{"cost", translate.FaultCost, nil, true},
		{"place", translate.FaultPlace, nil, true},
		{"no model", translate.FaultNoModel, nil, true},
		{"astray", translate.FaultAstray, nil, true},
		{"size", translate.FaultSize, nil, true},
		{"unclear", translate.FaultUnclear, nil, true},
		{"no endpoint", translate.FaultNoEndpoint, nil, true},
		{"rejected", translate.FaultRejected, nil, false},
		{"gone", translate.FaultGone, nil, false},
		{"local", translate.FaultLocal, nil, true},
		{"local without replay", translate.FaultLocal, &no, true},
		{"none", 0, nil, false},
		{"dial without replay", translate.FaultDial, &no, true},
		{"busy without replay", translate.FaultBusy, &no, true},
		{"denied without replay", translate.FaultDenied, &no, true},
		{"broken without replay", translate.FaultBroken, &no, false},
		{"slow without replay", translate.FaultSlow, &no, false},
	} {
		for _, late := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s late=%v", c.name, late), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					bad := refuses(fault(c.fault))
					if late {
						bad = script{Steps: []step{start("x"), fails(fault(c.fault))}}
					}
					w := newWorld(t, conf(backend("a", func(ch *config.Channel) { ch.Replay = c.replay }), backend("b", tier(2))),
						map[string][]script{"a": {bad}, "b": {says("b")}})
					r := w.ask(t.Context(), w.question("hi"))
					if c.on {
						r.mustSay(t, "b")
						return
					}
					r.mustFail(t, fault(c.fault).Code, c.fault)
					if n := len(w.up["b"].Asked()); n != 0 {
						t.Error("another channel was asked")
					}
				})
			})
		}
	}
}

func TestAnUntypedErrorCountsAsBroken(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a")), map[string][]script{"a": {refuses(errors.New("what is this"))}})
		w.ask(t.Context(), w.question("hi")).mustFail(t, translate.CodeModel, translate.FaultBroken)
	})
}

func TestTheVerdictOfAllFailures(t *testing.T) {
	t.Parallel()
	busy := func(retry time.Duration) script {
		e := fault(translate.FaultBusy)
		e.Retry = retry
		return refuses(e)
	}
	dial, denied, broken := refuses(fault(translate.FaultDial)), refuses(fault(translate.FaultDenied)), refuses(fault(translate.FaultBroken))
	for _, c := range []struct {
		name  string
		a, b  script
		code  translate.Code
		fault translate.Fault
		retry time.Duration
		says  []string
	}{
		{"both busy", busy(7 * time.Second), busy(3 * time.Second), translate.CodeRateLimited, translate.FaultBusy, 3 * time.Second, nil},
		{"one hint", busy(0), busy(3 * time.Second), translate.CodeRateLimited, translate.FaultBusy, 3 * time.Second, nil},
		{"no hint", busy(0), busy(0), translate.CodeRateLimited, translate.FaultBusy, time.Second, nil},
		{"busy and dial", busy(5 * time.Second), dial, translate.CodeUnavailable, 0, 5 * time.Second, []string{"a: throttled", "b: not reachable"}},
		{"denied", denied, denied, translate.CodeUnavailable, 0, asideFirst, []string{"a: its credential was refused", "b: its credential"}},
		{"a model's error", broken, dial, translate.CodeModel, translate.FaultBroken, 0, []string{"it failed"}},
		{"a model's error last", denied, broken, translate.CodeModel, translate.FaultBroken, 0, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, conf(backend("a"), backend("b", tier(2))), map[string][]script{"a": {c.a}, "b": {c.b}})
				e := w.ask(t.Context(), w.question("hi")).mustFail(t, c.code, c.fault)
				if e.Retry != c.retry {
					t.Errorf("retry after %v, want %v", e.Retry, c.retry)
				}
				for _, s := range c.says {
					if !strings.Contains(e.Error(), s) {
						t.Errorf("%q does not say %q", e.Message, s)
					}
				}
			})
		})
	}
}

func TestAModelsTimeoutStaysATimeout(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a")), map[string][]script{"a": {{Hang: true}}})
		if e := w.ask(t.Context(), w.question("hi")).mustFail(t, translate.CodeModel, translate.FaultSlow); e.Status() != 504 {
			t.Errorf("status %d", e.Status())
		}
	})
}

func TestNoMoreThanSixChannelsAreAsked(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, scripts := conf(), map[string][]script{}
		for i := range 8 {
			id := fmt.Sprintf("c%d", i)
			c.Channels = append(c.Channels, backend(id, tier(i+1)))
			scripts[id] = []script{refuses(fault(translate.FaultDial))}
		}
		w := newWorld(t, c, scripts)
		w.ask(t.Context(), w.question("hi")).mustFail(t, translate.CodeUnavailable, 0)
		if got := w.order(); got != "c0 c1 c2 c3 c4 c5" {
			t.Errorf("asked %s", got)
		}
	})
}

func TestNoAttemptBeginsLaterThanThirtySeconds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		broken := script{After: 16 * time.Second, Err: fault(translate.FaultBroken)}
		slow := func(c *config.Channel) { c.Timeouts.First = config.AutoDuration(time.Minute) }
		w := newWorld(t, conf(backend("a", slow), backend("b", tier(2), slow), backend("c", tier(3), slow)),
			map[string][]script{"a": {broken}, "b": {broken}, "c": {says("c")}})
		w.ask(t.Context(), w.question("hi")).mustFail(t, translate.CodeModel, translate.FaultBroken)
		if got := w.order(); got != "a a" {
			t.Errorf("asked %s", got)
		}
	})
}

func TestAChannelAtItsLimitIsPassedOver(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a", atMost(1)), backend("b", tier(2), atMost(1))), map[string][]script{"a": {says("a")}, "b": {says("b")}})
		first, err := w.open(t.Context(), w.question("1"))
		if err != nil {
			t.Fatal(err)
		}
		second, err := w.open(t.Context(), w.question("2"))
		if err != nil {
			t.Fatal(err)
		}
		if first.Channel() != "a" || second.Channel() != "b" {
			t.Errorf("they went to %s and %s", first.Channel(), second.Channel())
		}
		if e := w.ask(t.Context(), w.question("3")).mustFail(t, translate.CodeRateLimited, translate.FaultBusy); e.Retry <= 0 {
			t.Error("it does not say when to come back")
		}
		_ = first.Close()
		_ = first.Close()
		w.ask(t.Context(), w.question("4")).mustSay(t, "a")
		_ = second.Close()
	})
}

func TestTheKeysOfAChannelShareItsLimit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a", atMost(2), keys("k1", "k2", "k3"))),
			map[string][]script{"a/k1": {says("1")}, "a/k2": {says("2")}, "a/k3": {says("3")}})
		var open []*Exchange
		for range 2 {
			x, err := w.open(t.Context(), w.question("hi"))
			if err != nil {
				t.Fatal(err)
			}
			open = append(open, x)
		}
		w.ask(t.Context(), w.question("hi")).mustFail(t, translate.CodeRateLimited, translate.FaultBusy)
		for _, x := range open {
			_ = x.Close()
		}
	})
}

func TestTheKeysOfAChannelShareItsWeight(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a", keys("k1", "k2", "k3")), backend("b")),
			map[string][]script{"a/k1": {says("a")}, "a/k2": {says("a")}, "a/k3": {says("a")}, "b": {says("b")}})
		const n = 4000
		for range n {
			w.ask(t.Context(), w.question("hi"))
		}
		if got := len(w.up["b"].Asked()); got < n*45/100 || got > n*55/100 {
			t.Errorf("a channel with one key got %d of %d", got, n)
		}
	})
}

func TestAnotherKeyTakesOverFromARefusedOne(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a", keys("k1", "k2"))),
			map[string][]script{"a/k1": {refuses(fault(translate.FaultDenied))}, "a/k2": {says("2")}})
		for range 10 {
			w.ask(t.Context(), w.question("hi")).mustSay(t, "2")
		}
	})
}

func TestABugInAnUpstreamGivesEverythingBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a", atMost(1))), map[string][]script{"a": {{Steps: []step{{Crash: true}}}, says("well")}})
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the bug was hidden")
				}
			}()
			w.ask(t.Context(), w.in("k", w.question("hi")))
		}()
		w.mustBeIdle()
		w.ask(t.Context(), w.in("k", w.question("hi"))).mustSay(t, "well")
	})
}

func TestNobodyWaitsForABackEndThatFailedAndWantsALongPause(t *testing.T) {
	bubble(t, func(t *testing.T) {
		later := fault(translate.FaultBroken)
		later.Retry = time.Hour
		w := newWorld(t, conf(backend("a")), map[string][]script{"a": {refuses(later), says("x")}})
		from := time.Now()
		e := w.ask(t.Context(), w.question("hi")).mustFail(t, translate.CodeModel, translate.FaultBroken)
		if took := time.Since(from); took != 0 || e.Retry != time.Hour {
			t.Errorf("told after %v, to come back in %v", took, e.Retry)
		}
	})
}
