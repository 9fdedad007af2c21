package proxy

import (
	"sync"

	"github.com/dragoman-gateway/dragoman/translate"
)

// maxOrphans bounds the answers that go on without their clients. The next one is
// cancelled, as on a channel that does not say on_leave: finish.
const maxOrphans = 256

// orphans are the exchanges that are read to their end although their clients have
// left. Its zero value is empty. It is safe for concurrent use.
type orphans struct {
	running sync.WaitGroup
	mu      sync.Mutex
	stops   map[*Exchange]func() // each ends the attempt's context
	over    bool
}

// mayEndAlone reports whether the answer is one to go on without its client.
func (x *Exchange) mayEndAlone() bool {
	return x.attempt.outlives && !x.whole && !x.answer.complete && x.attempt.stream != nil && (x.err == nil || x.err.Fault == translate.FaultGone)
}

// Adopted reports whether the answer goes on without its client, though the exchange
// was closed.
func (x *Exchange) Adopted() bool { return x.attempt.detached }

// adopt reads x to its end in the background. It reports false if it does not.
func (g *Gateway) adopt(x *Exchange) bool {
	o := &g.orphans
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.over || len(o.stops) >= maxOrphans {
		return false
	}
	if o.stops == nil {
		o.stops = make(map[*Exchange]func())
	}
	o.stops[x] = x.attempt.stop
	x.attempt.detached, x.err = true, nil
	o.running.Go(func() {
		defer o.forget(x)
		defer x.crashed()
		for {
			if _, err := x.Next(); err != nil {
				break
			}
		}
		x.finish()
	})
	return true
}

// crashed settles an adopted exchange that a bug ended.
func (x *Exchange) crashed() {
	if recover() == nil {
		return
	}
	x.end(&translate.Error{Code: translate.CodeInternal, Message: "internal error"})
}

func (o *orphans) forget(x *Exchange) {
	if x.q.Holding != nil {
		x.q.Holding.Release()
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.stops, x)
}

// cancel cuts off what is running, and lets nothing in any more.
func (o *orphans) cancel() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.over = true
	for _, stop := range o.stops {
		stop()
	}
}
