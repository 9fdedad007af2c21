package journal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/store/embedded"
)

// underway is a context that ends as soon as the writer of the store has looked whether it has
// ended: that is asked the second time, and the first time before the change waits for its turn.
type underway struct {
	context.Context
	end   func()
	asked atomic.Int32
}

func (u *underway) Err() error {
	err := u.Context.Err()
	if u.asked.Add(1) == 2 {
		u.end()
	}
	return err
}

// Whoever reads the ledger has the rows written that wait, and leaves while that is under way: each
// row is recorded once.
func TestARowIsRecordedOnceThoughWhoeverReadsTheLedgerLeaves(t *testing.T) {
	t.Parallel()
	st, err := embedded.Open("sqlite:" + filepath.Join(t.TempDir(), "dragoman.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = st.Close() }()
	l := &Ledger{st: st.(store.Ledger), log: slog.New(slog.DiscardHandler), keep: time.Hour, closed: true} // it writes when it is asked to
	l.rows = make([]store.Entry, ledgerBatch)
	for i := range l.rows {
		l.rows[i] = store.Entry{Request: fmt.Sprint(i), At: time.Now().UnixMilli()}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, _ = l.Entries(&underway{Context: ctx, end: cancel}, store.EntryFilter{})
	rows, err := l.Entries(t.Context(), store.EntryFilter{Limit: 5 * ledgerBatch})
	if err != nil || len(rows) != ledgerBatch {
		t.Errorf("%d rows are recorded, %v", len(rows), err)
	}
}

// moody fails at random, before or after it has recorded rows, while further rows come.
type moody struct {
	store.Ledger
	of      *Ledger
	random  *rand.Rand
	came    int
	want    []string
	rows    []string
	batches map[int64]bool
}

// more has the ledger write n rows that come now.
func (m *moody) more(n int) {
	rows := make([]store.Entry, n)
	for i := range rows {
		m.came++
		rows[i].Request = fmt.Sprint(m.came)
		m.want = append(m.want, rows[i].Request)
	}
	m.of.Add(rows)
}

func (m *moody) Record(_ context.Context, rows []store.Entry) error {
	return m.record(rand.Int64(), rows, false)
}

// batching is a moody that may have done what it did not confirm.
type batching struct{ *moody }

func (m batching) RecordBatch(_ context.Context, batch int64, rows []store.Entry) error {
	return m.record(batch, rows, true)
}

func (m *moody) record(batch int64, rows []store.Entry, unsure bool) error {
	mood := m.random.IntN(4)
	if !m.of.closed {
		m.more(m.random.IntN(600))
	}
	if mood == 0 {
		return errors.New("away")
	}
	for i := range rows {
		if !m.batches[batch] {
			m.rows = append(m.rows, rows[i].Request)
		}
	}
	m.batches[batch] = true
	if mood == 1 && unsure {
		return errors.New("the answer was lost")
	}
	return nil
}

// A ledger whose store fails at random, while rows come, records what a list would: each row once,
// in order.
func TestALedgerRecordsWhatAListWould(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		m := &moody{random: rand.New(rand.NewPCG(seed, 2)), batches: map[int64]bool{}}
		l := &Ledger{st: m, log: slog.New(slog.DiscardHandler), keep: time.Hour, waits: true} // it writes when it is asked to
		if seed%2 == 0 {
			l.st = batching{m}
		}
		m.of = l
		for range 60 {
			m.more(m.random.IntN(5))
			if m.random.IntN(8) == 0 {
				m.more(m.random.IntN(3000))
			}
			if m.random.IntN(3) == 0 {
				_ = l.flush(t.Context())
			}
		}
		for l.Close() != nil {
		}
		if l.lost > 0 || !slices.Equal(m.rows, m.want) {
			t.Errorf("seed %d: %d rows are recorded, want %d", seed, len(m.rows), len(m.want))
		}
	}
}
