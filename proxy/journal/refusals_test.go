package journal

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/store/embedded"
)

func TestNoRefusalIsLostAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, err := embedded.Open("memory:")
		if err != nil {
			t.Fatal(err)
		}
		log := slog.New(slog.DiscardHandler)
		l := NewLedger(st, config.Ledger{Keep: time.Hour}, log)
		r := NewRefusals(l, log)
		row := store.Entry{Caller: "bob", Outcome: "RATE_LIMITED", At: time.Now().UnixMilli()}
		for i := range 3 {
			if first := r.Note(row, "small", slog.LevelInfo); first != (i == 0) {
				t.Errorf("refusal %d: its line is to be written: %v", i, first)
			}
		}
		r.Close()
		if rows, err := l.Entries(t.Context(), store.EntryFilter{}); err != nil || len(rows) != 1 || rows[0].Count != 3 || rows[0].Rule != "small" {
			t.Errorf("%+v, %v", rows, err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestRefusalsOfTheLastQuarterOfAnHourAreSummedUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := NewRefusals(nil, slog.New(slog.DiscardHandler))
		defer r.Close()
		note := func(caller string) {
			r.Note(store.Entry{Caller: caller, Outcome: "RATE_LIMITED", At: time.Now().UnixMilli()}, "std", slog.LevelInfo)
		}
		for range 3 {
			note("alice")
		}
		time.Sleep(2 * time.Minute)
		note("alice")
		note("bob")
		first := time.Now()
		time.Sleep(time.Second)
		got := r.Lately(time.Now())
		if len(got) != 2 || got[0].Caller != "alice" || got[0].Count != 4 || !got[0].Last.Equal(first) || got[1].Count != 1 || got[1].Rule != "std" {
			t.Errorf("%+v", got)
		}
		time.Sleep(14 * time.Minute)
		if got = r.Lately(time.Now()); len(got) != 2 || got[0].Count != 1 {
			t.Errorf("the first minute is older than a quarter of an hour: %+v", got)
		}
		time.Sleep(time.Minute)
		if got = r.Lately(time.Now()); len(got) != 0 {
			t.Errorf("%+v", got)
		}
		for range 10 {
			for i := range 2 * MaxRefusals {
				note(string(rune('a' + i)))
			}
			time.Sleep(2 * time.Minute)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if n := len(r.past); n > refusedMost {
			t.Errorf("%d are remembered", n)
		}
	})
}
