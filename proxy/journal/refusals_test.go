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
