package proxy

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dragoman-gateway/dragoman/translate"
)

// Bounds of the waiting room (product.md 6, defaults 6).
const (
	roomSize = 100
	roomTime = 10 * time.Second
)

// slots are what a configured channel has for all of its keys together. The zero
// value has no limit.
type slots struct {
	limit   int32 // 0: none
	load    atomic.Int32
	waiting atomic.Int32 // questions in the room that could use one
	gate    *gate        // if they are leave to dial its server, of which it knows how much there is
	spare   *Channel     // if they are no more than word that a connection of this one is idle
}

// take takes a slot if there is one, whoever waits.
func (s *slots) take() bool {
	if s.gate != nil {
		return s.gate.take(time.Now())
	}
	if n := s.load.Add(1); s.limit > 0 && n > s.limit {
		s.load.Add(-1)
		return false
	}
	return true
}

// room is where questions wait while every channel that could take them is full.
// Its zero value is empty. It is safe for concurrent use.
//
// A slot that is given back is handed to a waiter, so that nobody who comes later
// can snatch it. Callers take turns; the questions of one caller go in their order.
type room struct {
	mu    sync.Mutex
	lines []*line // the next caller first; none is empty
	size  int

	tickets uint64 // how many questions have come
}

// line is what one caller has in the room, oldest first.
type line struct {
	caller  string
	waiters []*waiter
}

// waiter is one question in the room.
type waiter struct {
	caller string
	ticket uint64 // the order in which the questions of one caller came
	wants  []*slots
	alone  []*Channel // on any idle connection of these it could go as well
	// given gets the slot that is handed over, or nil for one who had to make room.
	// It is written to once, after the waiter was taken out of the room.
	given chan *slots
}

// release gives back a slot of ch.
func (r *room) release(ch *Channel) {
	ch.InFlight.Add(-1)
	r.giveBack(ch.load)
}

func (r *room) giveBack(s *slots) {
	if s.spare != nil {
		r.offer(s.spare) // the word was for one who has left
		return
	}
	if s.gate != nil {
		s.gate.giveBack()
	} else {
		s.load.Add(-1)
	}
	// A waiter counts itself before it looks at the load, so that one of the two
	// sees the other.
	if s.waiting.Load() > 0 {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.handOut(s)
	}
}

// handOut hands the free slots of s to those that wait for them; r.mu is held.
func (r *room) handOut(s *slots) {
	for s.waiting.Load() > 0 && s.take() {
		r.serve(r.next(s), s)
	}
	if s.gate != nil {
		s.gate.mu.Lock()
		defer s.gate.mu.Unlock()
		s.gate.arm(time.Now())
	}
}

// serve gives s to w, whose caller's turn comes last then; r.mu is held.
func (r *room) serve(w *waiter, s *slots) {
	r.remove(w)
	if l := r.lineOf(w.caller); l != nil {
		at := slices.Index(r.lines, l)
		r.lines = append(slices.Delete(r.lines, at, at+1), l)
	}
	w.given <- s
}

// offer tells the first one that waits for a dial of ch, but could do without, that a
// connection of it is idle.
func (r *room) offer(ch *Channel) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.lines {
		for _, w := range l.waiters {
			if slices.Contains(w.alone, ch) {
				r.serve(w, &ch.spare)
				return
			}
		}
	}
}

// next is whose turn it is at s, for which somebody waits; r.mu is held.
func (r *room) next(s *slots) *waiter {
	for _, l := range r.lines {
		for _, w := range l.waiters {
			if slices.Contains(w.wants, s) {
				return w
			}
		}
	}
	panic("BUG: the room has lost a waiter")
}

// enter puts a question of caller into the room. It returns nil if that is full of
// callers who have no more in it than this one; else the longest line loses its
// newest.
//
// Who comes back, with the ticket that the first call wrote, gets the former place
// in the line of its caller.
func (r *room) enter(caller string, wants []*slots, ticket *uint64, alone ...*Channel) *waiter {
	r.mu.Lock()
	defer r.mu.Unlock()
	if *ticket == 0 {
		r.tickets++
		*ticket = r.tickets
	}
	own := r.lineOf(caller)
	if r.size >= roomSize {
		longest := slices.MaxFunc(r.lines, func(a, b *line) int { return len(a.waiters) - len(b.waiters) })
		if own != nil && len(longest.waiters) <= len(own.waiters)+1 || len(longest.waiters) < 2 {
			return nil
		}
		last := longest.waiters[len(longest.waiters)-1]
		r.remove(last)
		last.given <- nil
		own = r.lineOf(caller)
	}
	w := &waiter{caller: caller, ticket: *ticket, wants: wants, alone: alone, given: make(chan *slots, 1)}
	if own == nil {
		own = &line{caller: caller}
		r.lines = append(r.lines, own)
	}
	at := len(own.waiters)
	for at > 0 && own.waiters[at-1].ticket > w.ticket {
		at--
	}
	own.waiters = slices.Insert(own.waiters, at, w)
	r.size++
	for _, s := range wants {
		s.waiting.Add(1)
	}
	for _, s := range wants {
		r.handOut(s)
	}
	return w
}

func (r *room) lineOf(caller string) *line {
	for _, l := range r.lines {
		if l.caller == caller {
			return l
		}
	}
	return nil
}

// remove takes w out and reports whether it was in; r.mu is held.
func (r *room) remove(w *waiter) bool {
	at := slices.IndexFunc(r.lines, func(l *line) bool { return l.caller == w.caller })
	if at < 0 {
		return false
	}
	l := r.lines[at]
	n := slices.Index(l.waiters, w)
	if n < 0 {
		return false
	}
	l.waiters = slices.Delete(l.waiters, n, n+1)
	if len(l.waiters) == 0 {
		r.lines = slices.Delete(r.lines, at, at+1)
	}
	r.size--
	for _, s := range w.wants {
		if s.waiting.Add(-1) == 0 && s.gate != nil {
			s.gate.rest()
		}
	}
	return true
}

// leave takes w out of the room, and gives back what it may have been handed.
func (r *room) leave(w *waiter) {
	r.mu.Lock()
	in := r.remove(w)
	r.mu.Unlock()
	if in {
		return
	}
	if s := <-w.given; s != nil {
		r.giveBack(s)
	}
}

// giveBack returns a slot that was handed over and not used.
func (s *search) giveBack() {
	if slot := s.handed; slot != nil {
		if s.handed = nil; slot.spare == nil { // whoever heard of a connection has looked for it
			s.x.g.room.giveBack(slot)
		}
	}
}

// queue waits for a slot of one of the channels that were passed over because they
// are full, or until another one may be asked again whose cool-down or breaker kept
// the question from it. It returns nil when the search is worth another round, and
// errExhausted when it is not.
func (s *search) queue() *translate.Error {
	s.giveBack()
	left, dials := roomTime-s.x.report.waited, dialTime-time.Since(s.began)
	soonest := dialTime
	var wants []*slots
	var alone []*Channel
	for _, p := range s.skipped {
		if p.full != nil && p.full.gate != nil && s.x.prompt.alone() {
			alone = append(alone, p.ch)
		}
		switch {
		case p.full == nil && p.wait > 0:
			soonest = min(soonest, p.wait)
		case p.full == nil || slices.Contains(wants, p.full):
		case p.full.gate == nil:
			wants = append(wants, p.full)
		case p.full.gate.shut(time.Now()) < dials:
			wants = append(wants, p.full)
			left = max(left, dials)
		}
	}
	wake := min(soonest, left)
	if len(wants) == 0 || left <= 0 || s.x.report.attempts >= maxAttempts {
		return errExhausted
	}
	w := s.x.g.room.enter(s.x.q.Caller.Name, wants, &s.place, alone...)
	if w == nil {
		return errExhausted
	}
	if slices.ContainsFunc(alone, func(ch *Channel) bool { return ch.dials.Idle("") }) {
		s.x.g.room.leave(w) // it has come between the search and the room
		return nil
	}
	began := time.Now()
	t := time.NewTimer(wake)
	defer t.Stop()
	select {
	case slot := <-w.given:
		s.x.report.waited += time.Since(began)
		if s.handed = slot; slot == nil {
			return errExhausted
		}
		return nil
	case <-t.C:
		s.x.g.room.leave(w)
		s.x.report.waited += time.Since(began)
		if wake < left {
			return nil
		}
		return errExhausted
	case <-s.x.ctx.Done():
		s.x.g.room.leave(w)
		return translate.Gone(context.Cause(s.x.ctx))
	}
}
