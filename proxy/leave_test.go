package proxy

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dragoman-gateway/dragoman/translate"
)

var errLeft = &translate.Error{Code: translate.CodeCanceled, Fault: translate.FaultGone, Message: "left"}

func TestAClientMayLeaveAtEveryStage(t *testing.T) {
	t.Parallel()
	stages := map[string][]script{
		"opening":        {{Hang: true}},
		"before content": {{Steps: []step{start("x"), hangs()}}},
		"streaming":      {{Steps: []step{start("x"), text("half"), hangs()}}},
		"a second try":   {refuses(fault(translate.FaultDial)), {Hang: true}},
	}
	for name, scripts := range stages {
		for _, stream := range []bool{true, false} {
			for _, keep := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s stream=%v keep=%v", name, stream, keep), func(t *testing.T) {
					bubble(t, func(t *testing.T) {
						w := newWorld(t, conf(backend("a"), backend("b", tier(2))),
							map[string][]script{"a": scripts, "b": scripts[len(scripts)-1:]})
						q := w.in("k", w.question("hi"))
						q.Request.Stream, q.KeepPartial = stream, keep
						ctx, cancel := context.WithCancelCause(t.Context())
						var r result
						done := make(chan struct{})
						go func() { defer close(done); r = w.ask(ctx, q) }()
						synctest.Wait()
						from := time.Now()
						cancel(errLeft)
						<-done
						if time.Since(from) != 0 {
							t.Errorf("it took %v", time.Since(from))
						}
						r.mustFail(t, translate.CodeCanceled, translate.FaultGone)
						w.mustBeIdle()
						want := ""
						if keep {
							want = "user:hi"
						}
						if keep && stream && name == "streaming" {
							want = "user:hi|assistant:half\n(incomplete)"
						}
						if got := w.stored("k"); got != want {
							t.Errorf("stored %q, want %q", got, want)
						}
					})
				})
			}
		}
	}
}

func TestAPlainCancelIsCanceledToo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a")), map[string][]script{"a": {{Hang: true}}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		w.ask(ctx, w.question("hi")).mustFail(t, translate.CodeCanceled, translate.FaultGone)
	})
}

func TestAClientThatLeavesWhileItWaitsForItsTurnAsksNobody(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a")), map[string][]script{"a": {says("1"), says("3")}})
		x, err := w.open(t.Context(), w.in("k", w.question("one")))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		q2, q3 := w.in("k", w.question("two")), w.in("k", w.question("three"))
		q2.KeepPartial = true
		second, third := make(chan result, 1), make(chan result, 1)
		go func() { second <- w.ask(ctx, q2) }()
		go func() { third <- w.ask(t.Context(), q3) }()
		synctest.Wait()
		cancel(errLeft)
		r := <-second
		r.mustFail(t, translate.CodeCanceled, translate.FaultGone)
		synctest.Wait()
		if n := len(w.up["a"].Asked()); n != 1 {
			t.Errorf("the third did not wait for the first: %d were asked", n)
		}
		readAll(x).mustSay(t, "1")
		_ = x.Close()
		r = <-third
		r.mustSay(t, "3")
		if got := w.stored("k"); got != "user:one|assistant:1|user:three|assistant:3" {
			t.Errorf("stored: %s", got)
		}
		if n := len(w.up["a"].Asked()); n != 2 {
			t.Errorf("%d questions were asked", n)
		}
	})
}

func TestAQuestionOfAClientThatHasLeftIsNotAsked(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a")), map[string][]script{"a": {says("1")}})
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errLeft)
		w.ask(ctx, w.in("k", w.question("hi"))).mustFail(t, translate.CodeCanceled, translate.FaultGone)
		_, err := w.g.Enqueue(ctx, alice, talkOf("k2"))
		if e := typed(err); e.Code != translate.CodeCanceled {
			t.Errorf("enqueue: %v", e)
		}
	})
}

func TestAnEndOfTheGatewayIsToldInBand(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a")), map[string][]script{"a": {{Steps: []step{text("half"), hangs()}}}})
		ctx, cancel := context.WithCancelCause(t.Context())
		x, err := w.open(ctx, w.question("hi"))
		if err != nil {
			t.Fatal(err)
		}
		defer x.Close()
		cancel(&translate.Error{Code: translate.CodeUnavailable, Message: "shutting down"})
		readAll(x).mustFail(t, translate.CodeUnavailable, translate.FaultCut)
	})
}

func TestDrainRefusesNewQuestionsAndWaitsForRunningOnes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a")), map[string][]script{"a": {says("1")}})
		x, err := w.open(t.Context(), w.question("hi"))
		if err != nil {
			t.Fatal(err)
		}
		brief, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := w.g.Drain(brief); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Drain did not wait: %v", err)
		}
		if e := w.ask(t.Context(), w.in("k", w.question("hi"))).mustFail(t, translate.CodeUnavailable, 0); e.Retry <= 0 {
			t.Error("it does not say when to come back")
		}
		drained := make(chan error, 1)
		go func() { drained <- w.g.Drain(t.Context()) }()
		synctest.Wait()
		readAll(x).mustSay(t, "1")
		select {
		case <-drained:
			t.Error("Drain did not wait for Close")
		default:
		}
		_ = x.Close()
		if err := <-drained; err != nil {
			t.Error(err)
		}
	})
}
