package journal

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/dragoman-gateway/dragoman/translate"
)

func TestOrdinaryExchangesDoNotPushOutThoseWithTrouble(t *testing.T) {
	t.Parallel()
	var s Traces
	oldest := func(id string) (record, bool) {
		if all := s.all(id); len(all) > 0 {
			return all[0].record, true
		}
		return record{}, false
	}
	at := time.Unix(1, 0)
	put := func(id string, code translate.Code) {
		r := s.Take(Asked{})
		if r.id != "" || len(r.routes)+len(r.notes)+len(r.tries) != 0 || r.end != (end{}) {
			t.Fatalf("a record is not empty: %+v", r.record)
		}
		at = at.Add(time.Second)
		r.id, r.caller, r.model, r.received, r.end = id, "c", "m", at, end{code: code}
		Routed(r, []nothing{{}}, time.Second)
		if code != "" {
			r.Skipped(new(int), "", "", 0)
		}
		r.Chosen(Target{}, ByMemory, 3)
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

func TestATraceAllocatesNothingOnceMemoryIsFull(t *testing.T) {
	var s Traces
	for range keptOrdinary + 10 {
		s.keep(s.Take(Asked{}))
	}
	if n := testing.AllocsPerRun(1000, func() { s.keep(s.Take(Asked{})) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// What a client or a back end may call itself is not theirs to fill the memory with.
func TestATraceIsASmallObject(t *testing.T) {
	t.Parallel()
	if size := unsafe.Sizeof(Trace{}); size > 512 {
		t.Errorf("%d bytes", size)
	}
}

func TestATraceOfTheLongestNamesIsShort(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("漢", 1<<20)
	var s Traces
	r := s.Take(Asked{ID: "id", Model: long, Caller: long})
	Routed(r, []nothing{{}}, time.Second)
	for range 2 * maxNotes {
		r.Skipped(new(int), "", "", 0)
	}
	for range 2 * MaxAttempts {
		r.Chosen(Target{}, ByMemory, 3)
		r.Attempted(&Timing{}, &translate.Error{Message: long})
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

// nothing is a route without candidates.
type nothing struct{}

func (nothing) Candidates() []Known { return nil }
