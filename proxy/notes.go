package proxy

import (
	"sync"
	"time"
)

// What refused questions of one caller may add to the store: so many bytes at once, and
// so many a minute. What is refused must cost less than what is served, also on the disk.
const (
	notesAtOnce    = 256 << 10
	notesPerMinute = 64 << 10
	noteRow        = 1 << 10 // what a note takes besides its text
	notersKept     = 100_000 // callers that are told apart
)

// notes bounds what is stored of questions that no channel was asked for, for each
// caller: with one, its client shows what is kept; with thousands a minute it is no
// longer somebody who reads them. The zero value is ready. It is safe for concurrent use.
type notes struct {
	mu sync.Mutex
	of map[string]noted
}

// noted is what one caller has added, less what has become free since.
type noted struct {
	bytes int64
	at    time.Time
}

// now is what counts of n at now.
func (n noted) now(now time.Time) int64 {
	return max(0, n.bytes-int64(float64(now.Sub(n.at))/float64(time.Minute)*notesPerMinute))
}

// mayAdd reports whether a refused question of caller may be stored. The last one that may
// be is as long as it is.
func (n *notes) mayAdd(caller string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	one, known := n.of[caller]
	return one.now(time.Now()) < notesAtOnce && (known || n.room())
}

// add counts what was stored of one.
func (n *notes) add(caller string, bytes int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.of == nil {
		n.of = make(map[string]noted)
	}
	now := time.Now()
	n.of[caller] = noted{n.of[caller].now(now) + int64(bytes) + noteRow, now}
}

// room makes room for one more caller, if there is any. n.mu is held.
func (n *notes) room() bool {
	if len(n.of) < notersKept {
		return true
	}
	now := time.Now()
	for caller, one := range n.of {
		if one.now(now) == 0 {
			delete(n.of, caller)
		}
	}
	return len(n.of) < notersKept
}

// MayNote reports whether what is refused of c may be stored still: it is, for as long as
// it is no more than somebody reads. Where it may not, a new conversation is to be stored
// with its answer only.
func (g *Gateway) MayNote(c *Caller) bool { return g.notes.mayAdd(c.Name) }
