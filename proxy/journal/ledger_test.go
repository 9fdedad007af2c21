package journal

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/store/embedded"
)

func TestRowsWaitUntilTheStoreTakesThemAndNoneIsLostAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, err := embedded.Open("memory:")
		if err != nil {
			t.Fatal(err)
		}
		kept := &tired{Ledger: st.(store.Ledger)}
		kept.down.Store(true)
		l := &Ledger{st: kept, log: slog.New(slog.DiscardHandler), keep: time.Hour}
		at := time.Now().UnixMilli()
		l.Add([]store.Entry{{Request: "1", At: at}})
		time.Sleep(ledgerWaits + ledgerAgain + time.Millisecond)
		if n := kept.calls.Load(); n != 2 {
			t.Errorf("the store was asked %d times, want 2", n)
		}
		kept.down.Store(false)
		time.Sleep(ledgerAgain)
		l.Add([]store.Entry{{Request: "2", At: at}})
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		rows, err := kept.Entries(t.Context(), store.EntryFilter{})
		if err != nil || len(rows) != 2 || rows[0].Request != "2" {
			t.Errorf("kept %v, %v", rows, err)
		}
	})
}

func TestTooManyRowsAreLostAndCountedRatherThanWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, _ := embedded.Open("memory:")
		l := &Ledger{st: st.(store.Ledger), log: slog.New(slog.DiscardHandler), keep: time.Hour}
		l.Add(make([]store.Entry, ledgerMost))
		l.Add(make([]store.Entry, 3))
		if l.lost != 3 || len(l.rows) != ledgerMost {
			t.Errorf("%d wait, %d are lost", len(l.rows), l.lost)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestOldRowsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, _ := embedded.Open("memory:")
		kept := st.(store.Ledger)
		l := &Ledger{st: kept, log: slog.New(slog.DiscardHandler), keep: 24 * time.Hour}
		defer func() { _ = l.Close() }()
		now := time.Now()
		l.Add([]store.Entry{{Request: "old", At: now.Add(-25 * time.Hour).UnixMilli()}, {Request: "new", At: now.UnixMilli()}})
		time.Sleep(time.Second)
		rows, err := kept.Entries(t.Context(), store.EntryFilter{})
		if err != nil || len(rows) != 1 || rows[0].Request != "new" {
			t.Errorf("kept %v, %v", rows, err)
		}
	})
}

func TestOldRowsAreForgottenThoughNobodyAsksAnything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, err := embedded.Open("memory:")
		if err != nil {
			t.Fatal(err)
		}
		kept := st.(store.Ledger)
		l := NewLedger(st, config.Ledger{Keep: 90 * time.Minute}, slog.New(slog.DiscardHandler))
		defer func() { _ = l.Close() }()
		l.Add([]store.Entry{{Request: "1", At: time.Now().UnixMilli()}})
		for _, c := range []struct {
			after time.Duration
			rows  int
		}{{time.Hour + time.Minute, 1}, {time.Hour, 0}} {
			time.Sleep(c.after)
			if rows, err := kept.Entries(t.Context(), store.EntryFilter{}); err != nil || len(rows) != c.rows {
				t.Errorf("kept %v, %v, want %d rows", rows, err, c.rows)
			}
		}
	})
}

func TestAClosedLedgerUsesItsStoreNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, err := embedded.Open("memory:")
		if err != nil {
			t.Fatal(err)
		}
		s := &forgetful{st, st.(store.Ledger), make(chan struct{}), make(chan struct{})}
		l := NewLedger(s, config.Ledger{Keep: time.Hour}, slog.New(slog.DiscardHandler))
		<-s.at
		closed := make(chan struct{})
		go func() {
			_ = l.Close()
			close(closed)
		}()
		synctest.Wait()
		select {
		case <-closed:
			t.Error("the ledger is closed while its store is in use")
		default:
		}
		close(s.done)
		<-closed
		time.Sleep(2 * forgetEvery) // a further call would close at again, and panic
		l.tick()
		l.age()
	})
}

// tired fails as long as it is told to, and counts.
type tired struct {
	store.Ledger
	down  atomic.Bool
	calls atomic.Int32
}

// forgetful takes a while to forget.
type forgetful struct {
	store.Store
	store.Ledger
	at, done chan struct{}
}

func (s *tired) Record(ctx context.Context, rows []store.Entry) error {
	s.calls.Add(1)
	if s.down.Load() {
		return errors.New("the disk is full")
	}
	return s.Ledger.Record(ctx, rows)
}

func (s *forgetful) Forget(context.Context, int64) (int, error) {
	close(s.at)
	<-s.done
	return 0, nil
}

func TestABudgetIsReadThoughTheLedgerCannotBeWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, err := embedded.Open("memory:")
		if err != nil {
			t.Fatal(err)
		}
		kept := &tired{Ledger: st.(store.Ledger)}
		kept.down.Store(true)
		l := &Ledger{st: kept, log: slog.New(slog.DiscardHandler), keep: time.Hour}
		l.Add([]store.Entry{{Caller: "spender", At: 5, Cost: 3}, {Caller: "other", At: 5, Cost: 4}, {Caller: "spender", Attempt: 1, At: 5, Cost: 3}})
		if spent, err := l.spent(t.Context(), store.EntryFilter{Caller: "spender"}); spent != 3 || err != nil {
			t.Errorf("%d spent, %v", spent, err)
		}
		kept.down.Store(false)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestTheOldestRowsGoWhereThereAreMoreThanMayBeKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, err := embedded.Open("memory:")
		if err != nil {
			t.Fatal(err)
		}
		l := NewLedger(st, config.Ledger{Keep: 24 * time.Hour, Rows: 3000}, slog.New(slog.DiscardHandler))
		defer func() { _ = l.Close() }()
		now := time.Now().UnixMilli()
		for range 10 {
			rows := make([]store.Entry, 2000)
			for i := range rows {
				rows[i] = store.Entry{Request: "new", At: now}
			}
			l.Add(rows)
			time.Sleep(time.Second)
		}
		rows, err := st.(store.Ledger).Entries(t.Context(), store.EntryFilter{Limit: 50_000})
		if err != nil || len(rows) > 3000+trimEvery || rows[0].Request != "new" {
			t.Errorf("%d rows, %v", len(rows), err)
		}
	})
}
