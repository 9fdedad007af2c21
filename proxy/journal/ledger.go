// Package journal is what stays of exchanges when they are over: rows of the ledger, one row
// and one line for refusals of one kind in a minute, and traces, by which it is explained
// what became of one of them.
package journal

import (
	"cmp"
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

// maxSpent is what sums are cut at, far from where adding would overflow.
const maxSpent = 1 << 60

// Bounds of the rows that wait to be written.
const (
	ledgerWaits = 100 * time.Millisecond // so long rows gather
	ledgerAgain = 2 * time.Second        // after the store has failed
	ledgerMost  = 100_000                // further ones are lost, and counted
	ledgerBatch = 500                    // rows in one transaction, which turns may wait for
	ledgerRoom  = 4096                   // rows for which the room is kept
	forgetEvery = time.Hour
	trimEvery   = 5_000 // rows
)

// Ledger writes rows in the background. It never keeps an answer waiting: where the
// store does not keep up, rows are lost, and the log says how many. Close writes what
// waits; a crash loses what waited, normally a tenth of a second. It is safe for
// concurrent use.
type Ledger struct {
	st   store.Ledger
	log  *slog.Logger
	keep time.Duration
	most int // rows that are kept; 0: there is no bound

	mu     sync.Mutex
	rows   []store.Entry
	room   []store.Entry // the beginning of what rows is a part of, to be used again
	lost   int
	timer  *time.Timer
	waits  bool // the timer runs
	old    *time.Timer
	closed bool
	runs   sync.WaitGroup // what the timers began, and readings of budgets; begun under mu only

	life context.Context // of readings of budgets, ended by end
	end  func()

	writing sync.Mutex // one at a time, in order
	// What the store may have recorded, though it did not say so: so many of the oldest rows,
	// under this name. Guarded by writing.
	unsure  int
	batch   int64
	cleaned time.Time // guarded by writing
	written int       // rows since it was looked at how many there are; guarded by writing
}

// NewLedger returns the ledger that conf asks for in st; nil where nothing is to be kept.
func NewLedger(st store.Store, conf config.Ledger, log *slog.Logger) *Ledger {
	kept, ok := st.(store.Ledger)
	if !ok || conf.Keep <= 0 {
		return nil
	}
	l := &Ledger{st: kept, log: log, keep: conf.Keep, most: conf.Rows, written: trimEvery} // a file may be above it from the start
	l.life, l.end = context.WithCancel(context.Background())
	l.again()
	return l
}

// Add has rows written soon.
func (l *Ledger) Add(rows []store.Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || len(l.rows)+len(rows) > ledgerMost {
		l.lost += len(rows)
		return
	}
	had := cap(l.rows)
	if l.rows = append(l.rows, rows...); cap(l.rows) > had {
		l.room = l.rows[:0]
	}
	l.later(ledgerWaits)
}

// later writes after wait, unless that is to come anyway. l.mu is held.
func (l *Ledger) later(wait time.Duration) {
	if l.waits || l.closed {
		return
	}
	l.waits = true
	if l.timer == nil {
		l.timer = time.AfterFunc(wait, l.tick)
		return
	}
	l.timer.Reset(wait)
}

// enter counts what is begun, for close to wait for. It reports false when the
// ledger is closed: the store may be, too.
func (l *Ledger) enter() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.runs.Add(1)
	return true
}

func (l *Ledger) tick() {
	defer func() { _ = recover() }()
	if !l.enter() {
		return
	}
	defer l.runs.Done()
	l.mu.Lock()
	l.waits = false
	l.mu.Unlock()
	l.writing.Lock()
	defer l.writing.Unlock()
	if err := l.write(context.Background()); err != nil {
		l.log.Error("the ledger could not be written, it is tried again", "why", translate.MaskKeys(err.Error()))
		return
	}
	l.forget()
	l.trim()
}

// flush writes all rows that wait. Those of a batch that fails wait on.
func (l *Ledger) flush(ctx context.Context) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	return l.write(ctx)
}

// write is flush while l.writing is held.
func (l *Ledger) write(ctx context.Context) error {
	for {
		l.mu.Lock()
		batch, lost := l.rows[:min(len(l.rows), cmp.Or(l.unsure, ledgerBatch))], l.lost
		l.lost = 0
		l.mu.Unlock()
		if lost > 0 {
			l.log.Error("rows of the ledger are lost: the store did not keep up", "rows", lost)
		}
		if len(batch) == 0 {
			return nil
		}
		err := l.record(ctx, batch)
		l.mu.Lock()
		l.written += len(batch)
		if err != nil {
			l.later(ledgerAgain)
			l.mu.Unlock()
			return err
		}
		l.rows = l.rows[len(batch):]
		l.reuse()
		l.mu.Unlock()
	}
}

// record has the store record rows, which are the batch of the last failure, if there was one.
func (l *Ledger) record(ctx context.Context, rows []store.Entry) (err error) {
	batches, ok := l.st.(store.Batcher)
	if !ok { // of rows that its caller has left nobody knew whether they are recorded
		return l.st.Record(context.WithoutCancel(ctx), rows)
	}
	if l.unsure == 0 {
		l.unsure, l.batch = len(rows), rand.Int64()
	}
	if err = batches.RecordBatch(ctx, l.batch, rows); err == nil {
		l.unsure = 0
	}
	return err
}

// reuse has the room of what was written used again, once all is or what is left fits before
// where it stands: moving it costs less than what was written. l.mu is held.
func (l *Ledger) reuse() {
	written := cap(l.room) - cap(l.rows) // of which the beginning is that of room
	switch {
	case len(l.rows) > written:
		return
	case cap(l.room) > ledgerRoom && len(l.rows) == 0:
		l.rows, l.room = nil, nil
		return
	}
	all := l.room[:written+len(l.rows)]
	n := copy(all, l.rows)
	clear(all[n:])
	l.rows = all[:n]
}

// again removes what is too old in an hour, also when nobody asks anything until
// then.
func (l *Ledger) again() {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
	case l.old == nil:
		l.old = time.AfterFunc(forgetEvery, l.age)
	default:
		l.old.Reset(forgetEvery)
	}
}

func (l *Ledger) age() {
	defer func() { _ = recover() }()
	if !l.enter() {
		return
	}
	defer l.runs.Done()
	l.writing.Lock()
	defer l.writing.Unlock()
	l.forget()
}

// forget removes what is too old, unless that was done within the hour. l.writing is
// held.
func (l *Ledger) forget() {
	now := time.Now()
	if now.Sub(l.cleaned) < forgetEvery {
		return
	}
	l.cleaned = now
	defer l.again()
	for range 100 {
		n, err := l.st.Forget(context.Background(), now.Add(-l.keep).UnixMilli())
		if err != nil || n == 0 {
			return
		}
	}
}

// trim removes the oldest rows beyond the bound, each time that so many have come.
// l.writing is held.
func (l *Ledger) trim() {
	if l.most <= 0 || l.written < trimEvery {
		return
	}
	l.written = 0
	for range 100 {
		n, err := l.st.Trim(context.Background(), l.most)
		if err != nil || n == 0 {
			return
		}
	}
}

// Begin counts a reading that begins, for which Close waits until End. It reports false when
// the ledger is closed.
func (l *Ledger) Begin() bool { return l.enter() }

// End ends what Begin began.
func (l *Ledger) End() { l.runs.Done() }

// Closing reports whether the ledger is being closed.
func (l *Ledger) Closing() bool { return l.life.Err() != nil }

// Spent sums the cost of the requests that f chooses, until the ledger is closed.
func (l *Ledger) Spent(f store.EntryFilter) (int64, error) { return l.spent(l.life, f) }

// spent sums the cost of the requests that f chooses, those that wait included, also
// where they cannot be written, as on a full disk.
func (l *Ledger) spent(ctx context.Context, f store.EntryFilter) (int64, error) {
	var t store.Totals
	if err := l.flush(ctx); err != nil {
		f.Requests = true
		l.mu.Lock()
		for i := range l.rows {
			if f.Chosen(&l.rows[i]) {
				t.Add(&l.rows[i])
			}
		}
		l.mu.Unlock()
	}
	stored, err := l.st.Totals(ctx, f)
	return min(stored.Cost, maxSpent) + min(t.Cost, maxSpent), err
}

// Close writes what waits and takes no more. After it the store is not used again.
func (l *Ledger) Close() error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	l.closed = true
	for _, t := range []*time.Timer{l.timer, l.old} {
		if t != nil {
			t.Stop()
		}
	}
	l.mu.Unlock()
	if l.end != nil {
		l.end()
	}
	l.runs.Wait()
	return l.flush(context.Background())
}

// Entries returns rows, also those that are not written yet, see [store.Ledger]. l may be nil.
func (l *Ledger) Entries(ctx context.Context, f store.EntryFilter) ([]store.Entry, error) {
	if l == nil {
		return nil, nil
	}
	if err := l.flush(ctx); err != nil {
		return nil, err
	}
	return l.st.Entries(ctx, f)
}

// Totals sums rows, also those that are not written yet, see [store.Ledger]. l may be nil.
func (l *Ledger) Totals(ctx context.Context, f store.EntryFilter) (store.Totals, error) {
	if l == nil {
		return store.Totals{}, nil
	}
	if err := l.flush(ctx); err != nil {
		return store.Totals{}, err
	}
	return l.st.Totals(ctx, f)
}
