package proxy

import (
	"context"
	"log/slog"
	"time"

	"github.com/dragoman-gateway/dragoman/limiter"
	"github.com/dragoman-gateway/dragoman/proxy/metrics"
	"github.com/dragoman-gateway/dragoman/translate"
)

// report is what is told of an exchange: to explain, to the ledger, to metrics and the log.
type report struct {
	trace    *live // nil: it is kept
	rows     []leg // for the ledger
	row      [1]leg
	attempts int
	failures []failure
	waited   time.Duration // for a full channel, or for a dial
	timing   Timing
	used     translate.Usage // that is paid for
	cost     int64           // of it, in billionths
	keeps    bool            // there is a ledger
}

// keptOut reports whether err is a refusal under a limit or a budget of the caller, which
// is nobody's failure.
func keptOut(err *translate.Error) bool {
	_, limited := err.Cause.(*limiter.Exceeded)
	return limited || err.Spent != nil
}

// outcomeOf is how metrics count an exchange that ended with err.
func outcomeOf(err *translate.Error) metrics.Outcome {
	if err == nil {
		return metrics.OK
	}
	switch err.Code {
	case translate.CodeRateLimited:
		if keptOut(err) {
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
func (x *Exchange) count(err *translate.Error) {
	m := &x.g.metrics.None
	if ch := x.attempt.lease.ch; ch != nil { // it was asked, be it in vain
		m = ch.meter
	}
	m.Ended(x.q.Front, outcomeOf(err), time.Since(x.q.Received))
}

// levelOf is the level of the line of an exchange that ended with err.
func levelOf(err *translate.Error) slog.Level {
	if err == nil || keptOut(err) || err.Code == translate.CodeCanceled || err.Code == translate.CodeValidation {
		return slog.LevelInfo
	}
	return slog.LevelWarn
}

// log writes the one line of an exchange. It holds no text of the conversation and no
// key; an error's words are for the operator, hosts and addresses included.
func (x *Exchange) log(opened bool, err *translate.Error) {
	level, code := levelOf(err), "ok"
	limited := false
	if err != nil {
		code, limited = string(err.Code), keptOut(err)
	}
	if !x.g.log.Enabled(context.Background(), level) {
		return
	}
	var some [16]slog.Attr
	attrs := append(some[:0],
		slog.String("id", x.q.ID), slog.String("front", x.q.Front), slog.String("caller", x.q.Caller.Name),
		slog.String("model", translate.Clip(x.prompt.model.Name)), slog.String("code", code),
		slog.Int("attempts", x.report.attempts),
		slog.Duration("took", time.Since(x.began).Round(time.Microsecond)))
	if opened {
		ch, u := x.attempt.lease.ch, x.Usage()
		attrs = append(attrs, slog.String("channel", ch.ID), slog.Int64("input_tokens", u.Input), slog.Int64("output_tokens", u.Output))
	}
	if s := x.q.Session; s != "" {
		attrs = append(attrs, slog.String("session", s))
	}
	if d := x.report.timing.Dropped; d != "" {
		attrs = append(attrs, slog.String("dropped", d))
	}
	if n := x.report.timing.Behind; n > 0 {
		attrs = append(attrs, slog.Int("left_behind", n))
	}
	for _, f := range x.report.failures {
		attrs = append(attrs, slog.Group("failed_"+f.ch.ID, slog.String("code", string(f.err.Code)), slog.String("why", x.plan.mask().Log(f.err.Error()))))
	}
	if limited {
		attrs = append(attrs, slog.String("why", err.Message))
	} else if err != nil && len(x.report.failures) == 0 {
		attrs = append(attrs, slog.String("why", x.plan.mask().Log(err.Error())))
	}
	// Not LogAttrs, which looks for the place in the code: that is always this one, and
	// costs as much as the line.
	line := slog.NewRecord(time.Now(), level, "exchange", 0)
	line.AddAttrs(attrs...)
	_ = x.g.log.Handler().Handle(context.Background(), line)
}
