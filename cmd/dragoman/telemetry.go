package main

import (
	"context"
	"io"
	"log/slog"
	"sync/atomic"

	"github.com/dragoman-gateway/dragoman/admin"
	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/proxy/tracing"
)

// telemetry is what a gateway tells of itself unasked, in the log and in traces. A reload
// changes it.
type telemetry struct {
	lines  io.Writer
	least  slog.Level // whatever the configuration says
	format *atomic.Pointer[logFormat]
	log    *slog.Logger
	tracer *tracing.Tracer
}

// newTelemetry writes its log to lines, as text until apply is called. verbose is that of
// the command line. It must be closed.
func newTelemetry(lines io.Writer, verbose bool) *telemetry {
	t := &telemetry{lines: lines, least: slog.LevelError, format: &atomic.Pointer[logFormat]{}}
	if verbose {
		t.least = slog.LevelDebug
	}
	t.applyLog(&config.Log{})
	t.log = slog.New(&logHandler{now: t.format})
	t.tracer = tracing.New(t.log, version)
	return t
}

// apply has conf say from now on what is told, and tells its warnings.
func (t *telemetry) apply(conf *config.Config) {
	t.applyLog(&conf.Log)
	t.tracer.Apply(&conf.Traces)
	warn(t.log, conf)
}

func (t *telemetry) applyLog(conf *config.Log) {
	level := slog.LevelInfo
	_ = level.UnmarshalText([]byte(conf.Level)) // config has checked it; where it is empty it stays info
	level = min(level, t.least)
	if conf.Format == "json" {
		t.format.Store(&logFormat{level, newJSONLines(t.lines, level)})
		return
	}
	t.format.Store(&logFormat{level, newTextLines(t.lines, level)})
}

// spans tells operators what became of spans.
func (t *telemetry) spans() *admin.SpanStats {
	stats, ok := t.tracer.Stats()
	if !ok {
		return nil
	}
	return new(admin.SpanStats(stats))
}

// close sends the spans that wait.
func (t *telemetry) close() { t.tracer.Close() }

// logFormat is how lines are written, and from which level on.
type logFormat struct {
	level slog.Level
	slog.Handler
}

// logHandler writes as the present format says. It is safe for concurrent use.
type logHandler struct {
	now    *atomic.Pointer[logFormat]
	derive func(slog.Handler) slog.Handler // adds what every line of it has; nil: nothing
}

// Enabled implements [slog.Handler].
func (h *logHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.now.Load().level
}

// Handle implements [slog.Handler].
func (h *logHandler) Handle(ctx context.Context, r slog.Record) error {
	to := h.now.Load().Handler
	if h.derive != nil {
		to = h.derive(to)
	}
	return to.Handle(ctx, r)
}

// WithAttrs implements [slog.Handler].
func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.then(func(to slog.Handler) slog.Handler { return to.WithAttrs(attrs) })
}

// WithGroup implements [slog.Handler].
func (h *logHandler) WithGroup(name string) slog.Handler {
	return h.then(func(to slog.Handler) slog.Handler { return to.WithGroup(name) })
}

func (h *logHandler) then(add func(slog.Handler) slog.Handler) slog.Handler {
	before := h.derive
	if before == nil {
		return &logHandler{h.now, add}
	}
	return &logHandler{h.now, func(to slog.Handler) slog.Handler { return add(before(to)) }}
}
