package proxy

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dragoman-gateway/dragoman/translate"
)

// clock ends an attempt that is too slow: first bounds the wait for the first
// content, gap the wait between two. Events only bump a counter; a timer looks
// at it now and then, so that no event reads the time. An answer is therefore cut
// off between gap and gap + gap/4 after its last content. The same timer bounds the
// whole attempt, which a context with a deadline would need another one for.
type clock struct {
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

// start ends the attempt behind cancel unless it gets on within wait, and in
// any case after total.
func (c *clock) start(cancel context.CancelCauseFunc, wait, total time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cancel, c.end = cancel, time.Now().Add(total)
	c.timer = time.AfterFunc(min(wait, total), c.look)
}

// more gives the attempt another wait from now.
func (c *clock) more(wait time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ended {
		c.again(wait)
	}
}

// again looks after wait, or at the end of the attempt. c.mu is held.
func (c *clock) again(wait time.Duration) { c.timer.Reset(min(wait, time.Until(c.end))) }

// content notes that content came.
func (c *clock) content() { c.progress.Add(1) }

// waits notes whether the channel is waited for. While it is not, as when a client
// is slow to read, no time counts against it. It may be called on nil.
func (c *clock) waits(on bool) {
	if c != nil {
		c.idle.Store(!on)
	}
}

// committed goes over to watching the gaps.
func (c *clock) committed(gap time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return
	}
	c.gap, c.seen = gap, c.progress.Load()
	c.again(gap / 4)
}

// stop ends the clock; the attempt is not touched any more.
func (c *clock) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	c.timer.Stop()
}

func (c *clock) look() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return
	}
	if !time.Now().Before(c.end) {
		c.ended = true
		c.cancel(slow("the answer took too long"))
		return
	}
	if c.gap == 0 {
		c.ended = true
		c.cancel(slow("the model did not begin to answer in time"))
		return
	}
	if now := c.progress.Load(); now != c.seen || c.idle.Load() {
		c.seen, c.quiet = now, 0
	} else if c.quiet += c.gap / 4; c.quiet >= c.gap {
		c.ended = true
		c.cancel(slow("the model stopped in the middle of its answer"))
		return
	}
	c.again(c.gap / 4)
}

func slow(message string) *translate.Error {
	return &translate.Error{Code: translate.CodeModel, Fault: translate.FaultSlow, Timeout: true, Message: message}
}
