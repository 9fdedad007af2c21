package proxy

import (
	"slices"
	"sync"
	"time"

	"github.com/dragoman-gateway/dragoman/translate"
)

// How many exchanges are remembered: the newest, and beside them the newest that
// failed, took more than one attempt or found a channel barred, so that these are not
// pushed out by ordinary ones; and apart from both the newest that no channel was asked
// for, of which a client can cause any number at no cost.
const (
	keptOrdinary = 2048
	keptTroubled = 2048
	keptRefused  = 512
	keptSpare    = 64 // records that wait for their next use
	maxNotes     = 16 // candidates barred, of one exchange
)

// note is one candidate that could not be asked, when it was first looked at.
type note struct {
	c   *cell
	ch  *Channel
	bar bar
}

// try is one attempt.
type try struct {
	cand    candidate
	by      choice
	among   int // candidates of the tier it was chosen from, itself included
	began   time.Duration
	connect time.Duration
	open    time.Duration
	first   time.Duration
	behind  int  // messages of the conversation that stayed behind
	over    bool // how it went is known
	end     end
}

// end is how an attempt or an exchange ended, without what an error holds on to.
// The zero value is a good end.
type end struct {
	fault   translate.Fault
	code    translate.Code
	message string // for clients: no address, no key
	retry   time.Duration
}

func endOf(err *translate.Error) end {
	if err == nil {
		return end{}
	}
	return end{err.Fault, err.Code, translate.Clip(err.Message), err.Retry}
}

// choice is what decided for a candidate.
type choice uint8

const (
	byPolicy choice = iota
	byMemory        // it remembers the conversation
	bySecond        // a second try
	byAlone         // there was no other
)

// live is the record of an exchange. Its exchange alone writes it, under mu where
// others may read it meanwhile; once kept it is only read.
type live struct {
	record
	mu         sync.Mutex // guards record while the exchange runs
	prev, next *live      // in the list of those that run
	one        struct {   // the room of record while it is enough, as it nearly always is
		route [1]*route
		try   [1]try
	}
}

// record is what happened to one exchange.
type record struct {
	id, front, caller, model string
	received                 time.Time
	routes                   []*route // that were searched, the newest search's
	notes                    []note   // at most maxNotes
	tries                    []try    // at most maxAttempts
	more                     int      // notes that found no room
	drawn                    bool     // its first attempt was chosen without a look at all of a throng
	queue                    time.Duration
	room                     time.Duration
	took                     time.Duration
	end                      end
}

// copied is r as it stands, which may go on changing.
func (r *record) copied() record {
	c := *r
	c.routes, c.notes, c.tries = slices.Clone(r.routes), slices.Clone(r.notes), slices.Clone(r.tries)
	return c
}

// troubled reports whether r is worth more than an ordinary exchange.
func (r *record) troubled() bool { return r.end.code != "" || len(r.tries) > 1 || len(r.notes) > 0 }

// refused reports whether r came to an end before any channel was asked.
func (r *record) refused() bool { return r.end.code != "" && len(r.tries) == 0 }

// records are the newest exchanges. Their memory is reused: after the first thousands
// an exchange allocates none.
type records struct {
	mu    sync.Mutex
	plain ring
	bad   ring
	out   ring
	spare []*live
	runs  *live // the newest of those that run
}

// ring has the newest of its kind, and where the next one goes.
type ring struct {
	kept []*live
	next int
}

// put keeps r and returns what it has pushed out.
func (g *ring) put(r *live, limit int) *live {
	if len(g.kept) < limit {
		g.kept = append(g.kept, r)
		return nil
	}
	old := g.kept[g.next]
	g.kept[g.next] = r
	g.next = (g.next + 1) % limit
	return old
}

// take returns the record of q, which comes.
func (s *records) take(q *Question) *live {
	s.mu.Lock()
	defer s.mu.Unlock()
	var r *live
	if n := len(s.spare); n > 0 {
		r = s.spare[n-1]
		s.spare = s.spare[:n-1]
	} else {
		r = &live{}
	}
	r.begin(q)
	if r.next = s.runs; r.next != nil {
		r.next.prev = r
	}
	s.runs = r
	return r
}

// ends takes r from the list of those that run; s.mu is held.
func (s *records) ends(r *live) {
	if r.prev != nil {
		r.prev.next = r.next
	} else {
		s.runs = r.next
	}
	if r.next != nil {
		r.next.prev = r.prev
	}
	r.prev, r.next = nil, nil
}

// give takes back r, of which nothing is to be remembered.
func (s *records) give(r *live) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ends(r)
	if len(s.spare) < keptSpare {
		s.spare = append(s.spare, r)
	}
}

// keep remembers r, which its exchange must not touch any more.
func (s *records) keep(r *live) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ends(r)
	ring, limit := &s.plain, keptOrdinary
	switch {
	case r.refused():
		ring, limit = &s.out, keptRefused
	case r.troubled():
		ring, limit = &s.bad, keptTroubled
	}
	if old := ring.put(r, limit); old != nil && len(s.spare) < keptSpare {
		s.spare = append(s.spare, old)
	}
}

// seen is a copy of a record.
type seen struct {
	record
	running bool
}

// all returns every exchange with the id that runs or is remembered, the oldest
// first: a client says what its request's id is, so that somebody else's may have
// the same.
func (s *records) all(id string) (list []seen) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for r := s.runs; r != nil; r = r.next {
		if r.id == id {
			r.mu.Lock()
			list = append(list, seen{r.copied(), true})
			r.mu.Unlock()
		}
	}
	for _, g := range [...]*ring{&s.plain, &s.bad, &s.out} {
		for _, r := range g.kept {
			if r.id == id {
				list = append(list, seen{r.copied(), false})
			}
		}
	}
	slices.SortStableFunc(list, func(a, b seen) int { return a.received.Compare(b.received) })
	return list
}

// routed notes where is searched, after how long.
func (r *live) routed(routes []*route, queue time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.routes)
	r.routes, r.queue = append(r.routes[:0], routes...), max(queue, 0)
}

// barred notes why a candidate was not asked; only the first reason counts.
func (r *live) barred(c *candidate, b bar) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.notes {
		if r.notes[i].c == c.cell {
			return
		}
	}
	if len(r.notes) == maxNotes {
		r.more++
		return
	}
	r.notes = append(r.notes, note{c: c.cell, ch: c.ch, bar: b})
}

// drew notes that the attempt which follows was chosen without a look at all.
func (r *live) drew() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drawn = true
}

// chosen notes the beginning of an attempt.
func (r *live) chosen(c *candidate, by choice, among int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.tries) < maxAttempts {
		r.tries = append(r.tries, try{cand: *c, by: by, among: among, began: time.Since(r.received)})
	}
}

// untry forgets the attempt that runs.
func (r *live) untry() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.tries); n > 0 && !r.tries[n-1].over {
		r.tries = r.tries[:n-1]
	}
}

// attempted notes the end of an attempt's part before its content; err is nil if
// there was some.
func (r *live) attempted(l *Timing, err *translate.Error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.tries) == 0 {
		return
	}
	t := &r.tries[len(r.tries)-1]
	t.connect, t.open, t.first, t.behind, t.over, t.end = l.Connect, l.Open, l.First, l.Behind, true, endOf(err)
	if err != nil && (err.Fault == translate.FaultDial || err.Fault == translate.FaultLocal) {
		t.connect = l.Open
	}
}

// begin makes r the record of q.
func (r *live) begin(q *Question) {
	r.one.route[0], r.one.try[0] = nil, try{}
	r.record = record{id: q.ID, front: q.Front, model: translate.Clip(q.Model.Name), received: q.Received, routes: r.one.route[:0], tries: r.one.try[:0]}
	if q.Caller != nil {
		r.caller = translate.Clip(q.Caller.Name)
	}
}

// keep ends the trace, and hands it to all.
func (r *report) keep(all *records, err *translate.Error) {
	t := r.trace
	r.trace = nil
	if t == nil {
		return
	}
	t.mu.Lock()
	t.room, t.took, t.end = r.waited, time.Since(t.received), endOf(err)
	t.mu.Unlock()
	all.keep(t)
}
