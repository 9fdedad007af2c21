package front

import (
	"crypto/sha256"
	"time"
)

// resultCache remembers what was asked for, and for a while what came of it, so that a
// repeated request is recognized. It is bounded in time, number and bytes; the
// oldest results go first. What still runs is not bounded here, but by whoever
// lets it run. It is not safe for concurrent use: its owner has a lock.
type resultCache[K comparable, R any] struct {
	keep      time.Duration
	most      int // results
	mostBytes int // of results

	byKey  map[K]*asked[K, R]
	oldest []*asked[K, R] // those with a result, in the order of the results
	bytes  int
}

// asked is one request and what came of it. Result is its owner's from the
// beginning, and of size bytes once done is set.
type asked[K comparable, R any] struct {
	key    K
	body   [sha256.Size]byte
	at     time.Time // of the result
	done   bool
	size   int // that it counts with
	result R
}

func newWindow[K comparable, R any](keep time.Duration, most, mostBytes int) resultCache[K, R] {
	return resultCache[K, R]{keep: keep, most: most, mostBytes: mostBytes, byKey: make(map[K]*asked[K, R])}
}

// ask returns what is known under key. When fresh is set that is nothing yet, and
// the caller must end it with finish or forget.
func (w *resultCache[K, R]) ask(key K, body [sha256.Size]byte, now time.Time) (one *asked[K, R], fresh bool) {
	w.expire(now)
	if one = w.byKey[key]; one != nil {
		return one, false
	}
	one = &asked[K, R]{key: key, body: body}
	w.byKey[key] = one
	return one, true
}

// askedBytes is about what one request takes beside its strings, its place in the map
// included.
const askedBytes = 512

// finish keeps the result of one, which runs, for repetitions. size is that of all
// strings of its key and its result.
func (w *resultCache[K, R]) finish(one *asked[K, R], size int, now time.Time) {
	one.done, one.size, one.at = true, askedBytes+size, now
	w.bytes += one.size
	w.oldest = append(w.oldest, one)
	w.expire(now)
}

// forget makes one, which runs, as if it had never been asked.
func (w *resultCache[K, R]) forget(one *asked[K, R]) { delete(w.byKey, one.key) }

// expire drops the results that are too old or too much.
func (w *resultCache[K, R]) expire(now time.Time) {
	for len(w.oldest) > 0 {
		one := w.oldest[0]
		if now.Sub(one.at) <= w.keep && len(w.oldest) <= w.most && w.bytes <= w.mostBytes {
			return
		}
		w.bytes -= one.size
		delete(w.byKey, one.key)
		w.oldest[0] = nil
		w.oldest = w.oldest[1:]
	}
}
