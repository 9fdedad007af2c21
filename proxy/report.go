package proxy

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/dragoman-gateway/dragoman/limiter"
	"github.com/dragoman-gateway/dragoman/proxy/channel"
	"github.com/dragoman-gateway/dragoman/proxy/journal"
	"github.com/dragoman-gateway/dragoman/proxy/metrics"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

// outcomeOf is how metrics count an exchange that ended with err.
func outcomeOf(err *translate.Error) metrics.Outcome {
	if err == nil {
		return metrics.OK
	}
	switch err.Code {
	case translate.CodeRateLimited:
		if journal.KeptOut(err) {
			return metrics.Limited
		}
		return metrics.RateLimited
	case translate.CodeUnavailable:
		return metrics.Unavailable
	case translate.CodeModel:
		return metrics.ModelError
	case translate.CodeCanceled:
		return metrics.Canceled
	case translate.CodeInternal:
		return metrics.Internal
	}
	return metrics.Refused
}

// Metrics returns what was counted since the process began, see [metrics.Registry.Snapshots].
func (g *Gateway) Metrics() []metrics.Snapshot { return g.metrics.Snapshots() }

// count counts the exchange, which ended with err.
func (r *report) count(x *Exchange, now time.Time, err *translate.Error) {
	m := &x.g.metrics.None
	if ch := x.attempt.lease.Channel; ch != nil { // it was asked, be it in vain
		m = ch.Meter
	}
	m.Used(x.report.used, x.report.cost)
	m.Ended(x.q.Front, outcomeOf(err), now.Sub(x.q.Received))
}

// levelOf is the level of the line of an exchange that ended with err.
func levelOf(err *translate.Error) slog.Level {
	if err == nil || journal.KeptOut(err) || err.Code == translate.CodeCanceled || err.Code == translate.CodeValidation {
		return slog.LevelInfo
	}
	return slog.LevelWarn
}

// log writes the one line of an exchange. It holds no text of the conversation and no
// key; an error's words are for the operator, hosts and addresses included.
func (r *report) log(x *Exchange, now time.Time, opened bool, err *translate.Error) {
	level, code := levelOf(err), "ok"
	limited := false
	if err != nil {
		code, limited = string(err.Code), journal.KeptOut(err)
	}
	if r.unremarkable(x, err) || !x.g.log.Enabled(context.Background(), level) {
		return
	}
	var some [16]slog.Attr
	attrs := append(some[:0],
		slog.String("id", x.q.ID), slog.String("front", x.q.Front), slog.String("caller", store.ShownCaller(x.q.Caller.Name)),
		slog.String("model", translate.Clip(x.prompt.model.Name)), slog.String("code", code),
		slog.Int("attempts", r.attempts),
		slog.Duration("took", now.Sub(x.began).Round(time.Microsecond)))
	if opened {
		ch, u := x.attempt.lease.Channel, x.Usage()
		attrs = append(attrs, slog.String("channel", ch.ID), slog.Int64("input_tokens", u.Input), slog.Int64("output_tokens", u.Output))
	}
	if o := x.prompt.req.Opaque; o != nil {
		attrs = append(attrs, slog.String("endpoint", o.Route()))
	}
	if s := x.q.Session; s != "" {
		attrs = append(attrs, slog.String("session", s))
	}
	if r.span.Valid() {
		attrs = append(attrs, slog.String("trace", r.span.Trace()))
	}
	if d := r.timing.Dropped; d != "" {
		attrs = append(attrs, slog.String("dropped", d))
	}
	if n := r.timing.Behind; n > 0 {
		attrs = append(attrs, slog.Int("left_behind", n))
	}
	for _, f := range r.failures {
		attrs = append(attrs, slog.Group("failed_"+f.Channel.ID, slog.String("code", string(f.Err.Code)), slog.String("why", x.plan.Mask().Log(f.Err.Error()))))
	}
	if limited {
		attrs = append(attrs, slog.String("why", err.Message))
	} else if err != nil && len(r.failures) == 0 {
		attrs = append(attrs, slog.String("why", x.plan.Mask().Log(err.Error())))
	}
	// Not LogAttrs, which looks for the place in the code: that is always this one, and
	// costs as much as the line.
	line := slog.NewRecord(now, level, "exchange", 0)
	line.AddAttrs(attrs...)
	_ = x.g.log.Handler().Handle(context.Background(), line)
}

// Logger returns log for lines about x: they have the id of its request and, where there are
// any, those of its session and its trace, as its own line has.
func (x *Exchange) Logger(log *slog.Logger) *slog.Logger {
	log = log.With("id", x.q.ID)
	if s := x.q.Session; s != "" {
		log = log.With("session", s)
	}
	if span := &x.report.span; span.Valid() {
		log = log.With("trace", span.Trace())
	}
	return log
}

// Logger is [Exchange.Logger] for a question.
func (p *Pending) Logger(log *slog.Logger) *slog.Logger { return p.x.Logger(log) }

// unremarkable reports whether the exchange is one of those that have no line: it ended well,
// at the first attempt, and the draw was against it.
func (r *report) unremarkable(x *Exchange, err *translate.Error) bool {
	return err == nil && r.attempts < 2 && x.plan.LogShare < 1 && rand.Float64() >= x.plan.LogShare
}

// begin notes the beginning of an attempt on c at that time, for which the question has waited so long.
func (r *report) begin(c channel.Candidate, at time.Time, queue time.Duration) {
	r.timing = Timing{Channel: c.Channel.ID, Attempts: r.attempts, Queue: queue, Cache: r.timing.Cache}
	if !r.keeps {
		return
	}
	if r.rows == nil {
		r.rows = r.row[:0]
	}
	r.rows = append(r.rows, leg{ch: c.Channel, upstream: c.Upstream, at: at, queue: queue})
}

// untry forgets the attempt that runs: it came to nothing.
func (r *report) untry() {
	r.attempts--
	if n := len(r.rows); n > 0 {
		r.rows = r.rows[:n-1]
	}
	r.timing = Timing{Attempts: r.attempts, Queue: r.timing.Queue, Cache: r.timing.Cache}
	r.trace.Untry()
}

// ended notes the end of the attempt that runs, and what its channel said of usage.
func (r *report) ended(now time.Time, err *translate.Error, usage translate.Usage) {
	n := len(r.rows)
	if n == 0 || r.rows[n-1].over {
		return
	}
	t := &r.rows[n-1]
	t.over, t.err, t.took, t.usage = true, err, now.Sub(t.at), usage
	t.open, t.first = r.timing.Open, r.timing.First
}

// enter hands the rows of the exchange to the ledger: its attempts, then the request itself.
// What no channel was asked for leaves little behind, however much of it comes: it reports
// whether the exchange is worth a line.
func (r *report) enter(x *Exchange, now time.Time, err *translate.Error) (line bool) {
	if err != nil && r.attempts == 0 && !x.answer.cached {
		return x.g.refusals.Note(r.requestRow(x, now, err), ruleOf(err, x.q.Caller), levelOf(err))
	}
	if !r.keeps {
		return true
	}
	row := r.requestRow(x, now, err)
	var room [2]store.Entry // most are answered at the first attempt
	rows := room[:0]
	for i := range r.rows {
		t := &r.rows[i]
		e := row
		usageOf(&e, translate.Usage{})
		e.Cost = 0
		e.Attempt, e.At, e.Channel, e.Key, e.Upstream = i+1, t.at.UnixMilli(), t.ch.ID, t.ch.Key, t.upstream
		if e.Outcome, e.Status = "ok", 200; t.err != nil {
			e.Outcome, e.Status = t.err.Fault.String(), t.err.Status()
			if t.err.Fault == 0 {
				e.Outcome = "other"
			}
		}
		e.Queue, e.Open, e.First, e.Took = t.queue.Microseconds(), t.open.Microseconds(), t.first.Microseconds(), t.took.Microseconds()
		if i == len(r.rows)-1 {
			t.usage, e.Cost = r.used, r.cost
		}
		usageOf(&e, t.usage)
		rows = append(rows, e)
		row.Channel, row.Key, row.Upstream = e.Channel, e.Key, e.Upstream
		row.Open, row.First = e.Open, e.First
	}
	x.g.ledger.Add(append(rows, row))
	return true
}

// requestRow is the row of the request itself.
func (r *report) requestRow(x *Exchange, now time.Time, err *translate.Error) store.Entry {
	c, q, model := x.q.Caller, &x.q, translate.Clip(x.prompt.model.Name)
	row := store.Entry{
		Request: q.ID, At: x.began.UnixMilli(), Caller: c.Name, Group: c.Group, Rule: c.Limits, User: translate.Clip(x.prompt.req.User),
		Front: q.Front, Model: model, Outcome: "ok", Status: 200,
		Cost: r.cost, Queue: r.timing.Queue.Microseconds(), Took: now.Sub(x.began).Microseconds(), Count: 1,
	}
	usageOf(&row, r.used)
	if o := x.prompt.req.Opaque; o != nil {
		row.Endpoint = o.Route()
	}
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
	e.Sound, e.Images = int64(u.Sound), int64(u.Images)
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

// Entries returns rows of the ledger, also those that are not written yet, see
// [store.Ledger].
func (g *Gateway) Entries(ctx context.Context, f store.EntryFilter) ([]store.Entry, error) {
	g.refusals.Flush()
	return g.ledger.Entries(ctx, f)
}

// Totals sums what callers asked and what it cost, see [store.Ledger].
func (g *Gateway) Totals(ctx context.Context, f store.EntryFilter) (store.Totals, error) {
	g.refusals.Flush()
	return g.ledger.Totals(ctx, f)
}

// keep ends the trace, and hands it to all.
func (r *report) keep(all *journal.Traces, now time.Time, err *translate.Error) {
	if r.trace != nil {
		r.trace.Used(r.used.Input, r.used.Output, r.cost)
		all.Keep(r.trace, now, r.waited, err)
		r.trace = nil
	}
}

// skipped notes that b kept the question from c.
func (r *report) skipped(c *channel.Candidate, b channel.Bar) {
	r.trace.Skipped(c.Record, b.State, b.Why, b.Wait)
}

// targetOf is c as it is noted that it is asked.
func targetOf(c *channel.Candidate) journal.Target {
	return journal.Target{Record: c.Record, Channel: c.Channel.ID, Key: c.Channel.Key, Tier: c.Channel.Conf.Tier, Model: c.Upstream}
}
