package proxy

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/store/embedded"
	"github.com/dragoman-gateway/dragoman/translate"
)

func rowsOf(t *testing.T, w *world) (lines []string) {
	t.Helper()
	rows, err := w.g.Entries(t.Context(), store.EntryFilter{})
	if err != nil {
		t.Fatal(err)
	}
	for i := len(rows) - 1; i >= 0; i-- {
		e := rows[i]
		lines = append(lines, fmt.Sprintf("%d %s/%d %s %d in=%d out=%d est=%v cost=%d", e.Attempt, e.Channel, e.Key, e.Outcome, e.Status, e.Input, e.Output, e.Estimated, e.Cost))
	}
	return lines
}

func mustBeLines(t *testing.T, got []string, want ...string) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
}

func TestEachAttemptAndEachRequestIsARow(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := conf(channel("a"), channel("b", tier(2)))
		c.Ledger.Keep = time.Hour
		c.Prices = map[string]config.Price{"m": {Input: 1e6, Output: 1e6}}
		used := translate.Event{Kind: translate.KindUsage, Usage: translate.Usage{Input: 7, Output: 3}}
		w := newWorld(t, c, map[string][]script{
			"a": {refuses(fault(translate.FaultDial))},
			"b": {{Steps: []step{text("hello"), {Event: used}, finish()}}},
		})
		w.ask(t.Context(), w.questionOf(alice, "m", "hi")).mustSay(t, "hello")
		got := rowsOf(t, w)
		last := len(got) - 1
		mustBeLines(t, got[last-1:], "2 b/0 ok 200 in=7 out=3 est=false cost=10000000000", "0 b/0 ok 200 in=7 out=3 est=false cost=10000000000")
		mustBeLines(t, got[:1], "1 a/0 dial 503 in=0 out=0 est=false cost=0")
	})
}

func TestACutAnswerIsPaidAsFarAsItCame(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := conf(channel("a"))
		c.Ledger.Keep = time.Hour
		w := newWorld(t, c, map[string][]script{"a": {{Steps: []step{text("12345678"), fails(fault(translate.FaultBroken))}}}})
		r := w.ask(t.Context(), w.questionOf(alice, "m", "hi"))
		if r.err == nil {
			t.Fatal("it was not cut")
		}
		mustBeLines(t, rowsOf(t, w), "1 a/0 cut 502 in=1 out=2 est=true cost=0", "0 a/0 MODEL_ERROR 502 in=1 out=2 est=true cost=0")
	})
}

// tired fails as long as it is told to, and counts.
type tired struct {
	store.Ledger
	down  atomic.Bool
	calls atomic.Int32
}

func (s *tired) Record(ctx context.Context, rows []store.Entry) error {
	s.calls.Add(1)
	if s.down.Load() {
		return errors.New("the disk is full")
	}
	return s.Ledger.Record(ctx, rows)
}

func TestRowsWaitUntilTheStoreTakesThemAndNoneIsLostAtTheEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st, err := embedded.Open("memory:")
		if err != nil {
			t.Fatal(err)
		}
		kept := &tired{Ledger: st.(store.Ledger)}
		kept.down.Store(true)
		w := newWorld(t, conf(channel("a")), nil)
		l := &ledger{st: kept, log: w.g.log, keep: time.Hour}
		at := time.Now().UnixMilli()
		l.add([]store.Entry{{Request: "1", At: at}})
		time.Sleep(ledgerWaits + ledgerAgain + time.Millisecond)
		if n := kept.calls.Load(); n != 2 {
			t.Errorf("the store was asked %d times, want 2", n)
		}
		kept.down.Store(false)
		time.Sleep(ledgerAgain)
		l.add([]store.Entry{{Request: "2", At: at}})
		if err := l.close(); err != nil {
			t.Fatal(err)
		}
		rows, err := kept.Entries(t.Context(), store.EntryFilter{})
		if err != nil || len(rows) != 2 || rows[0].Request != "2" {
			t.Errorf("kept %v, %v", rows, err)
		}
	})
}

func TestTooManyRowsAreLostAndCountedRatherThanWaitedFor(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(channel("a")), nil)
		st, _ := embedded.Open("memory:")
		l := &ledger{st: st.(store.Ledger), log: w.g.log, keep: time.Hour}
		l.add(make([]store.Entry, ledgerMost))
		l.add(make([]store.Entry, 3))
		if l.lost != 3 || len(l.rows) != ledgerMost {
			t.Errorf("%d wait, %d are lost", len(l.rows), l.lost)
		}
		if err := l.close(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestOldRowsAreForgotten(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(channel("a")), nil)
		st, _ := embedded.Open("memory:")
		kept := st.(store.Ledger)
		l := &ledger{st: kept, log: w.g.log, keep: 24 * time.Hour}
		defer func() { _ = l.close() }()
		now := time.Now()
		l.add([]store.Entry{{Request: "old", At: now.Add(-25 * time.Hour).UnixMilli()}, {Request: "new", At: now.UnixMilli()}})
		time.Sleep(time.Second)
		rows, err := kept.Entries(t.Context(), store.EntryFilter{})
		if err != nil || len(rows) != 1 || rows[0].Request != "new" {
			t.Errorf("kept %v, %v", rows, err)
		}
	})
}

func TestOldRowsAreForgottenThoughNobodyAsksAnything(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(channel("a")), nil)
		st, err := embedded.Open("memory:")
		if err != nil {
			t.Fatal(err)
		}
		kept := st.(store.Ledger)
		l := newLedger(st, config.Ledger{Keep: 90 * time.Minute}, w.g.log)
		defer func() { _ = l.close() }()
		l.add([]store.Entry{{Request: "1", At: time.Now().UnixMilli()}})
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

// forgetful takes a while to forget.
type forgetful struct {
	store.Store
	store.Ledger
	at, done chan struct{}
}

func (s *forgetful) Forget(context.Context, int64) (int, error) {
	close(s.at)
	<-s.done
	return 0, nil
}

func TestAClosedLedgerUsesItsStoreNoMore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(channel("a")), nil)
		st, err := embedded.Open("memory:")
		if err != nil {
			t.Fatal(err)
		}
		s := &forgetful{st, st.(store.Ledger), make(chan struct{}), make(chan struct{})}
		l := newLedger(s, config.Ledger{Keep: time.Hour}, w.g.log)
		<-s.at
		closed := make(chan struct{})
		go func() {
			_ = l.close()
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
