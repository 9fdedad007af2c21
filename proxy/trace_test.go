package proxy

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dragoman-gateway/dragoman/translate"
)

func TestAnExchangeThatRunsIsExplainedAsFarAsItHasGot(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a"), backend("b", tier(2))),
			map[string][]script{"a": {refuses(fault(translate.FaultDial))}, "b": {{Steps: []step{text("half"), finish().In(20 * time.Second)}}}})
		q := w.question("hi")
		q.ID = "one"
		var all sync.WaitGroup
		all.Go(func() { w.ask(t.Context(), q).mustSay(t, "half") })
		time.Sleep(time.Second)
		synctest.Wait()
		e, ok := w.g.Explain("one")
		if !ok || e.State != "running" || e.Outcome != "" || e.Model != "m" || e.Caller != "alice" || e.Ledger.Total != 1000 ||
			len(e.Attempts) != 2 || e.Attempts[0].Result != "dial" || e.Attempts[1].Channel != "b" {
			t.Errorf("while it runs: %v %+v", ok, e)
		}
		all.Wait()
		if e, ok = w.g.Explain("one"); !ok || e.State != "done" || e.Outcome != "ok" || e.Ledger.Stream != 20_000 {
			t.Errorf("later: %v %+v", ok, e)
		}
		if e.Same != nil {
			t.Error("it is still in the list of those that run")
		}
	})
}

func TestNoExchangeHidesAnotherWithItsID(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a")), map[string][]script{"a": {
			{Steps: []step{text("first"), finish()}}, refuses(fault(translate.FaultRejected)), {Steps: []step{text("third"), finish().In(20 * time.Second)}}}})
		put := func(caller string) {
			q := w.question("hi")
			q.ID, q.Caller = "req_known", &Caller{Name: caller}
			w.ask(t.Context(), q)
			time.Sleep(time.Second)
		}
		put("alice")
		put("mallory")
		var last sync.WaitGroup
		last.Go(func() { put("mallory") })
		time.Sleep(time.Second)
		synctest.Wait()

		e, ok := w.g.Explain("req_known")
		if !ok || e.Caller != "alice" || e.Outcome != "ok" || e.State != "done" || len(e.Same) != 3 {
			t.Fatalf("got %v %+v", ok, e)
		}
		for i, want := range []Same{
			{N: 1, Caller: "alice", State: "done", Outcome: "ok"}, {N: 2, Caller: "mallory", State: "done", Outcome: "MODEL_ERROR"}, {N: 3, Caller: "mallory", State: "running"},
		} {
			got := e.Same[i]
			if got.At == "" || got.Model != "m" {
				t.Errorf("%d: %+v", i, got)
			}
			if got.At, got.Model, got.Front = "", "", ""; got != want {
				t.Errorf("%d: %+v, want %+v", i, got, want)
			}
		}
		for _, x := range []struct {
			caller string
			n      int
			state  string // empty: there is none
		}{{"mallory", 0, "done"}, {"", 3, "running"}, {"mallory", 3, "running"}, {"", 1, "done"}, {"mallory", 1, ""}, {"bob", 0, ""}, {"", 4, ""}, {"", -1, ""}} {
			e, ok := w.g.ExplainOf("req_known", x.caller, x.n)
			if ok != (x.state != "") || ok && (e.State != x.state || x.caller != "" && e.Caller != x.caller) {
				t.Errorf("%+v: %v %+v", x, ok, e)
			}
		}
		last.Wait()
	})
}
