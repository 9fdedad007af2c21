package conversation

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

// quotas bounds what is stored of questions that no channel was asked for, for each
// caller: with one, its client shows what is kept; with thousands a minute it is no
// longer somebody who reads them. The zero value is ready. It is safe for concurrent use.
type quotas struct {
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

// allow reports whether a refused question of caller may be stored. The last one that may
// be is as long as it is.
func (q *quotas) allow(caller string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	one, known := q.of[caller]
	return one.now(time.Now()) < notesAtOnce && (known || q.room())
}

// add counts what was stored of one.
func (q *quotas) add(caller string, bytes int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.of == nil {
		q.of = make(map[string]noted)
	}
	now := time.Now()
	q.of[caller] = noted{q.of[caller].now(now) + int64(bytes) + noteRow, now}
}

// room makes room for one more caller, if there is any. q.mu is held.
func (q *quotas) room() bool {
	if len(q.of) < notersKept {
		return true
	}
	now := time.Now()
	for caller, one := range q.of {
		if one.now(now) == 0 {
			delete(q.of, caller)
		}
	}
	return len(q.of) < notersKept
}
