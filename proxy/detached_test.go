package proxy

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/translate"
)

func finishes(c *config.Channel) { c.OnLeave = "finish" }

// slowly is an answer of three pieces, a second each.
func slowly() script {
	return script{Steps: []step{start("x"), text("one ").In(time.Second), text("two ").In(time.Second), text("three").In(time.Second), finish()}}
}

func TestAnAnswerMayEndWithoutItsClient(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]time.Duration{"before the first content": 500 * time.Millisecond, "in the middle": 1500 * time.Millisecond} {
		for _, keep := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					w := newWorld(t, conf(backend("a", finishes, atMost(1))), map[string][]script{"a": {slowly()}})
					q := w.in("k", w.question("hi"))
					q.KeepPartial = keep
					next := w.in("k", w.question("and"))
					ctx, cancel := context.WithCancelCause(t.Context())
					done := make(chan result, 1)
					go func() { done <- w.ask(ctx, q) }()
					time.Sleep(leave)
					cancel(errLeft)
					r := <-done
					r.mustFail(t, translate.CodeCanceled, translate.FaultGone)
					if w.stored("k") != "" {
						t.Errorf("too early it stored %q", w.stored("k"))
					}
					w.ask(t.Context(), next).mustSay(t, "one two three")
					if got := w.stored("k"); got != "user:hi|assistant:one two three|user:and|assistant:one two three" {
						t.Errorf("stored %q", got)
					}
					w.mustBeIdle()
				})
			})
		}
	}
}

func TestDrainWaitsForAnswersWithoutClientsAndThenCutsThem(t *testing.T) {
	bubble(t, func(t *testing.T) {
		endless := script{Again: []step{text("x").In(time.Second)}}
		w := newWorld(t, conf(backend("a", finishes)), map[string][]script{"a": {slowly(), endless}})
		for range 2 {
			x, err := w.open(t.Context(), w.question("hi"))
			if err != nil {
				t.Fatal(err)
			}
			_ = x.Close()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if w.g.Drain(ctx) == nil {
			t.Error("an endless answer has ended")
		}
		synctest.Wait()
		w.mustBeIdle()
		if err := w.g.Drain(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestTheEndOfTheGatewayEndsAnAnswerThatWouldOutliveItsClient(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a", finishes)), map[string][]script{"a": {{Hang: true}}})
		ctx, cancel := context.WithCancelCause(t.Context())
		done := make(chan result, 1)
		go func() { done <- w.ask(ctx, w.question("hi")) }()
		synctest.Wait()
		cancel(&translate.Error{Code: translate.CodeUnavailable, Message: "shutting down"})
		r := <-done
		r.mustFail(t, translate.CodeUnavailable, 0)
	})
}

func TestAnAnswerThatFailsWithoutItsClientGivesEverythingBack(t *testing.T) {
	t.Parallel()
	for name, last := range map[string]step{"cut": fails(fault(translate.FaultBroken)), "stalled": hangs(), "a bug": {Crash: true}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, conf(backend("a", finishes, atMost(1))), map[string][]script{"a": {{Steps: []step{text("half"), last}}, says("well")}})
				x, err := w.open(t.Context(), w.in("k", w.question("hi")))
				if err != nil {
					t.Fatal(err)
				}
				_ = x.Close()
				time.Sleep(time.Minute)
				w.mustBeIdle()
				if got := w.stored("k"); got != "" {
					t.Errorf("stored %q", got)
				}
				w.ask(t.Context(), w.question("hi")).mustSay(t, "well")
			})
		})
	}
}

func TestTooManyAnswersWithoutClientsAreCancelled(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a", finishes)), map[string][]script{"a": {{Steps: []step{text("half"), hangs()}}}})
		for range maxDetached + 5 {
			x, err := w.open(t.Context(), w.question("hi"))
			if err != nil {
				t.Fatal(err)
			}
			_ = x.Close()
		}
		synctest.Wait()
		if _, n := w.up["a"].Streams(); n != 5 {
			t.Errorf("%d were cancelled", n)
		}
		time.Sleep(time.Minute)
	})
}
