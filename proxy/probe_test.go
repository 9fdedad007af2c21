package proxy

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/proxy/channel"
	"github.com/dragoman-gateway/dragoman/translate"
)

// probed has the channel probed every 5 s, at most n times a day.
func probed(n int) func(*config.Channel) {
	return func(c *config.Channel) {
		c.Probe = &config.Probe{Every: 5 * time.Second, Most: config.Rate{N: n, Per: 24 * time.Hour}}
	}
}

// rarely has it probed every two minutes.
func rarely(c *config.Channel) { c.Probe.Every = 2 * time.Minute }

// pings is how many of the requests of u were probes.
func pings(u *fakeUp) (n int) {
	for _, r := range u.Asked() {
		if r.Messages[len(r.Messages)-1].Text() == "ping" {
			n++
		}
	}
	return n
}

func (w *world) probesOf(id string) ProbeState {
	for _, c := range w.g.Channels() {
		if c.ID == id {
			return *c.Probe
		}
	}
	return ProbeState{}
}

func TestAProbeBringsAnIdleChannelBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a", probed(100)), backend("b", tier(2))),
			map[string][]script{"a": append(repeats(openAfter+2, refuses(fault(translate.FaultDial))), says("a")), "b": {says("b")}})
		for range openAfter {
			w.ask(t.Context(), w.question("hi")).mustSay(t, "b")
		}
		time.Sleep(30 * time.Second)
		w.ask(t.Context(), w.question("hi")).mustSay(t, "a")
		if n := len(w.up["a"].Asked()) - pings(w.up["a"]); n != openAfter+1 {
			t.Errorf("callers asked it %d times", n)
		}
		s := w.probesOf("a")
		if s.Bad != 2 || s.Good == 0 || s.Result != "ok" || s.Last == "" {
			t.Errorf("%+v", s)
		}
		if first := w.up["a"].Asked()[openAfter]; *first.Params.MaxTokens != 1 || first.Model != "up-a" {
			t.Errorf("the probe: %+v", first)
		}
	})
}

func TestAProbeEndsTheWaitOfAKeyThatWasRefused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a", probed(100), keys("k1", "k2"))),
			map[string][]script{"a/k1": append(repeats(2, refuses(fault(translate.FaultDenied))), says("1")), "a/k2": {says("2")}})
		k1 := w.up["a/k1"]
		for len(k1.Asked()) == 0 {
			w.ask(t.Context(), w.question("hi")).mustSay(t, "2")
		}
		time.Sleep(20 * time.Second)
		if pings(k1) < 2 {
			t.Fatalf("%d probes", pings(k1))
		}
		state := func() string { return w.g.Channels()[0].Keys[0].Models[0].State }
		if got := state(); got != "ready" {
			t.Errorf("the key is %s", got)
		}
	})
}

func TestAFailedProbeIsAFailureLikeAnyOther(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a", probed(100)), backend("b", tier(2))),
			map[string][]script{"a": {refuses(fault(translate.FaultBroken))}, "b": {says("b")}})
		time.Sleep(time.Minute) // nobody asks anything
		if s := w.g.Channels()[0].Keys[0].Models[0]; s.State != "open" {
			t.Errorf("it is %s", s.State)
		}
		w.ask(t.Context(), w.question("hi")).mustSay(t, "b")
		if n, pings := len(w.up["a"].Asked()), pings(w.up["a"]); n != pings || pings < openAfter {
			t.Errorf("asked %d times, %d of them probes", n, pings)
		}
	})
}

func TestAProbeThatTellsNothingChangesNothing(t *testing.T) {
	for name, f := range map[string]translate.Fault{"refused": translate.FaultRejected, "cannot be put": 0, "throttled": translate.FaultBusy} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, conf(backend("a", probed(100))),
					map[string][]script{"a": append(repeats(2*openAfter, refuses(fault(translate.FaultDial))), refuses(fault(f)))})
				for range openAfter {
					w.ask(t.Context(), w.question("hi"))
				}
				time.Sleep(5 * time.Minute)
				s := w.probesOf("a")
				if s.Neutral == 0 || s.Good != 0 {
					t.Errorf("%+v", s)
				}
				if !w.g.plan.Load().Routes["m"].Tiers[0][0].Record.Out() {
					t.Error("the breaker has closed")
				}
			})
		})
	}
}

func TestProbesStayUnderTheirCeiling(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dead := refuses(fault(translate.FaultDial))
		w := newWorld(t, conf(backend("dead", probed(10), rarely), backend("well", probed(10), rarely)), map[string][]script{"dead": {dead}, "well": {says("x")}})
		time.Sleep(24 * time.Hour)
		// Ten at once, and ten more in the course of the day.
		if n := pings(w.up["dead"]); n < 18 || n > 20 {
			t.Errorf("%d probes of the dead one", n)
		}
		// Half are kept for worse days.
		if n := pings(w.up["well"]); n < 13 || n > 15 {
			t.Errorf("%d probes of the other", n)
		}
		if s := w.probesOf("well"); s.Left < 4 || s.Left > 5 {
			t.Errorf("left: %d", s.Left)
		}
	})
}

func TestAProbeWaitsForNobodyAndNobodyForIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		slow := says("x")
		slow.After = 12 * time.Second // longer than the time between two
		w := newWorld(t, conf(backend("a", probed(100), atMost(1), func(c *config.Channel) { c.Timeouts.First = config.AutoDuration(20 * time.Second) })),
			map[string][]script{"a": {slow}})
		time.Sleep(6 * time.Second)
		synctest.Wait()
		if n := w.g.Channels()[0].InFlight; n != 1 {
			t.Fatalf("%d run", n)
		}
		time.Sleep(8 * time.Second)
		if n := len(w.up["a"].Asked()); n != 1 {
			t.Errorf("%d probes at once", n)
		}
		// A question has the only slot: it is not disturbed.
		time.Sleep(4 * time.Second)
		for w.g.Channels()[0].InFlight > 0 {
			time.Sleep(10 * time.Millisecond)
		}
		before := pings(w.up["a"])
		w.ask(t.Context(), w.question("hi")).mustSay(t, "x")
		if n := pings(w.up["a"]); n != before {
			t.Errorf("%d probes while a question ran", n-before)
		}
	})
}

func TestABusyChannelIsNotProbed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a", probed(100))), map[string][]script{"a": {says("x")}})
		for range 60 {
			w.ask(t.Context(), w.question("hi")).mustSay(t, "x")
			time.Sleep(time.Second)
		}
		if n := pings(w.up["a"]); n != 0 {
			t.Errorf("%d probes", n)
		}
	})
}

func TestWhatAnOperatorHasTakenOutIsNotProbed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a", probed(100))), map[string][]script{"a": {says("x")}})
		if err := w.g.Force("a", channel.ForceOpen); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if n := len(w.up["a"].Asked()); n != 0 {
			t.Errorf("%d probes", n)
		}
	})
}

func TestAProbeHonoursTheTimeThatABackEndAskedFor(t *testing.T) {
	bubble(t, func(t *testing.T) {
		later := fault(translate.FaultBroken)
		later.Retry = 20 * time.Minute
		w := newWorld(t, conf(backend("a", probed(100))), map[string][]script{"a": append(repeats(openAfter, refuses(later)), says("x"))})
		for range openAfter {
			w.ask(t.Context(), w.question("hi"))
		}
		asked := len(w.up["a"].Asked())
		time.Sleep(19 * time.Minute)
		if n := pings(w.up["a"]); n != 0 {
			t.Errorf("%d probes of %d before their time", n, asked)
		}
		time.Sleep(2 * time.Minute)
		if n := pings(w.up["a"]); n == 0 {
			t.Error("no probe after it")
		}
	})
}

func TestABugInAProbeEndsThatProbe(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a", probed(100))), map[string][]script{"a": {{Steps: []step{{Crash: true}}}, says("x")}})
		time.Sleep(time.Minute)
		if s := w.probesOf("a"); s.Good == 0 {
			t.Errorf("%+v", s)
		}
		if !strings.Contains(w.log.String(), "a bug in an upstream") {
			t.Error("it is not in the log")
		}
	})
}

func TestANewConfigurationNeitherLosesNorDoublesProbes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		first := conf(backend("a", probed(10), rarely), backend("b", probed(10), rarely))
		w := newWorld(t, first, map[string][]script{"a": {says("x")}, "b": {says("x")}})
		time.Sleep(10 * time.Minute)
		before := w.probesOf("a")
		if err := w.g.Apply(conf(backend("a", probed(10), rarely), backend("b"))); err != nil {
			t.Fatal(err)
		}
		if got := w.probesOf("a"); before.Good < 3 || got != before {
			t.Errorf("%+v, was %+v", got, before)
		}
		asked := len(w.up["b"].Asked())
		time.Sleep(24 * time.Hour)
		if n := len(w.up["b"].Asked()); n != asked {
			t.Errorf("%d probes of one that is not probed any more", n-asked)
		}
		if s := w.probesOf("a"); s.Good < 12 || s.Good > 17 {
			t.Errorf("%+v", s)
		}
	})
}
