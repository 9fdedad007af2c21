// Package watchdog ends an attempt that is too slow.
package watchdog

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dragoman-gateway/dragoman/translate"
)

// Timer ends an attempt that is too slow: first bounds the wait for the first
// content, gap the wait between two. Events only bump a counter; a timer looks
// at it now and then, so that no event reads the time. An answer is therefore cut
// off between gap and gap + gap/4 after its last content. The same timer bounds the
// whole attempt, which a context with a deadline would need another one for.
type Timer struct {
	cancel   context.CancelCauseFunc
	progress atomic.Uint32
	idle     atomic.Bool // nobody waits for the channel: the client is what is slow

	mu    sync.Mutex
	timer *time.Timer
	end   time.Time     // of the whole attempt, however it gets on
	seen  uint32        // progress at the last look
	quiet time.Duration // since progress last moved
	gap   time.Duration // 0: still waiting for the first content
	ended bool
}

// Start ends the attempt behind cancel, which began just now, unless it gets on within
// wait, and in any case after total.
func (w *Timer) Start(cancel context.CancelCauseFunc, began time.Time, wait, total time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cancel, w.end = cancel, began.Add(total)
	w.timer = time.AfterFunc(min(wait, total), w.tick)
}

// Started reports whether the watchdog was started once.
func (w *Timer) Started() bool { return w.timer != nil }

// Extend gives the attempt another wait from now.
func (w *Timer) Extend(wait time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.ended {
		w.rearm(wait)
	}
}

// rearm looks again after wait, or at the end of the attempt. w.mu is held.
func (w *Timer) rearm(wait time.Duration) { w.timer.Reset(min(wait, time.Until(w.end))) }

// Content notes that content came.
func (w *Timer) Content() { w.progress.Add(1) }

// SetWaiting notes whether the channel is waited for. While it is not, as when a client
// is slow to read, no time counts against it. It may be called on nil.
func (w *Timer) SetWaiting(on bool) {
	if w != nil {
		w.idle.Store(!on)
	}
}

// WatchGaps goes over to watching the gaps.
func (w *Timer) WatchGaps(gap time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return
	}
	w.gap, w.seen = gap, w.progress.Load()
	w.rearm(gap / 4)
}

// Stop ends the watch; the attempt is not touched any more.
func (w *Timer) Stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
	w.timer.Stop()
}

func (w *Timer) tick() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return
	}
	if !time.Now().Before(w.end) {
		w.ended = true
		w.cancel(Slow("the answer took too long"))
		return
	}
	if w.gap == 0 {
		w.ended = true
		w.cancel(Slow("the model did not begin to answer in time"))
		return
	}
	if now := w.progress.Load(); now != w.seen || w.idle.Load() {
		w.seen, w.quiet = now, 0
	} else if w.quiet += w.gap / 4; w.quiet >= w.gap {
		w.ended = true
		w.cancel(Slow("the model stopped in the middle of its answer"))
		return
	}
	w.rearm(w.gap / 4)
}

// Slow is the error of an attempt that took too long, with message.
func Slow(message string) *translate.Error {
	return &translate.Error{Code: translate.CodeModel, Fault: translate.FaultSlow, Timeout: true, Message: message}
}
