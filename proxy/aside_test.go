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

// models makes a channel serve these, each under the same name upstream.
func models(names ...string) func(*config.Channel) {
	return func(c *config.Channel) {
		c.Models = nil
		for _, n := range names {
			c.Models = append(c.Models, config.Model{Name: n, Upstream: n})
		}
	}
}

// by makes up answer each model as it is told; others answer well.
func by(w *world, id string, how map[string]error) {
	w.up[id].Reply(func(req *translate.Request) script {
		if err := how[req.Model]; err != nil {
			return refuses(err)
		}
		return says("well")
	})
}

func TestARefusedModelLeavesTheOthersOfItsKeyAlone(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]*translate.Error{
		"credential": fault(translate.FaultDenied), "purse": fault(translate.FaultPurse), "place": fault(translate.FaultPlace), "no model": fault(translate.FaultNoModel),
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, conf(backend("a", models("good", "bad"))), map[string][]script{"a": {says("x")}})
				how := map[string]error{"bad": err}
				by(w, "a", how)
				asks := func(model string) *translate.Error {
					return w.ask(t.Context(), w.questionOf(alice, model, "hi")).err
				}
				if e := asks("good"); e != nil {
					t.Fatal(e)
				}
				for _, wait := range []time.Duration{asideFirst, 2 * asideFirst, 4 * asideFirst} {
					before := len(w.up["a"].Asked())
					e := asks("bad")
					if e == nil || e.Retry != wait || e.Code != translate.CodeUnavailable {
						t.Fatalf("%+v, want to come back in %v", e, wait)
					}
					time.Sleep(wait / 2)
					if e = asks("bad"); e == nil || e.Retry != wait/2 || !strings.Contains(e.Message, "the first is back in "+channel.Seconds(wait/2)) {
						t.Errorf("%+v, want to come back in %v", e, wait/2)
					}
					if n := len(w.up["a"].Asked()) - before; n != 1 {
						t.Errorf("it was asked %d times", n)
					}
					if e = asks("good"); e != nil {
						t.Errorf("the other model: %v", e)
					}
					time.Sleep(wait / 2)
				}
				delete(how, "bad")
				if e := asks("bad"); e != nil {
					t.Errorf("mended: %v", e)
				}
				how["bad"] = err
				if e := asks("bad"); e == nil || e.Retry != asideFirst {
					t.Errorf("the success is forgotten: %+v", e)
				}
			})
		})
	}
}

func TestAWholeKeyIsSetAside(t *testing.T) {
	t.Parallel()
	denied, named := fault(translate.FaultDenied), fault(translate.FaultDenied)
	named.Key = true
	for name, c := range map[string]struct {
		models []string
		err    *translate.Error
		asks   []string
		last   int // how many questions have reached the back end in the end
	}{
		"where a second model is refused":          {[]string{"good", "bad", "worse"}, denied, []string{"bad", "worse", "good"}, 2},
		"not where another succeeds between":       {[]string{"good", "bad", "worse"}, denied, []string{"bad", "good", "worse", "good"}, 4},
		"where the refusal names it":               {[]string{"good", "bad"}, named, []string{"bad", "good"}, 1},
		"where it serves that model alone":         {[]string{"bad"}, denied, []string{"bad", "bad"}, 1},
		"never for models that are not there":      {[]string{"good", "bad", "worse"}, fault(translate.FaultNoModel), []string{"bad", "worse", "good"}, 3},
		"where a second model's purse is empty":    {[]string{"good", "bad", "worse"}, fault(translate.FaultPurse), []string{"bad", "worse", "good"}, 2},
		"never for what a question would cost":     {[]string{"good", "bad"}, fault(translate.FaultCost), []string{"bad", "bad", "good"}, 3},
		"never for a refusal that says too little": {[]string{"good", "bad"}, fault(translate.FaultUnclear), []string{"bad", "bad", "bad", "bad", "bad", "bad", "good"}, 7},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, conf(backend("a", models(c.models...))), map[string][]script{"a": {says("x")}})
				by(w, "a", map[string]error{"bad": c.err, "worse": c.err})
				for _, m := range c.asks {
					w.ask(t.Context(), w.questionOf(alice, m, "hi"))
				}
				if n := len(w.up["a"].Asked()); n != c.last {
					t.Errorf("the back end was asked %d times, want %d", n, c.last)
				}
			})
		})
	}
}

func TestAnySuccessOfAKeyClearsIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a", models("one", "two", "slow"))), map[string][]script{"a": {says("x")}})
		how := map[string]error{"one": fault(translate.FaultDenied), "two": fault(translate.FaultDenied)}
		u := w.up["a"]
		u.Reply(func(req *translate.Request) script {
			switch m := req.Model; {
			case m == "slow":
				s := says("late")
				s.After = 2 * time.Second
				return s
			case how[m] != nil:
				return refuses(how[m])
			}
			return says("well")
		})
		go w.ask(t.Context(), w.questionOf(alice, "slow", "hi"))
		synctest.Wait()
		w.ask(t.Context(), w.questionOf(alice, "one", "hi"))
		w.ask(t.Context(), w.questionOf(alice, "two", "hi"))
		if e := w.ask(t.Context(), w.questionOf(alice, "slow", "hi")).err; e == nil || e.Retry != asideFirst {
			t.Fatalf("the key is used: %+v", e)
		}
		time.Sleep(3 * time.Second) // the answer that was on its way has come
		clear(how)
		w.ask(t.Context(), w.questionOf(alice, "two", "hi")).mustSay(t, "well")
	})
}

func TestAServerIsShownTenRefusedKeysAnHour(t *testing.T) {
	bubble(t, func(t *testing.T) {
		named := fault(translate.FaultDenied)
		named.Key = true
		c := conf(backend("a", kind("chatnio"), keys("k1", "k2", "k3")), backend("b", kind("chatnio")))
		w := newWorld(t, c, map[string][]script{"a/k1": {refuses(named)}, "a/k2": {refuses(named)}, "a/k3": {refuses(named)}, "b": {refuses(named)}})
		asked := func() (n int) {
			for _, u := range w.up {
				n += len(u.Asked())
			}
			return n
		}
		for hour := 1; hour <= 3; hour++ {
			before := asked()
			for range 360 {
				w.ask(t.Context(), w.question("hi"))
				time.Sleep(10 * time.Second)
			}
			if n := asked() - before; n < 4 || n > trialsMost {
				t.Errorf("hour %d: %d", hour, n)
			}
		}
	})
}

func TestAModelThatNoChannelHasIsNotFound(t *testing.T) {
	t.Parallel()
	for front, code := range map[string]translate.Code{"openai": translate.CodeModelNotFound, "anthropic": translate.CodeModelNotFound, "rest": translate.CodeUnavailable, "chatnio": translate.CodeUnavailable, "iagent": translate.CodeUnavailable} {
		t.Run(front, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				gone := refuses(fault(translate.FaultNoModel))
				w := newWorld(t, conf(backend("a"), backend("b", tier(2))), map[string][]script{"a": {gone}, "b": {gone}})
				for range 2 { // then both are set aside, and nobody is asked
					q := w.question("hi")
					q.Front = front
					if e := w.ask(t.Context(), q).err; e == nil || e.Code != code {
						t.Errorf("%+v, want %s", e, code)
					}
				}
				if got := w.order(); got != "a b" {
					t.Errorf("asked %s", got)
				}
				for _, ch := range w.g.Channels() {
					if m := ch.Keys[0].Models[0]; m.State != "aside" || m.Streak != 0 || m.Failures != 0 || m.Why != "it has not got the model" {
						t.Errorf("%+v", m)
					}
				}
			})
		})
	}
}

func TestWhatClientsAreToldOfChannelsNamesNone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("vendor-a"), backend("vendor-b"), backend("vendor-c", tier(2))),
			map[string][]script{"vendor-a": {refuses(fault(translate.FaultDenied))}, "vendor-b": {refuses(fault(translate.FaultDenied))}, "vendor-c": {refuses(fault(translate.FaultDial))}})
		e := w.ask(t.Context(), w.question("hi")).err
		if want := "no channel can take it (2 of 3: its credential was refused, 1 of 3: not reachable), the first is back in 10 s"; e == nil || e.Message != want {
			t.Errorf("%v, want %s", e, want)
		}
		if !strings.Contains(e.Error(), "vendor-c: not reachable") {
			t.Errorf("its operator is not told: %v", e)
		}
	})
}
