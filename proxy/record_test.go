package proxy

import (
	"fmt"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/translate"
)

func TestOrdinaryExchangesDoNotPushOutThoseWithTrouble(t *testing.T) {
	t.Parallel()
	var s records
	at := time.Unix(1, 0)
	put := func(id string, code translate.Code) {
		r := s.take()
		if r.id != "" || r.nTries != 0 || r.end != (end{}) {
			t.Fatalf("a record is not empty: %+v", r)
		}
		at = at.Add(time.Second)
		r.id, r.received, r.end, r.nTries = id, at, end{code: code}, 1
		s.keep(r)
	}
	put("failed", translate.CodeModel)
	for i := range 3 * keptOrdinary {
		put(fmt.Sprint("good ", i), "")
	}
	if r, ok := s.find("failed"); !ok || r.end.code != translate.CodeModel {
		t.Error("the failed one is forgotten")
	}
	if _, ok := s.find("good 0"); ok {
		t.Error("memory is not bounded")
	}
	for i := range keptOrdinary {
		if _, ok := s.find(fmt.Sprint("good ", 2*keptOrdinary+i)); !ok {
			t.Fatalf("good %d is forgotten", 2*keptOrdinary+i)
		}
	}
	if n := len(s.plain.kept) + len(s.bad.kept) + len(s.spare); n > keptOrdinary+2+keptSpare {
		t.Errorf("%d records", n)
	}
	put("twice", "")
	put("twice", translate.CodeModel)
	put("twice", "")
	if r, _ := s.find("twice"); !r.received.Equal(at) || r.end.code != "" {
		t.Errorf("not the newest: %+v", r)
	}
	put("twice", translate.CodeModel)
	if r, _ := s.find("twice"); r.end.code == "" {
		t.Errorf("not the newest: %+v", r)
	}
}

func TestARecordAllocatesNothingOnceMemoryIsFull(t *testing.T) {
	var s records
	for range keptOrdinary + 10 {
		s.keep(s.take())
	}
	if n := testing.AllocsPerRun(1000, func() { s.keep(s.take()) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
