package tracing

import (
	"context"
	"log/slog"
	"maps"
	"math/rand/v2"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/proxy/journal"
)

// What bounds the spans that wait to be sent.
const (
	queued     = 2048                   // exchanges
	batch      = 256                    // exchanges that are sent at once
	batchDelay = 200 * time.Millisecond // that the first of them waits for others
	lastWords  = 2 * time.Second        // that Close waits for the collector
	complain   = time.Minute            // between two lines of the log that say the same
)

// Tracer keeps the spans of exchanges and sends them to a collector. It is safe for concurrent
// use. It must be closed.
type Tracer struct {
	log     *slog.Logger
	version string
	now     atomic.Pointer[settings] // nil: there are no traces
	queue   chan *journal.Ended      // nil until there are some

	exported, dropped atomic.Uint64

	mu      sync.Mutex // guards what follows, and the beginning of the writer
	closed  bool
	ctx     context.Context // of what is sent: the life of the writer
	cancel  context.CancelFunc
	closing chan struct{}
	writer  sync.WaitGroup
}

// settings are what a configuration says of traces. They are never changed.
type settings struct {
	address string
	headers map[string]string
	sample  float64
	timeout time.Duration
	service string
}

// Stats are what became of spans since the process began.
type Stats struct {
	Exported uint64 // that the collector has taken
	Dropped  uint64 // that found no room, or that it did not take in time, or refused
}

// New returns a tracer without traces; see [Tracer.Apply]. version is that of the gateway.
func New(log *slog.Logger, version string) *Tracer {
	return &Tracer{log: log, version: version, closing: make(chan struct{})}
}

// Apply puts conf, which must have been checked, in the place of the present settings. What
// waits to be sent is sent as conf says. An exchange that runs when traces begin has none.
func (t *Tracer) Apply(conf *config.Traces) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if conf.Endpoint == "" || t.closed {
		t.now.Store(nil)
		return
	}
	s := &settings{address: addressOf(conf.Endpoint), headers: maps.Clone(conf.Headers), timeout: conf.Timeout, service: conf.Service, sample: 1}
	if conf.Sample != nil {
		s.sample = *conf.Sample
	}
	if t.queue == nil {
		t.begin()
	}
	t.now.Store(s)
}

// addressOf is where spans are posted.
func addressOf(endpoint string) string {
	const path = "/v1/traces"
	endpoint = strings.TrimSuffix(endpoint, "/")
	if strings.HasSuffix(endpoint, path) {
		return endpoint
	}
	return endpoint + path
}

// begin starts the writer; t.mu is held.
func (t *Tracer) begin() {
	t.queue = make(chan *journal.Ended, queued)
	t.ctx, t.cancel = context.WithCancel(context.Background())
	w := newWriter(t)
	t.writer.Go(func() {
		defer func() {
			if bug := recover(); bug != nil {
				t.now.Store(nil)
				t.log.Error("panic", "where", "traces", "what", bug, "stack", string(debug.Stack()))
			}
		}()
		w.run()
	})
}

// On implements proxy.Tracer.
func (t *Tracer) On() bool { return t.now.Load() != nil }

// Sample implements proxy.Tracer.
func (t *Tracer) Sample() bool {
	s := t.now.Load()
	return s != nil && (s.sample >= 1 || rand.Float64() < s.sample)
}

// Add implements proxy.Tracer.
func (t *Tracer) Add(e *journal.Ended) {
	if !t.On() { // they were turned off meanwhile
		return
	}
	select {
	case t.queue <- e:
	default:
		t.dropped.Add(spansOf(e))
	}
}

// spansOf is how many spans e becomes.
func spansOf(e *journal.Ended) uint64 { return uint64(1 + len(e.Attempts)) }

// Stats returns what became of spans; ok is false while there are no traces and never were.
func (t *Tracer) Stats() (s Stats, ok bool) {
	s = Stats{Exported: t.exported.Load(), Dropped: t.dropped.Load()}
	return s, t.On() || s != Stats{}
}

// Close sends what waits, once, and ends the writer. All exchanges must have ended. A
// collector that is away delays it by two seconds at most.
func (t *Tracer) Close() {
	t.mu.Lock()
	began := t.queue != nil && !t.closed
	if !t.closed {
		t.closed = true
		close(t.closing)
	}
	t.mu.Unlock()
	if !began {
		return
	}
	late := time.AfterFunc(lastWords, func() {
		defer func() { _ = recover() }()
		t.cancel()
	})
	t.writer.Wait()
	late.Stop()
	t.cancel()
}
