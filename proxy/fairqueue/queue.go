// Package fairqueue is where questions wait for slots: for those of channels that are full,
// and for their turn to ask a limit again.
//
// A slot that is given back is handed to a waiter, so that nobody who comes later can
// snatch it. Callers take turns; the waiters of one caller go in their order.
package fairqueue

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Bounds of a queue.
const (
	Size = 100              // waiters
	Wait = 10 * time.Second // for how long one of them waits
)

// Slots are what waiters wait for. The zero value has no limit. They are safe for
// concurrent use.
type Slots struct {
	Limit int32 // 0: none
	Pacer Pacer // says how many there are, in place of Limit; nil: nothing does
	Spare bool  // they are no more than word that something is idle, see [Queue.Offer]

	taken   atomic.Int32
	waiting atomic.Int32 // waiters that could use one
}

// Pacer hands out slots at a pace of its own. Only a queue calls it, with its lock held but
// for Take and GiveBack.
type Pacer interface {
	// Take takes a slot if there is one now.
	Take(now time.Time) bool
	// GiveBack takes back a slot that was not used.
	GiveBack()
	// Wanted says that somebody may wait: [Queue.HandOut] is to be called when there is a
	// slot. Unwanted says that nobody does any more.
	Wanted(now time.Time)
	Unwanted()
}

// Take takes a slot if there is one, whoever waits.
func (s *Slots) Take() bool {
	if s.Pacer != nil {
		return s.Pacer.Take(time.Now())
	}
	if n := s.taken.Add(1); s.Limit > 0 && n > s.Limit {
		s.taken.Add(-1)
		return false
	}
	return true
}

// TakeFree takes a slot if there is one for which nobody waits.
func (s *Slots) TakeFree() bool { return s.waiting.Load() == 0 && s.Take() }

// Full reports whether whoever comes now would find no slot.
func (s *Slots) Full() bool { return s.AtLimit() || s.Limit > 0 && s.waiting.Load() > 0 }

// AtLimit reports whether all slots are taken.
func (s *Slots) AtLimit() bool { return s.Limit > 0 && s.taken.Load() >= s.Limit }

// Taken is how many slots are taken, where no Pacer counts them.
func (s *Slots) Taken() int { return int(s.taken.Load()) }

// Waiting is how many waiters could use a slot.
func (s *Slots) Waiting() int { return int(s.waiting.Load()) }

// Queue is a queue of waiters. Its zero value is empty. It is safe for concurrent use.
type Queue struct {
	mu    sync.Mutex
	lines []*line // the next caller first; none is empty
	size  int

	tickets uint64 // how many have come
}

// line is what one caller has in the queue, oldest first.
type line struct {
	caller  string
	waiters []*Waiter
}

// Waiter is one place in a queue.
type Waiter struct {
	caller string
	ticket uint64 // the order in which those of one caller came
	wants  []*Slots
	spares []*Slots // word of these would do as well
	// given gets the slot that is handed over, or nil for one who had to make room.
	// It is written to once, after the waiter was taken out of the queue.
	given chan *Slots
}

// Given yields the slot that was handed over, once; nil: the waiter had to make room for
// another one.
func (w *Waiter) Given() <-chan *Slots { return w.given }

// Return gives back what Given has yielded, for Leave to find it.
func (w *Waiter) Return(s *Slots) { w.given <- s }

// Len is how many wait.
func (q *Queue) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.size
}

// GiveBack gives back a slot of s. Word that was given to one who has left goes to another.
func (q *Queue) GiveBack(s *Slots) {
	switch {
	case s.Spare:
		q.Offer(s)
		return
	case s.Pacer != nil:
		s.Pacer.GiveBack()
	default:
		s.taken.Add(-1)
	}
	// A waiter counts itself before it looks at the slots, so that one of the two
	// sees the other.
	if s.waiting.Load() > 0 {
		q.HandOut(s)
	}
}

// HandOut hands the free slots of s to those that wait for them.
func (q *Queue) HandOut(s *Slots) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.handOut(s)
}

// handOut is HandOut; q.mu is held.
func (q *Queue) handOut(s *Slots) {
	for s.waiting.Load() > 0 && s.Take() {
		q.serve(q.next(s), s)
	}
	if s.Pacer != nil {
		s.Pacer.Wanted(time.Now())
	}
}

// serve gives s to w, whose caller's turn comes last then; q.mu is held.
func (q *Queue) serve(w *Waiter, s *Slots) {
	q.remove(w)
	if l := q.lineOf(w.caller); l != nil {
		at := slices.Index(q.lines, l)
		q.lines = append(slices.Delete(q.lines, at, at+1), l)
	}
	w.given <- s
}

// Offer gives s, which are spare, to the first one that waits and named them.
func (q *Queue) Offer(s *Slots) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, l := range q.lines {
		for _, w := range l.waiters {
			if slices.Contains(w.spares, s) {
				q.serve(w, s)
				return
			}
		}
	}
}

// next is whose turn it is at s, for which somebody waits; q.mu is held.
func (q *Queue) next(s *Slots) *Waiter {
	for _, l := range q.lines {
		for _, w := range l.waiters {
			if slices.Contains(w.wants, s) {
				return w
			}
		}
	}
	panic("BUG: the queue has lost a waiter")
}

// Enter puts one of caller into the queue, who waits for any of wants; word of spares would
// do as well. It returns nil if the queue is full of callers who have no more in it than
// this one; else the longest line loses its newest.
//
// Who comes back, with the ticket that the first call wrote, gets the former place in the
// line of its caller. Leave must be called unless Given has yielded something.
func (q *Queue) Enter(caller string, ticket *uint64, wants, spares []*Slots) *Waiter {
	q.mu.Lock()
	defer q.mu.Unlock()
	if *ticket == 0 {
		q.tickets++
		*ticket = q.tickets
	}
	own := q.lineOf(caller)
	if q.size >= Size {
		longest := slices.MaxFunc(q.lines, func(a, b *line) int { return len(a.waiters) - len(b.waiters) })
		if own != nil && len(longest.waiters) <= len(own.waiters)+1 || len(longest.waiters) < 2 {
			return nil
		}
		last := longest.waiters[len(longest.waiters)-1]
		q.remove(last)
		last.given <- nil
		own = q.lineOf(caller)
	}
	w := &Waiter{caller: caller, ticket: *ticket, wants: wants, spares: spares, given: make(chan *Slots, 1)}
	if own == nil {
		own = &line{caller: caller}
		q.lines = append(q.lines, own)
	}
	at := len(own.waiters)
	for at > 0 && own.waiters[at-1].ticket > w.ticket {
		at--
	}
	own.waiters = slices.Insert(own.waiters, at, w)
	q.size++
	for _, s := range wants {
		s.waiting.Add(1)
	}
	for _, s := range wants {
		q.handOut(s)
	}
	return w
}

func (q *Queue) lineOf(caller string) *line {
	for _, l := range q.lines {
		if l.caller == caller {
			return l
		}
	}
	return nil
}

// remove takes w out and reports whether it was in; q.mu is held.
func (q *Queue) remove(w *Waiter) bool {
	at := slices.IndexFunc(q.lines, func(l *line) bool { return l.caller == w.caller })
	if at < 0 {
		return false
	}
	l := q.lines[at]
	n := slices.Index(l.waiters, w)
	if n < 0 {
		return false
	}
	l.waiters = slices.Delete(l.waiters, n, n+1)
	if len(l.waiters) == 0 {
		q.lines = slices.Delete(q.lines, at, at+1)
	}
	q.size--
	for _, s := range w.wants {
		if s.waiting.Add(-1) == 0 && s.Pacer != nil {
			s.Pacer.Unwanted()
		}
	}
	return true
}

// Leave takes w out of the queue, and gives back what it may have been handed.
func (q *Queue) Leave(w *Waiter) {
	q.mu.Lock()
	in := q.remove(w)
	q.mu.Unlock()
	if in {
		return
	}
	if s := <-w.given; s != nil {
		q.GiveBack(s)
	}
}
