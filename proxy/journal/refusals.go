package journal

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Bounds of what refusals leave behind: what is refused must cost less than what is
// served, also on the disk.
const (
	RefusalEvery = time.Minute
	MaxRefusals  = 256 // kinds in a minute that are told apart
)

// OtherCallers stands in the ledger and the log for callers beyond MaxRefusals.
const OtherCallers = "(others)"

// Refusals gathers the questions that came to an end before any channel was asked: those
// of one caller that were refused under one rule with one code are one row of the ledger
// and, besides the line of the first, one line of the log in a minute. [NewRefusals] makes one. It is safe for concurrent use.
type Refusals struct {
	log    *slog.Logger
	ledger *Ledger // nil: none is kept

	mu     sync.Mutex
	kinds  map[refusalKind]*refusal
	past   []pastRefusal // of the minutes before, the oldest first
	timer  *time.Timer   // that ends the minute; nil: nothing was refused yet
	runs   sync.WaitGroup
	closed bool
}

// refusalKind is what refusals have in common that are counted together.
type refusalKind struct {
	caller, rule string
	code         string
}

// refusal is one kind of them in the present minute.
type refusal struct {
	row   store.Entry // of the first one
	level slog.Level
	all   int64 // of the minute
	rows  int64 // that the ledger does not know of
	lines int64 // that the log does not know of
}

// NewRefusals returns refusals that are told to l, which may be nil, and log.
func NewRefusals(l *Ledger, log *slog.Logger) *Refusals { return &Refusals{log: log, ledger: l} }

// Note counts a refusal under the limits called rule, of which row is the row and level that
// of its line. It reports whether the line is to be written.
func (r *Refusals) Note(row store.Entry, rule string, level slog.Level) (first bool) {
	kind := refusalKind{row.Caller, rule, row.Outcome}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return true
	}
	one := r.kinds[kind]
	if one == nil && len(r.kinds) >= MaxRefusals {
		kind = refusalKind{caller: OtherCallers, code: row.Outcome}
		one = r.kinds[kind]
	}
	if one != nil {
		one.all++
		one.rows++
		one.lines++
		return false
	}
	one = &refusal{row: row, level: level, all: 1, rows: 1}
	if kind.rule != "" {
		one.row.Rule = kind.rule
	}
	if kind.caller == OtherCallers {
		one.row = store.Entry{At: one.row.At, Caller: OtherCallers, Outcome: one.row.Outcome, Status: one.row.Status}
	}
	if r.kinds == nil {
		r.kinds = make(map[refusalKind]*refusal)
	}
	if len(r.kinds) == 0 {
		r.begin()
	}
	r.kinds[kind] = one
	return true
}

// begin begins a minute. r.mu is held.
func (r *Refusals) begin() {
	if r.timer == nil {
		r.timer = time.AfterFunc(RefusalEvery, r.tick)
		return
	}
	r.timer.Reset(RefusalEvery)
}

func (r *Refusals) tick() {
	defer func() { _ = recover() }()
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return
	}
	r.runs.Add(1)
	r.mu.Unlock()
	defer r.runs.Done()
	r.end()
}

// end ends the minute.
func (r *Refusals) end() {
	r.mu.Lock()
	rows, ended := r.take(), r.kinds
	r.kinds = nil
	r.remember(ended)
	r.mu.Unlock()
	if r.ledger != nil && len(rows) > 0 {
		r.ledger.Add(rows)
	}
	for kind, one := range ended {
		if one.lines == 0 || !r.log.Enabled(context.Background(), one.level) {
			continue
		}
		r.log.Log(context.Background(), one.level, "more were refused alike", "caller", store.ShownCaller(kind.caller), "limits", kind.rule, "code", kind.code,
			"more", one.lines, "since", time.UnixMilli(one.row.At).UTC().Format(time.RFC3339))
	}
}

// take returns the rows that the ledger does not know of. r.mu is held.
func (r *Refusals) take() (rows []store.Entry) {
	for _, one := range r.kinds {
		if one.rows > 0 {
			e := one.row
			e.Count = one.rows
			rows = append(rows, e)
			one.rows = 0
		}
	}
	return rows
}

// Flush hands what was refused so far to the ledger, for somebody who reads it.
func (r *Refusals) Flush() {
	r.mu.Lock()
	rows := r.take()
	r.mu.Unlock()
	if r.ledger != nil && len(rows) > 0 {
		r.ledger.Add(rows)
	}
}

// Close ends the minute for good; whatever comes later is written at once.
func (r *Refusals) Close() {
	r.mu.Lock()
	r.closed = true
	if r.timer != nil {
		r.timer.Stop()
	}
	r.mu.Unlock()
	r.runs.Wait()
	r.end()
}

// Bounds of what is remembered of the minutes before.
const (
	refusedFor  = 15 * time.Minute
	refusedMost = 4 * MaxRefusals
)

// pastRefusal is a kind of refusals of a minute that has ended.
type pastRefusal struct {
	kind refusalKind
	at   int64 // Unix milliseconds of the first one
	n    int64
}

// Refused is how often questions of a caller were refused under one rule with one code.
type Refused struct {
	Caller string    `json:"caller"` // by its shown name, see [store.ShownCaller]
	Rule   string    `json:"rule"`   // limits by name; empty: it was something else
	Code   string    `json:"code"`
	Count  int64     `json:"count"`
	Last   time.Time `json:"last"` // the first one of the last minute in which there were any
}

// remember keeps the kinds of a minute that ends. r.mu is held.
func (r *Refusals) remember(kinds map[refusalKind]*refusal) {
	for kind, one := range kinds {
		r.past = append(r.past, pastRefusal{kind, one.row.At, one.all})
	}
	r.past = slices.Delete(r.past, 0, max(len(r.past)-refusedMost, 0))
}

// Lately returns what was refused in the quarter of an hour before now, the newest first.
func (r *Refusals) Lately(now time.Time) []Refused {
	sum := map[refusalKind]*Refused{}
	add := func(kind refusalKind, at, n int64) {
		kind.caller = translate.Clip(store.ShownCaller(kind.caller))
		if now.Sub(time.UnixMilli(at)) > refusedFor {
			return
		}
		one := sum[kind]
		if one == nil {
			one = &Refused{Caller: kind.caller, Rule: kind.rule, Code: kind.code}
			sum[kind] = one
		}
		one.Count += n
		if last := time.UnixMilli(at).UTC(); last.After(one.Last) {
			one.Last = last
		}
	}
	r.mu.Lock()
	for _, p := range r.past {
		add(p.kind, p.at, p.n)
	}
	for kind, one := range r.kinds {
		add(kind, one.row.At, one.all)
	}
	r.mu.Unlock()
	all := make([]Refused, 0, len(sum))
	for _, one := range sum {
		all = append(all, *one)
	}
	slices.SortFunc(all, func(a, b Refused) int {
		return cmp.Or(b.Last.Compare(a.Last), cmp.Compare(b.Count, a.Count), cmp.Compare(a.Caller, b.Caller), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Code, b.Code))
	})
	return all
}
