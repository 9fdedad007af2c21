package proxy

import (
	"github.com/dragoman-gateway/dragoman/translate"
)

// maxDetached bounds the answers that go on without their clients. The next one is
// cancelled, as on a channel that does not say on_leave: finish.
const maxDetached = 256

// mayDetach reports whether the answer is one to go on without its client.
func (x *Exchange) mayDetach() bool {
	return x.attempt.outlives && !x.whole && !x.answer.complete && x.attempt.stream != nil && (x.err == nil || x.err.Fault == translate.FaultGone)
}

// Detached reports whether the answer goes on without its client, though the exchange
// was closed.
func (x *Exchange) Detached() bool { return x.attempt.detached }

// detach reads x to its end in the background. It reports false if it does not.
func (g *Gateway) detach(x *Exchange) bool {
	d := &g.detached
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.over || len(d.stops) >= maxDetached {
		return false
	}
	if d.stops == nil {
		d.stops = make(map[*Exchange]func())
	}
	d.stops[x] = x.attempt.stop
	x.attempt.detached, x.err = true, nil
	d.running.Go(func() {
		defer d.forget(x)
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

// crashed settles a detached exchange that a bug ended.
func (x *Exchange) crashed() {
	if recover() == nil {
		return
	}
	x.end(&translate.Error{Code: translate.CodeInternal, Message: "internal error"})
}
