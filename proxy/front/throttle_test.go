package front_test

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/internal/mockmodel"
	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
	"github.com/dragoman-gateway/dragoman/proxy"
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
	return allWith(t, w, newClient, n, "")
}

// allWith is atOnce with a system text.
func allWith(t *testing.T, w *world.World, newClient func(*world.World, string) world.Client, n int, system string) (answered int, took time.Duration) {
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
			r := world.Put(t, c, world.Ask{Model: "m", Text: text, System: system, User: fmt.Sprint("user", i), Stream: c.Streams()})
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
	for j, newClient := range world.Fronts {
		for i, more := range []string{", keys: [sk-only]", ", keys: [sk-only], dials: 4/s", ", keys: [sk-only], dials: 5/s", ", keys: [sk-only], dials: 2/s", ", keys: [sk-first, sk-second]"} {
			for _, n := range []int{20, 50} {
				for _, lossy := range []bool{false, true} {
					if spared(i, j) {
						continue
					}
					name := fmt.Sprintf("%s%s, %d, lossy %v", newClient(nil, "").Front(), more, n, lossy)
					t.Run(name, func(t *testing.T) {
						t.Parallel()
						synctest.Test(t, func(t *testing.T) {
							w := world.Alone(t, throttledConf(more))
							h := &mockmodel.Throttle{Lossy: lossy}
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

// alone runs f beside other tests, with a clock of its own.
func alone(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, f)
}

// On real sockets the questions that stand alone share those that the first ones leave
// behind; those with a system text need one each.
func TestAllConversationsAtOnceAreAnsweredBehindTheThrottleOnRealSockets(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		front        int
		n            int
		more, system string
		dials        int // at most
	}{
		{0, 20, "", "", 19}, {0, 50, ", dials: 4/s", "", 10}, {3, 20, "", "", 19}, {3, 50, ", dials: 4/s", "", 10}, {4, 50, "", "", 49},
		{0, 20, "", "be kind", 20}, {1, 20, ", dials: 4/s", "be kind", 20},
	} {
		newClient := world.Fronts[c.front]
		t.Run(fmt.Sprint(newClient(nil, "").Front(), c.n, c.more, c.system), func(t *testing.T) {
			t.Parallel()
			w := world.Start(t, throttledConf(", keys: [sk-only]"+c.more))
			h := &mockmodel.Throttle{}
			w.Model.Throttle(h)
			answered, took := allWith(t, w, newClient, c.n, c.system)
			taken, refused := h.Taken()
			t.Logf("%d of %d in %v, %d dials taken, %d refused", answered, c.n, took, len(taken), len(refused))
			// On a slow machine more dials fall due meanwhile; if nothing were shared, each would need one.
			if answered != c.n || len(taken) > max(c.dials, int(took/(250*time.Millisecond))+1) {
				t.Errorf("%d of %d were answered, with %d dials", answered, c.n, len(taken))
			}
		})
	}
}

func TestAnotherChannelTakesAtOnceWhatAThrottledServerRefuses(t *testing.T) {
	for _, tier := range []string{"1", "2"} {
		t.Run("in tier "+tier, func(t *testing.T) {
			alone(t, func(t *testing.T) {
				w := world.Alone(t, throttledConf(", keys: [sk-only]")+"- {id: b, kind: mock, models: [{name: m, upstream: echo}], tier: "+tier+"}\n")
				w.Model.Throttle(&mockmodel.Throttle{})
				if answered, took := atOnce(t, w, world.Fronts[0], 50); answered != 50 || took > 100*time.Millisecond {
					t.Errorf("%d of 50 were answered in %v", answered, took)
				}
			})
		})
	}
}

func TestAllChannelsOfAThrottledServerRest(t *testing.T) {
	alone(t, func(t *testing.T) {
		w := world.Alone(t, throttledConf(", keys: [sk-only]")+"- {id: b, kind: chatnio, url: \"ws://{MODEL}\", keys: [sk-other], models: [{name: m, upstream: echo}]}\n"+
			"- {id: c, kind: chatnio, url: \"http://{MODEL}/\", keys: [sk-third], models: [{name: m, upstream: echo}], tier: 2}\n")
		h := &mockmodel.Throttle{}
		w.Model.Throttle(h)
		if answered, _ := atOnce(t, w, world.Fronts[0], 50); answered != 50 {
			t.Errorf("%d of 50 were answered", answered)
		}
		_, refused := h.Taken()
		mustRest(t, refused)
		if len(refused) > 45 {
			t.Errorf("%d dials were refused", len(refused))
		}
	})
}

func TestAnAskerThatLeavesBeforeItsDialGivesItsPlaceBack(t *testing.T) {
	for _, newClient := range world.Fronts {
		t.Run(newClient(nil, "").Front(), func(t *testing.T) {
			alone(t, func(t *testing.T) {
				w := world.Alone(t, throttledConf(", keys: [sk-only], dials: 1/s"))
				h := &mockmodel.Throttle{}
				w.Model.Throttle(h)
				put := func(i int) world.Turn {
					return newClient(w, key).Begin(t, world.Ask{Model: "m", Text: "hi", User: fmt.Sprint("u", i), Stream: true})
				}
				var turns []world.Turn
				for i := range 25 {
					turns = append(turns, put(i))
					time.Sleep(time.Millisecond)
				}
				for _, turn := range turns[1:24] {
					turn.Leave()
				}
				time.Sleep(100 * time.Millisecond)
				if n := w.Gateway.Channels()[0].Keys[0].Models[0].Seconds; n > 2.1 {
					t.Errorf("who comes now would wait for %v s", n)
				}
				began := time.Now()
				for turns[24].Next(t) {
				}
				if r := turns[24].Reply(); r.Failed || r.Text == "" || time.Since(began) > 1100*time.Millisecond {
					t.Errorf("the last one: %s after %v", r.Outcome(), time.Since(began))
				}
				if taken, _ := h.Taken(); len(taken) != 2 {
					t.Errorf("%d dials were made", len(taken))
				}
				turns[24].Leave()
				turns[0].Leave()
			})
		})
	}
}

func TestWhoCannotBeWaitedForIsInvitedAtATimeOfHisOwn(t *testing.T) {
	alone(t, func(t *testing.T) {
		w := world.Alone(t, throttledConf(", keys: [sk-only]"))
		w.Model.Throttle(&mockmodel.Throttle{Dials: 1, Hint: 40 * time.Second})
		var mu sync.Mutex
		var all sync.WaitGroup
		told := map[string]int{}
		for i := range 41 {
			c := world.Fronts[0](w, key)
			all.Go(func() {
				defer c.Close(t)
				r := world.Put(t, c, world.Ask{Model: "m", Text: fmt.Sprint("hi ", i)})
				mu.Lock()
				defer mu.Unlock()
				if r.Failed {
					told[r.RetryAfter]++
					if r.Status != 429 {
						t.Errorf("refused with %s", r.Outcome())
					}
				}
			})
		}
		all.Wait()
		total := 0
		for after, n := range told {
			total += n
			if at, _ := strconv.Atoi(after); at < 40 || n > 5 {
				t.Errorf("%d are to come back after %s s", n, after)
			}
		}
		if total != 40 {
			t.Errorf("%d were refused: %v", total, told)
		}
	})
}

func TestTheDialsOfAThrottledServerAreFairBetweenCallers(t *testing.T) {
	alone(t, func(t *testing.T) {
		w := world.Alone(t, "callers: {keys: [{name: alice, key: "+key+"}, {name: bob, key: sk-of-bob-000000}]}\n"+
			"channels:\n- {id: a, kind: chatnio, url: \"http://{MODEL}\", keys: [sk-only], models: [{name: m, upstream: echo}], dials: 4/s}\n")
		w.Model.Throttle(&mockmodel.Throttle{})
		var all sync.WaitGroup
		all.Go(func() {
			if answered, _ := atOnce(t, w, world.Fronts[0], 80); answered != 80 {
				t.Errorf("%d of 80 of alice were answered", answered)
			}
		})
		time.Sleep(time.Second)
		c := world.Fronts[0](w, "sk-of-bob-000000")
		began := time.Now()
		if r := world.Put(t, c, world.Ask{Model: "m", Text: "hi"}); r.Failed || time.Since(began) > 600*time.Millisecond {
			t.Errorf("bob: %s after %v", r.Outcome(), time.Since(began))
		}
		c.Close(t)
		all.Wait()
	})
}

// TestAQuestionThatStandsAloneNeedsNoDial has a conversation rest on its socket, on real
// ones, since others do not tell whether they are alive.
func TestAQuestionThatStandsAloneNeedsNoDial(t *testing.T) {
	t.Parallel()
	for _, newClient := range world.Fronts[:4] {
		t.Run(newClient(nil, "").Front(), func(t *testing.T) {
			t.Parallel()
			w := world.Start(t, strings.Replace(throttledConf(", keys: [sk-only], dials: 6/m"), "upstream: echo", "upstream: recall", 1))
			h := &mockmodel.Throttle{}
			w.Model.Throttle(h)
			dialled := func(want int) {
				t.Helper()
				if taken, refused := h.Taken(); len(taken) != want || len(refused) != 0 {
					t.Errorf("%d dials and %d refused, want %d", len(taken), len(refused), want)
				}
			}
			ask := func(c world.Client, text, want string) {
				t.Helper()
				r := world.Put(t, c, world.Ask{Model: "m", Text: text, User: text[:1], Stream: true})
				if r.Text != want {
					t.Errorf("%s: %s, want %q", text, r.Outcome(), want)
				}
			}
			one := newClient(w, key)
			ask(one, "a one", "user: a one")
			ask(one, "a two", "user: a one | assistant: user: a one | user: a two")
			dialled(1)
			var others []world.Client
			for i := range 5 {
				other := newClient(w, key)
				others = append(others, other)
				text := fmt.Sprintf("%c alone", 'b'+i)
				ask(other, text, "user: "+text)
			}
			dialled(1)
			const whole = "user: a one | assistant: user: a one | user: a two | assistant: user: a one | assistant: user: a one | user: a two | user: a three"
			ask(one, "a three", whole) // on a socket of its own again
			dialled(2)
			ask(others[0], "b again", "user: b alone | assistant: user: b alone | user: b again") // not on the one that others have used
			dialled(3)
			tries := 0
			w.Eventually(t, "a dial may be made again, and nobody's socket is taken", func() bool {
				last := newClient(w, key)
				defer last.Close(t)
				tries++
				if r := world.Put(t, last, world.Ask{Model: "m", Text: "alone", User: fmt.Sprint(tries), Stream: true}); r.Text != "user: alone" {
					t.Errorf("%d: %s", tries, r.Outcome())
				}
				taken, _ := h.Taken()
				return len(taken) == 4
			})
			for _, c := range append(others, one) {
				c.Close(t)
			}
		})
	}
}

func TestManyQuestionsThatStandAloneShareTheIdleSocketsThatThereAre(t *testing.T) {
	t.Parallel()
	w := world.Start(t, throttledConf(", keys: [sk-only], dials: 4/m"))
	h := &mockmodel.Throttle{}
	w.Model.Throttle(h)
	c := world.Fronts[0](w, key)
	world.Put(t, c, world.Ask{Model: "m", Text: "hi"})
	c.Close(t)
	if answered, _ := atOnce(t, w, world.Fronts[0], 10); answered != 10 {
		t.Errorf("%d of 10 were answered", answered)
	}
	if taken, _ := h.Taken(); len(taken) > 4 {
		t.Errorf("%d dials for 11 questions that could share a socket", len(taken))
	}
}

func TestADialThatIsTooFarAwayIsNotWaitedFor(t *testing.T) {
	alone(t, func(t *testing.T) {
		w := world.Alone(t, throttledConf(", keys: [sk-only], dials: 1/m"))
		if answered, _ := atOnce(t, w, world.Fronts[0], 1); answered != 1 {
			t.Fatal("the first one was not answered")
		}
		c := world.Fronts[0](w, key)
		began := time.Now()
		r := world.Put(t, c, world.Ask{Model: "m", Text: "hi"})
		if r.Status != 429 || r.RetryAfter != "60" || time.Since(began) > time.Second {
			t.Errorf("%s after %v", r.Outcome(), time.Since(began))
		}
		c.Close(t)
	})
}

func TestAReloadKeepsWhatIsKnownOfAServersThrottleAndTakesANewPace(t *testing.T) {
	alone(t, func(t *testing.T) {
		w := world.Alone(t, throttledConf(", keys: [sk-only]"))
		h := &mockmodel.Throttle{}
		w.Model.Throttle(h)
		var all sync.WaitGroup
		all.Go(func() {
			if answered, _ := atOnce(t, w, world.Fronts[0], 20); answered != 20 {
				t.Errorf("%d of 20 were answered", answered)
			}
		})
		time.Sleep(500 * time.Millisecond)
		next := *w.Conf
		next.Channels = slices.Clone(next.Channels)
		next.Channels[0].Dials = config.Rate{N: 1, Per: time.Second}
		if err := w.Gateway.Apply(&next); err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			if answered, _ := atOnce(t, w, world.Fronts[0], 1); answered != 1 {
				t.Error("who came after it was not answered")
			}
		})
		all.Wait()
		taken, refused := h.Taken()
		mustRest(t, refused)
		if len(taken) != 21 {
			t.Errorf("%d dials were taken", len(taken))
		}
		for i := 7; i < len(taken); i++ {
			if d := taken[i].Sub(taken[i-1]); d < 990*time.Millisecond {
				t.Errorf("a dial came %v after another one", d)
			}
		}
	})
}

func TestAProbeDoesNotDialAThrottledServer(t *testing.T) {
	alone(t, func(t *testing.T) {
		w := world.Alone(t, throttledConf(", keys: [sk-only], probe: {every: 5s, most: 1000/h}"))
		h := &mockmodel.Throttle{Dials: 1, Hint: 30 * time.Second}
		w.Model.Throttle(h)
		atOnce(t, w, world.Fronts[0], 2)
		time.Sleep(29 * time.Second)
		if taken, refused := h.Taken(); len(taken)+len(refused) != 2 {
			t.Errorf("%d dials taken, %d refused", len(taken), len(refused))
		}
		w.Model.Throttle(&mockmodel.Throttle{})
		time.Sleep(time.Minute)
		if p := w.Gateway.Channels()[0].Probe; p.Good == 0 || p.Bad != 0 {
			t.Errorf("later: %+v", p)
		}
	})
}

func TestAThrottledServerIsShownWithItsTime(t *testing.T) {
	alone(t, func(t *testing.T) {
		w := world.Alone(t, throttledConf(", keys: [sk-only]"))
		w.Model.Throttle(&mockmodel.Throttle{Dials: 1})
		var all sync.WaitGroup
		all.Go(func() { atOnce(t, w, world.Fronts[0], 3) })
		time.Sleep(300 * time.Millisecond)
		m := w.Gateway.Channels()[0].Keys[0].Models[0]
		if m.State != "throttled" || m.Seconds < 1 || m.Seconds > 1.5 || !strings.Contains(m.Why, "throttled for 2 s") || !strings.Contains(m.Why, "4 a second") {
			t.Errorf("the channel: %+v", m)
		}
		e, err := w.Gateway.Foresee(t.Context(), proxy.Hypothesis{Model: "m", Caller: "alice"})
		if err != nil {
			t.Fatal(err)
		}
		if c := e.Candidates[0]; c.State != "throttled" || c.Seconds != rounded(m.Seconds) || !strings.Contains(e.Verdict, "would wait for a connection to a") {
			t.Errorf("foreseen: %s, %+v", e.Verdict, c)
		}
		all.Wait()
		time.Sleep(3 * time.Second)
		m = w.Gateway.Channels()[0].Keys[0].Models[0]
		if m.State != "ready" || !strings.Contains(m.Why, "slowed to") {
			t.Errorf("later: %+v", m)
		}
		time.Sleep(2 * time.Minute)
		if m = w.Gateway.Channels()[0].Keys[0].Models[0]; m.State != "ready" || m.Why != "" {
			t.Errorf("at last: %+v", m)
		}
	})
}

func rounded(s float64) float64 { return math.Round(s*1000) / 1000 }
