package proxy

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/dragoman-gateway/dragoman/translate"
)

func TestOrdinaryExchangesDoNotPushOutThoseWithTrouble(t *testing.T) {
	t.Parallel()
	var s records
	oldest := func(id string) (record, bool) {
		if all := s.all(id); len(all) > 0 {
			return all[0].record, true
		}
		return record{}, false
	}
	at := time.Unix(1, 0)
	put := func(id string, code translate.Code) {
		r := s.take(&Question{Model: &Model{}})
		if r.id != "" || len(r.routes)+len(r.notes)+len(r.tries) != 0 || r.end != (end{}) {
			t.Fatalf("a record is not empty: %+v", r.record)
		}
		at = at.Add(time.Second)
		r.id, r.caller, r.model, r.received, r.end = id, "c", "m", at, end{code: code}
		r.routed([]*route{{}}, time.Second)
		if code != "" {
			r.barred(&candidate{cell: &cell{}}, bar{})
		}
		r.chosen(&candidate{}, byMemory, 3)
		r.more, r.drawn, r.room, r.took = 1, true, 1, 1
		s.keep(r)
	}
	put("failed", translate.CodeModel)
	for i := range 3 * keptOrdinary {
		put(fmt.Sprint("good ", i), "")
	}
	if r, ok := oldest("failed"); !ok || r.end.code != translate.CodeModel {
		t.Error("the failed one is forgotten")
	}
	if _, ok := oldest("good 0"); ok {
		t.Error("memory is not bounded")
	}
	for i := range keptOrdinary {
		if _, ok := oldest(fmt.Sprint("good ", 2*keptOrdinary+i)); !ok {
			t.Fatalf("good %d is forgotten", 2*keptOrdinary+i)
		}
	}
	if n := len(s.plain.kept) + len(s.bad.kept) + len(s.spare); n > keptOrdinary+2+keptSpare {
		t.Errorf("%d records", n)
	}
	first := at.Add(time.Second)
	for _, code := range []translate.Code{"", translate.CodeModel, "", translate.CodeModel} {
		put("often", code)
	}
	if all := s.all("often"); len(all) != 4 || !all[0].received.Equal(first) || !all[3].received.Equal(at) || all[1].end.code == "" || all[2].end.code != "" {
		t.Errorf("not all, or not the oldest first: %+v", all)
	}
}

func TestARecordAllocatesNothingOnceMemoryIsFull(t *testing.T) {
	var s records
	q := &Question{Model: &Model{}}
	for range keptOrdinary + 10 {
		s.keep(s.take(q))
	}
	if n := testing.AllocsPerRun(1000, func() { s.keep(s.take(q)) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

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
		if w.g.records.runs != nil {
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

// What a client or a back end may call itself is not theirs to fill the memory with.
func TestARecordOfTheLongestNamesIsShort(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("漢", 1<<20)
	var s records
	r := s.take(&Question{ID: "id", Model: &Model{Name: long}, Caller: &Caller{Name: long}})
	r.routed([]*route{{}}, time.Second)
	for range 2 * maxNotes {
		r.barred(&candidate{cell: &cell{}}, bar{})
	}
	for range 2 * maxAttempts {
		r.chosen(&candidate{}, byMemory, 3)
		r.attempted(&Timing{}, &translate.Error{Message: long})
	}
	r.end = endOf(&translate.Error{Message: long})
	n := len(r.id) + len(r.caller) + len(r.model) + len(r.end.message) + int(unsafe.Sizeof(*r))
	n += cap(r.tries)*int(unsafe.Sizeof(try{})) + cap(r.notes)*int(unsafe.Sizeof(note{}))
	for i := range r.tries {
		n += len(r.tries[i].end.message)
	}
	if n > 8<<10 {
		t.Errorf("a record may take %d bytes", n)
	}
}
