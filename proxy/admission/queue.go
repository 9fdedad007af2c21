package admission

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dragoman-gateway/dragoman/limiter"
	"github.com/dragoman-gateway/dragoman/proxy/fairqueue"
)

// limitQueue is where questions wait that a limit with a queue has refused. For each limit
// one waiting question at a time may ask again: it holds the one slot of the head of that
// limit's queue, which is handed on fairly once it is admitted or gone. The zero value is
// empty; it is safe for concurrent use.
type limitQueue struct {
	waiters fairqueue.Queue
	count   atomic.Int32 // heads
	mu      sync.Mutex
	heads   map[string]*head // by what counts, see countOf
}

// head is where the questions wait that one count has refused. The lock of the queue guards
// all but its slot.
type head struct {
	slot   fairqueue.Slots
	users  int
	latest *limiter.Exceeded // what the newest question that asked was told
	behind string            // the count that it waits for: mostly the head's own
	freed  chan struct{}     // something may have been given back there
}

// LookEvery is how often the first in line looks whether a running question of another
// process has ended meanwhile, which nobody tells.
const LookEvery = 50 * time.Millisecond

// entry is a question's place at a head.
type entry struct {
	name  string
	head  *head
	w     *fairqueue.Waiter
	holds bool // the slot: no other question may ask
	end   time.Time
	more  int // tokens that an admitted question wants besides; 0: it is not admitted yet
}

// at returns the head of name, made for a question that was told over; leave gives it back.
// Without over it returns nil where there is none.
func (q *limitQueue) at(name string, over *limiter.Exceeded) *head {
	if over == nil && q.count.Load() == 0 {
		return nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	h := q.heads[name]
	if h == nil {
		if over == nil {
			return nil
		}
		h = &head{slot: fairqueue.Slots{Limit: 1}, latest: over, behind: name, freed: make(chan struct{}, 1)}
		if q.heads == nil {
			q.heads = map[string]*head{}
		}
		q.heads[name] = h
		q.count.Add(1)
	}
	h.users++
	return h
}

func (q *limitQueue) leave(name string, h *head) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if h.users--; h.users == 0 {
		delete(q.heads, name)
		q.count.Add(-1)
	}
}

// note notes what the holder of h was told, and reports whether that is another count than
// before: what was given back there meanwhile, nobody has told.
func (q *limitQueue) note(h *head, over *limiter.Exceeded, behind string) (other bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	other = h.behind != behind
	h.latest, h.behind = over, behind
	return other
}

func (q *limitQueue) refusal(h *head) *limiter.Exceeded {
	q.mu.Lock()
	defer q.mu.Unlock()
	return h.latest
}

// freed wakes those that wait for what c has given back.
func (q *limitQueue) freed(c Claim) {
	if q.count.Load() == 0 {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, r := range c.Caller().Rules {
		name := countUnder(c, r)
		for _, h := range q.heads {
			if h.behind != name {
				continue
			}
			select {
			case h.freed <- struct{}{}:
			default:
			}
		}
	}
}

// countUnder names what counts c under r.
func countUnder(c Claim, r *limiter.Rule) string { return r.Name() + "\x00" + c.Key(r.Scope()) }

// countOf names the count that has refused the question.
func (t *Ticket) countOf(over *limiter.Exceeded) string {
	for _, r := range t.claim.Caller().Rules {
		if r.Name() == over.Rule {
			return countUnder(t.claim, r)
		}
	}
	return over.Rule
}

// enqueue asks the limiter, and takes a place in the queue where that refuses and the limit
// has one, or where others wait already: a newcomer must not come before them.
func (t *Ticket) enqueue(ctx context.Context, s limiter.Subject) error {
	for _, r := range t.claim.Caller().Rules {
		if !t.claim.Queues(r.Name()) {
			continue
		}
		name := countUnder(t.claim, r)
		if h := t.desk.queue.at(name, nil); h != nil {
			return t.line(name, h, 0)
		}
	}
	return t.orWait(t.ask(ctx, s), 0)
}

// orWait takes a place in the queue where err is the refusal of a limit that has one, and
// which time may change; more as in an entry.
func (t *Ticket) orWait(err error, more int) error {
	var over *limiter.Exceeded
	if !errors.As(err, &over) || over.TooLarge || over.Retry > fairqueue.Wait || !t.claim.Queues(over.Rule) {
		return err
	}
	name := t.countOf(over)
	return t.line(name, t.desk.queue.at(name, over), more)
}

// line adds the question to the queue of h. If the queue is full it is refused with the
// verdict that its head last got, without asking the limiter, so that it cannot overtake the
// head.
func (t *Ticket) line(name string, h *head, more int) error {
	q := &t.desk.queue
	w := q.waiters.Enter(t.claim.Caller().Name, &t.number, []*fairqueue.Slots{&h.slot}, nil)
	if w == nil {
		defer q.leave(name, h)
		return q.refusal(h)
	}
	t.entry = &entry{name: name, head: h, w: w, end: time.Now().Add(fairqueue.Wait), more: more}
	return nil
}

// Leave gives up the place among those that wait, if the question has one.
func (t *Ticket) Leave() {
	e := t.entry
	if e == nil {
		return
	}
	t.entry = nil
	q := &t.desk.queue
	if e.holds {
		q.waiters.GiveBack(&e.head.slot)
	} else {
		q.waiters.Leave(e.w)
	}
	q.leave(e.name, e.head)
}

// again asks the limiter once more.
func (t *Ticket) again(ctx context.Context) error {
	if t.entry.more > 0 {
		return t.grant.More(t.entry.more)
	}
	s, wrong := t.subject() // its conversation may be known by now
	if wrong != nil {
		return wrong
	}
	return t.ask(ctx, s)
}

// wait waits until the limiter admits the question.
func (t *Ticket) wait(ctx context.Context) error {
	q, e := &t.desk.queue, t.entry
	end := time.NewTimer(time.Until(e.end))
	defer end.Stop()
	select {
	case got := <-e.w.Given():
		if got == nil {
			e.w.Return(nil) // it had to make room; Leave looks for it again
			return q.refusal(e.head)
		}
		e.holds = true
	case <-end.C:
		return q.refusal(e.head)
	case <-ctx.Done():
		return ctx.Err()
	}
	for {
		err := t.again(ctx)
		var over *limiter.Exceeded
		if !errors.As(err, &over) || over.TooLarge || over.Retry > fairqueue.Wait {
			return err
		}
		if q.note(e.head, over, t.countOf(over)) {
			continue
		}
		pause := over.Retry
		if pause <= 0 || pause > LookEvery {
			pause = LookEvery
		}
		look := time.NewTimer(pause)
		select {
		case <-look.C:
		case <-e.head.freed:
			look.Stop()
		case <-end.C:
			look.Stop()
			return over
		case <-ctx.Done():
			look.Stop()
			return ctx.Err()
		}
	}
}
