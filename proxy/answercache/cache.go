// Package answercache keeps whole answers for a while, for questions that are exactly the
// same. What many ask at once is asked of a model once (singleflight).
package answercache

import (
	"crypto/sha256"
	"sync"
	"time"

	"github.com/dgraph-io/ristretto/v2"
)

// What the answers may take.
const (
	defaultSize = 64 << 20 // bytes of all
	largestPart = 16       // one answer takes at most this part of them
	answerBytes = 512      // of an answer without its texts
)

// Cache keeps answers. It is safe for concurrent use, and its memory is bounded. It must be
// closed.
type Cache struct {
	size int

	mu     sync.Mutex
	kept   *ristretto.Cache[string, *Answer] // made when it is first needed
	closed bool
	calls  map[Key]*Call
}

// New returns an empty cache of size bytes; 0: 64 MiB.
func New(size int) *Cache {
	if size <= 0 {
		size = defaultSize
	}
	return &Cache{size: size, calls: make(map[Key]*Call)}
}

// Key is a question's name. Only questions that are exactly the same share one.
type Key [sha256.Size]byte

// Call is a question that a model is asked, and that others wait for.
type Call struct {
	key    Key
	life   time.Duration
	done   chan struct{} // closed when the rest is set
	answer *Answer       // nil: nothing came of it that others may have
	left   bool          // only because its client has left
}

// Done is closed when the call is complete.
func (c *Call) Done() <-chan struct{} { return c.done }

// Result is what came of a call that is done: an answer for all who waited, or nil. retry
// says that there is none only because the client that it was for has left.
func (c *Call) Result() (a *Answer, retry bool) { return c.answer, c.left }

// Find returns the answer to the question called key, or the call that is to bring it.
// lead says that the call is the caller's own: whoever leads must end it with Complete,
// and the answer is then kept for life.
func (c *Cache) Find(key Key, life time.Duration) (a *Answer, call *Call, lead bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept == nil && !c.closed {
		// Without it nothing is kept, and all else goes on.
		c.kept, _ = ristretto.NewCache(&ristretto.Config[string, *Answer]{
			NumCounters: int64(max(c.size/answerBytes, 1000)), MaxCost: int64(c.size), BufferItems: 64,
		})
	}
	if c.kept != nil {
		// ristretto knows keys by their hash only.
		if a, ok := c.kept.Get(string(key[:])); ok && a.key == key {
			return a, nil, false
		}
	}
	if call := c.calls[key]; call != nil {
		return nil, call, false
	}
	call = &Call{key: key, life: life, done: make(chan struct{})}
	c.calls[key] = call
	return nil, call, true
}

// Complete ends call, once. a is the answer that others may have; nil: there is none, and
// left says that this is only because the client has left.
func (c *Cache) Complete(call *Call, a *Answer, left bool) {
	call.answer, call.left = a, left
	c.mu.Lock()
	kept := c.kept
	c.mu.Unlock()
	if a != nil && kept != nil {
		a.key = call.key
		if n := a.bytes(); n <= c.size/largestPart {
			kept.SetWithTTL(string(call.key[:]), a, int64(n), call.life)
			kept.Wait() // so that whoever asks after the call finds it
		}
	}
	c.mu.Lock()
	delete(c.calls, call.key)
	c.mu.Unlock()
	close(call.done)
}

// Close lets go of all answers. Calls may still be completed.
func (c *Cache) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.kept != nil {
		c.kept.Close()
		c.kept = nil
	}
}
