package tracing

import (
	"net/http"
	"time"

	"github.com/dragoman-gateway/dragoman/proxy/journal"
)

// writer turns exchanges into spans and sends them. One goroutine runs it.
type writer struct {
	t      *Tracer
	client *http.Client
	under  *settings // that spans is made for; nil: it is not made yet
	spans  *spanMaker
	held   []*journal.Ended
	quiet  time.Time // until then nothing is said of a collector that takes no spans
	broken bool      // it took none the last time
}

func newWriter(t *Tracer) *writer {
	transport := &http.Transport{MaxIdleConns: 1, IdleConnTimeout: 2 * time.Minute, TLSHandshakeTimeout: 10 * time.Second, ForceAttemptHTTP2: true}
	return &writer{t: t, client: &http.Client{
		Transport: transport,
		// Headers may be a credential, which is for the configured address alone.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// run sends until the tracer is closed, and then what is left.
func (w *writer) run() {
	defer w.client.CloseIdleConnections()
	for w.collect() {
		w.send()
	}
	for w.rest() {
		w.send()
	}
}

// collect waits for exchanges and holds some. It reports false when the tracer is closed.
func (w *writer) collect() bool {
	select {
	case e := <-w.t.queue:
		w.held = append(w.held, e)
	case <-w.t.closing:
		return false
	}
	wait := time.NewTimer(batchDelay)
	defer wait.Stop()
	for len(w.held) < batch {
		select {
		case e := <-w.t.queue:
			w.held = append(w.held, e)
		case <-wait.C:
			return true
		case <-w.t.closing:
			return true
		}
	}
	return true
}

// rest holds some of those that are left, and reports whether there are any.
func (w *writer) rest() bool {
	for len(w.held) < batch {
		select {
		case e := <-w.t.queue:
			w.held = append(w.held, e)
		default:
			return len(w.held) > 0
		}
	}
	return true
}

// send sends what is held, and holds nothing any more.
func (w *writer) send() {
	defer func() {
		clear(w.held)
		w.held = w.held[:0]
	}()
	s := w.t.now.Load()
	if s == nil && w.under == nil { // they were turned off before the first was sent
		for _, e := range w.held {
			w.t.dropped.Add(spansOf(e))
		}
		return
	}
	if s != nil && s != w.under {
		w.under, w.spans = s, newSpanMaker(s.service, w.t.version)
	}
	spans := w.spans.make(w.held)
	refused, err := w.deliver(encode(spans))
	if err != nil {
		refused = uint64(len(spans))
	}
	refused = min(refused, uint64(len(spans)))
	w.t.dropped.Add(refused)
	w.t.exported.Add(uint64(len(spans)) - refused)
	w.report(refused, err)
}

// report says in the log that the collector has begun to take no spans, or takes them again.
func (w *writer) report(refused uint64, err error) {
	now := time.Now()
	switch {
	case refused == 0 && w.broken:
		w.broken = false
		w.t.log.Info("the collector takes spans again", "dropped", w.t.dropped.Load())
	case refused > 0 && now.After(w.quiet):
		w.broken, w.quiet = true, now.Add(complain)
		why := "it refused some of them"
		if err != nil {
			why = err.Error()
		}
		w.t.log.Warn("the collector did not take spans, which are lost", "spans", refused, "why", why)
	}
}
