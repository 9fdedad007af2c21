package journal

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

// MaxAttempts is how many attempts an exchange has at most.
const MaxAttempts = 6

// Asked says of which question a trace is.
type Asked struct {
	ID, Front, Caller, Model string
	Endpoint                 *translate.Endpoint // beside chat; nil: it is a question of a chat
	Received                 time.Time
	Aside                    bool // it is no caller's, and not counted in the activity
}

// Route is what could serve a question.
type Route interface {
	// Candidates are all that could, in the order in which they are looked at.
	Candidates() []Known
}

// Known is a candidate of a route, as it would be described if nothing kept it away.
type Known struct {
	Candidate
	Record any  // tells it from all others
	Many   bool // it is one of so many that not all are looked at
}

// Target is a candidate that is asked.
type Target struct {
	Record    any // see Known
	Channel   string
	Key, Tier int
	Model     string // by its name at the back end
}

// Timing says in short where a question went and where its time was spent. It is complete when
// an answer is committed, or the question has failed.
type Timing struct {
	Channel  string // that was asked last; empty: none was
	Attempts int
	Queue    time.Duration // in the conversation's queue and for a full channel
	Connect  time.Duration // of the last attempt: until it had a connection, where the channel says so
	Open     time.Duration // of the last attempt: connecting, and until the status line
	First    time.Duration // of the last attempt: from there to the first content
	// Dropped names what the question said and the channel that was asked last could
	// not be told, with commas between.
	Dropped string
	// Behind is how many messages of the conversation stayed behind, since the model that
	// was asked last could not take them too.
	Behind int
	Cache  string // hit or miss; empty: the preset has no cache
}

// note is one candidate that could not be asked, when it was first looked at.
type note struct {
	record     any
	state, why string
	wait       time.Duration
}

// try is one attempt.
type try struct {
	target  Target
	began   time.Duration
	connect time.Duration
	open    time.Duration
	first   time.Duration
	took    time.Duration // to the end of its part before its content; 0: that is not over
	among   int32         // candidates of the tier it was chosen from, itself included
	behind  int32         // messages of the conversation that stayed behind
	by      Choice
	over    bool // how it went is known
	end     end
}

// end is how an attempt or an exchange ended, without what an error holds on to.
// The zero value is a good end.
type end struct {
	fault   translate.Fault
	keptOut bool // by a limit or a budget of the caller
	code    translate.Code
	message string // for clients: no address, no key
	retry   time.Duration
}

func endOf(err *translate.Error) end {
	if err == nil {
		return end{}
	}
	return end{fault: err.Fault, keptOut: KeptOut(err), code: err.Code, message: translate.Clip(err.Message), retry: err.Retry}
}

// Choice is what decided for a candidate.
type Choice uint8

const (
	ByPolicy Choice = iota
	ByMemory        // it remembers the conversation
	BySecond        // a second try
	ByAlone         // there was no other
)

// Trace is the record of an exchange. Its exchange alone writes it, under mu where
// others may read it meanwhile; once kept it is only read. Thousands are kept, and it has
// at most 512 bytes, since the garbage collector looks through larger ones one by one.
type Trace struct {
	record
	mu         sync.Mutex // guards record while the exchange runs
	prev, next *Trace     // in the list of those that run
	one        struct {   // the room of record while it is enough, as it nearly always is
		route [1]Route
		try   [1]try
	}
}

// record is what happened to one exchange.
type record struct {
	seq                      uint64 // its place among those that have ended, from 1; 0: it runs
	id, front, caller, model string
	endpoint                 *translate.Endpoint // see Asked
	received                 time.Time
	routes                   []Route // that were searched, the newest search's
	notes                    []note  // at most maxNotes
	tries                    []try   // at most MaxAttempts
	more                     int32   // notes that found no room
	drawn                    bool    // its first attempt was chosen without a look at all of a large tier
	aside                    bool    // see Asked
	queue                    time.Duration
	room                     time.Duration
	took                     time.Duration
	input, output, cost      int64 // see Used
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

// Traces are those of the newest exchanges. The zero value is empty; it is safe for
// concurrent use. Their memory is reused: after the first thousands
// an exchange allocates none.
type Traces struct {
	// Activity is what those that ended lately were like.
	Activity Activity

	mu    sync.Mutex
	plain ring
	bad   ring
	out   ring
	spare []*Trace
	runs  *Trace // the newest of those that run
	seq   uint64 // of the one that ended last
}

// ring has the newest of its kind, and where the next one goes.
type ring struct {
	kept []*Trace
	next int
}

// put keeps r and returns what it has pushed out.
func (g *ring) put(r *Trace, limit int) *Trace {
	if len(g.kept) < limit {
		g.kept = append(g.kept, r)
		return nil
	}
	old := g.kept[g.next]
	g.kept[g.next] = r
	g.next = (g.next + 1) % limit
	return old
}

// Take returns the trace of a question that comes.
func (s *Traces) Take(a Asked) *Trace {
	s.mu.Lock()
	defer s.mu.Unlock()
	var r *Trace
	if n := len(s.spare); n > 0 {
		r = s.spare[n-1]
		s.spare = s.spare[:n-1]
	} else {
		r = &Trace{}
	}
	r.begin(a)
	if r.next = s.runs; r.next != nil {
		r.next.prev = r
	}
	s.runs = r
	return r
}

// ends takes r from the list of those that run; s.mu is held.
func (s *Traces) ends(r *Trace) {
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

// Drop takes back r, of which nothing is to be remembered.
func (s *Traces) Drop(r *Trace) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ends(r)
	if len(s.spare) < keptSpare {
		s.spare = append(s.spare, r)
	}
}

// keep remembers r, which its exchange must not touch any more.
func (s *Traces) keep(r *Trace) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ends(r)
	s.seq++
	r.seq = s.seq
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
func (s *Traces) all(id string) (list []seen) {
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

// Routed notes in r where is searched, after how long.
func Routed[R Route](r *Trace, routes []R, queue time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.routes)
	r.routes, r.queue = r.routes[:0], max(queue, 0)
	for _, one := range routes {
		r.routes = append(r.routes, one)
	}
}

// Skipped notes why a candidate was not asked, and for how long; only the first reason
// counts.
func (r *Trace) Skipped(record any, state, why string, wait time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.notes {
		if r.notes[i].record == record {
			return
		}
	}
	if len(r.notes) == maxNotes {
		r.more++
		return
	}
	r.notes = append(r.notes, note{record: record, state: state, why: why, wait: wait})
}

// Sampled notes that the attempt which follows was chosen without a look at all.
func (r *Trace) Sampled() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drawn = true
}

// Chosen notes the beginning of an attempt.
func (r *Trace) Chosen(t Target, by Choice, among int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.tries) < MaxAttempts {
		r.tries = append(r.tries, try{target: t, by: by, among: int32(among), began: time.Since(r.received)})
	}
}

// Untry forgets the attempt that runs.
func (r *Trace) Untry() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.tries); n > 0 && !r.tries[n-1].over {
		r.tries = r.tries[:n-1]
	}
}

// Attempted notes the end of an attempt's part before its content; err is nil if
// there was some.
func (r *Trace) Attempted(l *Timing, err *translate.Error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.tries) == 0 {
		return
	}
	t := &r.tries[len(r.tries)-1]
	t.connect, t.open, t.first, t.behind, t.over, t.end = l.Connect, l.Open, l.First, int32(l.Behind), true, endOf(err)
	t.took = time.Since(r.received) - t.began
	if err != nil && (err.Fault == translate.FaultDial || err.Fault == translate.FaultLocal) {
		t.connect = l.Open
	}
}

// begin makes r the record of a.
func (r *Trace) begin(a Asked) {
	r.one.route[0], r.one.try[0] = nil, try{}
	r.record = record{
		id: a.ID, front: a.Front, caller: translate.Clip(a.Caller), model: translate.Clip(a.Model), endpoint: a.Endpoint, received: a.Received, aside: a.Aside,
		routes: r.one.route[:0], tries: r.one.try[:0],
	}
}

// Keep ends r now, which waited so long for a full channel, and remembers it. The caller must
// not touch it any more.
func (s *Traces) Keep(r *Trace, now time.Time, waited time.Duration, err *translate.Error) {
	r.mu.Lock()
	r.room, r.took, r.end = waited, now.Sub(r.received), endOf(err)
	r.mu.Unlock()
	if !r.aside {
		s.Activity.count(&r.record)
	}
	s.keep(r)
}

// Used notes the tokens of the question and of its answer, and what they cost in billionths of
// the unit of the prices. It comes before Keep.
func (r *Trace) Used(input, output, cost int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.input, r.output, r.cost = max(input, 0), max(output, 0), max(cost, 0)
}
