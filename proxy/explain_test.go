package proxy

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/translate"
)

func TestEachModelAndKeyOfAChannelHasABreakerOfItsOwn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		two := func(c *config.Channel) {
			c.Models = []config.Model{{Name: "m", Upstream: "up-m"}, {Name: "n", Upstream: "up-n"}}
		}
		w := newWorld(t, conf(backend("a", keys("k1", "k2"), two)), map[string][]script{"a/k1": {refuses(fault(translate.FaultDial))}, "a/k2": {says("2")}})
		for range 40 {
			w.ask(t.Context(), w.questionOf(alice, "m", "hi")).mustSay(t, "2")
		}
		var states []string
		for _, k := range w.g.Channels()[0].Keys {
			for _, m := range k.Models {
				states = append(states, fmt.Sprint(k.Key, " ", m.Model, " ", m.State))
			}
		}
		if got := strings.Join(states, ", "); got != "0 m open, 0 n ready, 1 m ready, 1 n ready" {
			t.Error(got)
		}
		before := len(w.up["a/k1"].Asked())
		for range 40 {
			w.ask(t.Context(), w.questionOf(alice, "n", "hi")).mustSay(t, "2")
		}
		if n := len(w.up["a/k1"].Asked()) - before; n != openAfter {
			t.Errorf("the other model met the first key %d times, want %d until its own breaker opened", n, openAfter)
		}
	})
}

func TestACallersOwnTimeoutIsHeldAgainstNobody(t *testing.T) {
	for name, s := range map[string]script{
		"before the headers": {Hang: true},
		"before the content": {Steps: []step{start("x"), hangs()}},
		"in the middle":      {Steps: []step{start("x"), text("half"), hangs()}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, conf(backend("a")), map[string][]script{"a": {s}})
				for range 4 * openAfter {
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					w.ask(ctx, w.question("hi")).mustFail(t, translate.CodeCanceled, translate.FaultGone)
					cancel()
				}
				if m := w.g.Channels()[0].Keys[0].Models[0]; m.State != "ready" || m.Failures != 0 || m.Streak != 0 {
					t.Errorf("%+v", m)
				}
			})
		})
	}
}

func TestFallbackModelsShareTheAttempts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, scripts := conf(), map[string][]script{}
		for _, id := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
			model := serves("m")
			if id >= "e" {
				model = serves("m2")
			}
			c.Channels = append(c.Channels, backend(id, model, tier(int(id[0]))))
			scripts[id] = []script{refuses(fault(translate.FaultDial))}
		}
		c.Fallbacks = map[string][]string{"m": {"m2"}}
		w := newWorld(t, c, scripts)
		w.ask(t.Context(), w.questionOf(alice, "m", "hi")).mustFail(t, translate.CodeUnavailable, 0)
		if got := w.order(); got != "a b c d e f" {
			t.Errorf("asked %s", got)
		}
	})
}

func TestFallbackModelsShareTheTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		slow := func(c *config.Channel) { c.Timeouts.First = config.AutoDuration(time.Minute) }
		broken := script{After: 16 * time.Second, Err: fault(translate.FaultDial)}
		conf := conf(backend("a", slow), backend("b", slow, serves("m2")), backend("c", slow, serves("m3")))
		conf.Fallbacks = map[string][]string{"m": {"m2", "m3"}}
		w := newWorld(t, conf, map[string][]script{"a": {broken}, "b": {broken}, "c": {says("c")}})
		w.ask(t.Context(), w.questionOf(alice, "m", "hi")).mustFail(t, translate.CodeUnavailable, 0)
		if got := w.order(); got != "a b" {
			t.Errorf("asked %s", got)
		}
	})
}

func TestARefusedKeyIsAnAlarmThatNamesNoKey(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a"), backend("b", tier(2))), map[string][]script{"a": {refuses(fault(translate.FaultDenied))}, "b": {says("b")}})
		for range 5 {
			w.ask(t.Context(), w.question("hi")).mustSay(t, "b")
		}
		w.mu.Lock()
		log := w.log.String()
		w.mu.Unlock()
		if n := strings.Count(log, "level=ERROR"); n != 1 || !strings.Contains(log, "channel=a") || strings.Contains(log, "sk-secret") {
			t.Errorf("%d alarms:\n%s", n, log)
		}
	})
}
