package mockmodel

import (
	"sync"
	"time"
)

// Throttle counts the dials of GET /chat by path as the real chatnio server does: a count
// begins with the first dial and ends a second later, and a dial that is one too many is
// refused and begins that second anew. It is safe for concurrent use.
type Throttle struct {
	// Dials are how many are taken in a second; 0: five.
	Dials int
	// Lossy has every third count lose its end, as happens on the real server when it
	// ends between the look at it and the addition: it goes on until a dial is refused.
	Lossy bool
	// Hint, if it is not 0, is told with a refusal, in Retry-After.
	Hint time.Duration

	mu      sync.Mutex
	counts  map[string]*dialCount
	taken   []time.Time
	refused []time.Time
}

type dialCount struct {
	n    int
	end  time.Time // zero: never
	made int       // counts so far
}

// Taken returns when dials were taken, and refused, so far.
func (h *Throttle) Taken() (taken, refused []time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append(taken, h.taken...), append(refused, h.refused...)
}

// take counts a dial of path and reports whether it is taken.
func (h *Throttle) take(path string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	most := h.Dials
	if most == 0 {
		most = 5
	}
	if h.counts == nil {
		h.counts = make(map[string]*dialCount)
	}
	c, now := h.counts[path], time.Now()
	if c == nil {
		c = &dialCount{}
		h.counts[path] = c
	}
	if c.n > 0 && !c.end.IsZero() && !now.Before(c.end) {
		c.n = 0
	}
	if c.n++; c.n > most {
		c.n, c.end = most, now.Add(time.Second)
		h.refused = append(h.refused, now)
		return false
	}
	if c.n == 1 {
		c.made++
		if c.end = now.Add(time.Second); h.Lossy && c.made%3 == 0 {
			c.end = time.Time{}
		}
	}
	h.taken = append(h.taken, now)
	return true
}

// Throttle puts h before the sockets of chatnio from now on; nil takes it away.
func (s *Server) Throttle(h *Throttle) { s.throttle.Store(h) }
