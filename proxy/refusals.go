package proxy

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/dragoman-gateway/dragoman/limiter"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Bounds of what refusals leave behind: what is refused must cost less than what is
// served, also on the disk.
const (
	refusalEvery = time.Minute
	mostRefusals = 256 // kinds in a minute that are told apart
)

// otherCallers stands in the ledger and the log for callers beyond mostRefusals.
const otherCallers = "(others)"

// refusals gathers the questions that came to an end before any channel was asked: those
// of one caller that were refused under one rule with one code are one row of the ledger
// and, besides the line of the first, one line of the log in a minute. The zero value with
// a log is ready. It is safe for concurrent use.
type refusals struct {
	log    *slog.Logger
	ledger *ledger // nil: none is kept

	mu     sync.Mutex
	kinds  map[refusalKind]*refusal
	timer  *time.Timer // that ends the minute; nil: nothing was refused yet
	runs   sync.WaitGroup
	closed bool
}

// refusalKind is what refusals have in common that are counted together.
type refusalKind struct {
	caller, rule string
	code         translate.Code
}

// refusal is one kind of them in the present minute.
type refusal struct {
	row   store.Entry // of the first one
	level slog.Level
	rows  int64 // that the ledger does not know of
	lines int64 // that the log does not know of
}

// ruleOf names the limits that err is a refusal under; empty: it is none.
func ruleOf(err *translate.Error, c *Caller) string {
	if over, ok := err.Cause.(*limiter.Exceeded); ok {
		return over.Rule
	}
	if err.Spent != nil {
		return c.Limits
	}
	return ""
}

// note counts the refusal of x, and reports whether its line is to be written.
func (r *refusals) note(x *Exchange, err *translate.Error) (first bool) {
	kind := refusalKind{x.q.Caller.Name, ruleOf(err, x.q.Caller), err.Code}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return true
	}
	one := r.kinds[kind]
	if one == nil && len(r.kinds) >= mostRefusals {
		kind = refusalKind{caller: otherCallers, code: err.Code}
		one = r.kinds[kind]
	}
	if one != nil {
		one.rows++
		one.lines++
		return false
	}
	one = &refusal{row: x.requestRow(err), level: levelOf(err), rows: 1}
	if kind.rule != "" {
		one.row.Rule = kind.rule
	}
	if kind.caller == otherCallers {
		one.row = store.Entry{At: one.row.At, Caller: otherCallers, Outcome: one.row.Outcome, Status: one.row.Status}
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
func (r *refusals) begin() {
	if r.timer == nil {
		r.timer = time.AfterFunc(refusalEvery, r.tick)
		return
	}
	r.timer.Reset(refusalEvery)
}

func (r *refusals) tick() {
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
func (r *refusals) end() {
	r.mu.Lock()
	rows, ended := r.take(), r.kinds
	r.kinds = nil
	r.mu.Unlock()
	if r.ledger != nil && len(rows) > 0 {
		r.ledger.add(rows)
	}
	for kind, one := range ended {
		if one.lines == 0 || !r.log.Enabled(context.Background(), one.level) {
			continue
		}
		r.log.Log(context.Background(), one.level, "more were refused alike", "caller", kind.caller, "limits", kind.rule, "code", string(kind.code),
			"more", one.lines, "since", time.UnixMilli(one.row.At).UTC().Format(time.RFC3339))
	}
}

// take returns the rows that the ledger does not know of. r.mu is held.
func (r *refusals) take() (rows []store.Entry) {
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

// enter hands what was refused so far to the ledger, for somebody who reads it.
func (r *refusals) enter() {
	r.mu.Lock()
	rows := r.take()
	r.mu.Unlock()
	if r.ledger != nil && len(rows) > 0 {
		r.ledger.add(rows)
	}
}

// close ends the minute for good; whatever comes later is written at once.
func (r *refusals) close() {
	r.mu.Lock()
	r.closed = true
	if r.timer != nil {
		r.timer.Stop()
	}
	r.mu.Unlock()
	r.runs.Wait()
	r.end()
}
