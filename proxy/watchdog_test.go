package proxy

import (
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/translate"
)

func times(f func(*config.Timeouts)) func(*config.Channel) {
	return func(c *config.Channel) { f(&c.Timeouts) }
}

// elapsed runs f and returns how long it took.
func elapsed(f func()) time.Duration {
	from := time.Now()
	f()
	return time.Since(from)
}

func mustTake(t *testing.T, got, least, most time.Duration) {
	t.Helper()
	if got < least || got > most {
		t.Errorf("it took %v, want %v to %v", got, least, most)
	}
}

func TestTheFirstContentIsWaitedForLongerWithoutAnAlternative(t *testing.T) {
	t.Parallel()
	silent := script{Steps: []step{start("x"), hangs()}}
	for name, c := range map[string]struct {
		alone bool
		how   script
		want  time.Duration
	}{
		"headers, with an alternative": {false, script{Hang: true}, 10 * time.Second},
		"content, with an alternative": {false, silent, 10 * time.Second},
		"headers, alone":               {true, script{Hang: true}, 120 * time.Second},
		"content, alone":               {true, silent, 120 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				cs := []config.Channel{backend("a")}
				if !c.alone {
					cs = append(cs, backend("b", tier(2)))
				}
				w := newWorld(t, conf(cs...), map[string][]script{"a": {c.how}, "b": {says("b")}})
				var r result
				took := elapsed(func() { r = w.ask(t.Context(), w.question("hi")) })
				mustTake(t, took, c.want, c.want)
				if !c.alone {
					r.mustSay(t, "b")
					return
				}
				r.mustFail(t, translate.CodeModel, translate.FaultSlow)
			})
		})
	}
}

func TestTheLastOfSixAttemptsIsAlone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, scripts := conf(), map[string][]script{}
		for i := range 7 {
			id := string(rune('a' + i))
			c.Channels = append(c.Channels, backend(id, tier(i+1)))
			scripts[id] = []script{refuses(fault(translate.FaultDial))}
		}
		scripts["f"] = []script{{Steps: []step{text("late").In(time.Minute), finish()}}}
		w := newWorld(t, c, scripts)
		w.ask(t.Context(), w.question("hi")).mustSay(t, "late")
	})
}

func TestConfiguredClocksAreKept(t *testing.T) {
	t.Parallel()
	headers := times(func(x *config.Timeouts) {
		x.Headers, x.First = config.AutoDuration(2*time.Second), config.AutoDuration(7*time.Second)
	})
	for name, c := range map[string]struct {
		how  script
		want time.Duration
	}{
		"headers": {script{Hang: true}, 2 * time.Second},
		"first":   {script{After: time.Second, Steps: []step{start("x"), hangs()}}, 7 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, conf(backend("a", headers)), map[string][]script{"a": {c.how}})
				took := elapsed(func() { w.ask(t.Context(), w.question("hi")).mustFail(t, translate.CodeModel, translate.FaultSlow) })
				mustTake(t, took, c.want, c.want)
			})
		})
	}
}

func TestOnlyContentResetsTheClockOfTheFirstContent(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]step{"ping": ping(": x\n\n"), "start": start("x"), "usage": usage(1, 0), "an empty piece": text("")} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, conf(backend("a"), backend("b", tier(2))),
					map[string][]script{"a": {{Again: []step{s.In(time.Second)}}}, "b": {says("b")}})
				mustTake(t, elapsed(func() { w.ask(t.Context(), w.question("hi")).mustSay(t, "b") }), 10*time.Second, 10*time.Second)
			})
		})
	}
}

func TestOnlyContentResetsTheGap(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]step{"nothing": hangs(), "ping": ping(": x\n\n").In(time.Second), "usage": usage(1, 0).In(time.Second), "an empty piece": text("").In(time.Second)} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, conf(backend("a")), map[string][]script{"a": {{Steps: []step{text("x"), text("y").In(29 * time.Second)}, Again: []step{s}}}})
				took := elapsed(func() { w.ask(t.Context(), w.question("hi")).mustFail(t, translate.CodeModel, translate.FaultCut) })
				mustTake(t, took, 59*time.Second, 67*time.Second)
			})
		})
	}
}

func TestASteadyAnswerMayTakeLongButNotForEver(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a")), map[string][]script{"a": {{Again: []step{text("x").In(20 * time.Second)}}}})
		took := elapsed(func() { w.ask(t.Context(), w.question("hi")).mustFail(t, translate.CodeModel, translate.FaultCut) })
		mustTake(t, took, 10*time.Minute, 10*time.Minute)
	})
}

func TestAWholeAnswerHasTheGapsOfAStreamOnceItHasBegun(t *testing.T) {
	bubble(t, func(t *testing.T) {
		steps := []step{}
		for range 20 {
			steps = append(steps, text("x").In(20*time.Second))
		}
		w := newWorld(t, conf(backend("a")), map[string][]script{
			"a": {{Steps: append(steps, finish())}, {Steps: []step{text("x"), hangs()}}}})
		q := w.question("hi")
		q.Request.Stream = false
		w.ask(t.Context(), q).mustSay(t, "xxxxxxxxxxxxxxxxxxxx")
		q = w.question("hi")
		q.Request.Stream = false
		took := elapsed(func() { w.ask(t.Context(), q).mustFail(t, translate.CodeModel, translate.FaultSlow) })
		mustTake(t, took, 30*time.Second, 38*time.Second)
	})
}

func TestAWholeAnswerIsWaitedForThoughThereIsAnAlternative(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a"), backend("b", tier(2))), map[string][]script{"a": {{After: time.Minute, Steps: says("a").Steps}}, "b": {says("b")}})
		q := w.question("hi")
		q.Request.Stream = false
		w.ask(t.Context(), q).mustSay(t, "a")
	})
}

func TestASlowClientIsNotTheChannelsFault(t *testing.T) {
	bubble(t, func(t *testing.T) {
		gap := times(func(x *config.Timeouts) { x.Gap = 4 * time.Second })
		w := newWorld(t, conf(backend("a", gap)), map[string][]script{"a": {says("x", "y", "z")}})
		x, err := w.open(t.Context(), w.question("hi"))
		if err != nil {
			t.Fatal(err)
		}
		defer x.Close()
		for range 2 {
			if _, err := x.Next(); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := x.Next(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute) // the client does not read
		readAll(x).mustSay(t, "z")
	})
}

func TestAStalledEndIsAnEndAfterAGap(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a")), map[string][]script{"a": {{Steps: []step{text("x"), finish(), hangs()}}}})
		mustTake(t, elapsed(func() { w.ask(t.Context(), w.question("hi")).mustSay(t, "x") }), 30*time.Second, 38*time.Second)
	})
}
