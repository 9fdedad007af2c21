package proxy

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/proxy/admission"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Timing says in short where a question went and where its time was spent. Open
// writes it, whether or not it returns an exchange; it must not be read before.
type Timing struct {
	Channel  string // that was asked last; empty: none was
	Attempts int
	Queue    time.Duration // in the conversation's queue and for a full channel
	Connect  time.Duration // of the last attempt: until it had a connection, where the channel says so
	Open     time.Duration // of the last attempt: connecting, and until the status line
	First    time.Duration // of the last attempt: from there to the first content
	// Dropped names what the question said and the channel that was asked last could
	// not be told, with commas between.
	Dropped string
	// Behind is how many messages of the conversation stayed behind, since the model that
	// was asked last could not take them too.
	Behind int
	Cache  string // hit or miss; empty: the preset has no cache
}

// leg is one attempt as the ledger will have it.
type leg struct {
	ch       *Channel
	upstream string
	at       time.Time
	took     time.Duration
	open     time.Duration
	first    time.Duration
	queue    time.Duration
	usage    translate.Usage // of a failed one: what was reported
	err      *translate.Error
	over     bool
}

// begin notes the beginning of an attempt on c, for which the question has waited so long.
func (r *report) begin(c candidate, queue time.Duration) {
	r.timing = Timing{Channel: c.ch.ID, Attempts: r.attempts, Queue: queue, Cache: r.timing.Cache}
	if !r.keeps {
		return
	}
	if r.rows == nil {
		r.rows = r.row[:0]
	}
	r.rows = append(r.rows, leg{ch: c.ch, upstream: c.upstream, at: time.Now(), queue: queue})
}

// untry forgets the attempt that runs: it came to nothing.
func (r *report) untry() {
	r.attempts--
	if n := len(r.rows); n > 0 {
		r.rows = r.rows[:n-1]
	}
	r.timing = Timing{Attempts: r.attempts, Queue: r.timing.Queue, Cache: r.timing.Cache}
	r.trace.untry()
}

// ended notes the end of the attempt that runs, and what its channel said of usage.
func (r *report) ended(err *translate.Error, usage translate.Usage) {
	n := len(r.rows)
	if n == 0 || r.rows[n-1].over {
		return
	}
	t := &r.rows[n-1]
	t.over, t.err, t.took, t.usage = true, err, time.Since(t.at), usage
	t.open, t.first = r.timing.Open, r.timing.First
}

// enterRows hands the rows of the exchange to the ledger: its attempts, then the
// request itself.
func (x *Exchange) enterRows(err *translate.Error) {
	l := x.g.ledger
	if l == nil {
		return
	}
	row := x.requestRow(err)
	var room [2]store.Entry // most are answered at the first attempt
	rows := room[:0]
	for i := range x.report.rows {
		t := &x.report.rows[i]
		e := row
		e.Input, e.Output, e.Cached, e.Estimated, e.Cost = 0, 0, 0, false, 0
		e.Attempt, e.At, e.Channel, e.Key, e.Upstream = i+1, t.at.UnixMilli(), t.ch.ID, t.ch.key, t.upstream
		if e.Outcome, e.Status = "ok", 200; t.err != nil {
			e.Outcome, e.Status = t.err.Fault.String(), t.err.Status()
			if t.err.Fault == 0 {
				e.Outcome = "other"
			}
		}
		e.Queue, e.Open, e.First, e.Took = t.queue.Microseconds(), t.open.Microseconds(), t.first.Microseconds(), t.took.Microseconds()
		if i == len(x.report.rows)-1 {
			t.usage, e.Cost = x.report.used, x.report.cost
		}
		usageOf(&e, t.usage)
		rows = append(rows, e)
		row.Channel, row.Key, row.Upstream = e.Channel, e.Key, e.Upstream
		row.Open, row.First = e.Open, e.First
	}
	l.add(append(rows, row))
}

// requestRow is the row of the request itself.
func (x *Exchange) requestRow(err *translate.Error) store.Entry {
	c, q, model := x.q.Caller, &x.q, translate.Clip(x.prompt.model.Name)
	row := store.Entry{
		Request: q.ID, At: x.began.UnixMilli(), Caller: c.Name, Group: c.Group, Rule: c.Limits, User: translate.Clip(x.prompt.req.User),
		Front: q.Front, Model: model, Outcome: "ok", Status: 200,
		Cost: x.report.cost, Queue: x.report.timing.Queue.Microseconds(), Took: time.Since(x.began).Microseconds(), Count: 1,
	}
	usageOf(&row, x.report.used)
	switch {
	case err != nil:
		row.Outcome, row.Status = string(err.Code), err.Status()
	case x.answer.cached:
		row.Outcome = "cache"
	}
	return row
}

func usageOf(e *store.Entry, u translate.Usage) {
	e.Input, e.Output, e.Cached, e.Estimated = u.Input, u.Output, u.CacheRead, u.Estimated
}

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

// ledger writes rows in the background. It never keeps an answer waiting: where the
// store does not keep up, rows are lost, and the log says how many. close writes what
// waits; a crash loses what waited, normally a tenth of a second. It is safe for
// concurrent use.
type ledger struct {
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
	cleaned time.Time  // guarded by writing
	written int        // rows since it was looked at how many there are; guarded by writing
}

// newLedger returns nil where nothing is to be kept.
func newLedger(st store.Store, conf config.Ledger, log *slog.Logger) *ledger {
	kept, ok := st.(store.Ledger)
	if !ok || conf.Keep <= 0 {
		return nil
	}
	l := &ledger{st: kept, log: log, keep: conf.Keep, most: conf.Rows, written: trimEvery} // a file may be above it from the start
	l.life, l.end = context.WithCancel(context.Background())
	l.again()
	return l
}

func (l *ledger) add(rows []store.Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || len(l.rows)+len(rows) > ledgerMost {
		l.lost += len(rows)
		return
	}
	if l.rows == nil {
		l.rows = l.room
	}
	grown := append(l.rows, rows...)
	if cap(grown) > cap(l.rows) {
		l.room = grown[:0]
	}
	l.rows = grown
	l.later(ledgerWaits)
}

// later writes after wait, unless that is to come anyway. l.mu is held.
func (l *ledger) later(wait time.Duration) {
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
func (l *ledger) enter() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.runs.Add(1)
	return true
}

func (l *ledger) tick() {
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
func (l *ledger) flush(ctx context.Context) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	return l.write(ctx)
}

// write is flush while l.writing is held.
func (l *ledger) write(ctx context.Context) error {
	for {
		l.mu.Lock()
		batch, lost := l.rows[:min(len(l.rows), ledgerBatch)], l.lost
		l.lost = 0
		l.mu.Unlock()
		if lost > 0 {
			l.log.Error("rows of the ledger are lost: the store did not keep up", "rows", lost)
		}
		if len(batch) == 0 {
			return nil
		}
		err := l.st.Record(ctx, batch)
		l.mu.Lock()
		l.written += len(batch)
		if err != nil {
			l.later(ledgerAgain)
			l.mu.Unlock()
			return err
		}
		if l.rows = l.rows[len(batch):]; len(l.rows) == 0 {
			l.reuse()
		}
		l.mu.Unlock()
	}
}

// reuse empties the rows when all are written, so that what was written can go. l.mu
// is held.
func (l *ledger) reuse() {
	l.rows = nil
	if cap(l.room) > ledgerRoom {
		l.room = nil
	}
	clear(l.room[:cap(l.room)])
}

// again removes what is too old in an hour, also when nobody asks anything until
// then.
func (l *ledger) again() {
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

func (l *ledger) age() {
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
func (l *ledger) forget() {
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
func (l *ledger) trim() {
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

// Begin implements [admission.Spendings].
func (l *ledger) Begin() bool { return l.enter() }

// End implements [admission.Spendings].
func (l *ledger) End() { l.runs.Done() }

// Closing implements [admission.Spendings].
func (l *ledger) Closing() bool { return l.life.Err() != nil }

// Spent implements [admission.Spendings].
func (l *ledger) Spent(f store.EntryFilter) (int64, error) { return l.spent(l.life, f) }

// spent sums the cost of the requests that f chooses, those that wait included, also
// where they cannot be written, as on a full disk.
func (l *ledger) spent(ctx context.Context, f store.EntryFilter) (int64, error) {
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
	return min(stored.Cost, admission.MaxSpent) + min(t.Cost, admission.MaxSpent), err
}

// close writes what waits and takes no more. After it the store is not used again.
func (l *ledger) close() error {
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

// Entries returns rows of the ledger, also those that are not written yet, see
// [store.Ledger].
func (g *Gateway) Entries(ctx context.Context, f store.EntryFilter) ([]store.Entry, error) {
	if g.ledger == nil {
		return nil, nil
	}
	g.refusals.enter()
	if err := g.ledger.flush(ctx); err != nil {
		return nil, err
	}
	return g.ledger.st.Entries(ctx, f)
}

// Totals sums what callers asked and what it cost, see [store.Ledger].
func (g *Gateway) Totals(ctx context.Context, f store.EntryFilter) (store.Totals, error) {
	if g.ledger == nil {
		return store.Totals{}, nil
	}
	g.refusals.enter()
	if err := g.ledger.flush(ctx); err != nil {
		return store.Totals{}, err
	}
	return g.ledger.st.Totals(ctx, f)
}
