package proxy

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dragoman-gateway/dragoman/limiter"
	"github.com/dragoman-gateway/dragoman/proxy/fairqueue"
	"github.com/dragoman-gateway/dragoman/translate"
)

// lobby is where questions wait that a limit with queue has refused. Each count
// has a door: who holds it may ask the limiter again, and hands it on once admitted
// or gone. It is a slot of the lobby's room, which knows whose turn it is. The zero
// value is empty; it is safe for concurrent use.
type lobby struct {
	queue fairqueue.Queue
	count atomic.Int32 // doors
	mu    sync.Mutex
	doors map[string]*door
}

// door is the one slot of a count under which questions wait. The lock of the lobby
// guards it.
type door struct {
	fairqueue.Slots
	users  int
	latest *limiter.Exceeded // what the newest question that asked was told
	behind string            // the count that it waits for: mostly the door's own
	freed  chan struct{}     // something may have been given back there
}

// lobbyLook is how often the first in line looks whether a running question of
// another process has ended meanwhile, which nobody tells.
const lobbyLook = 50 * time.Millisecond

// seat is a question's place at a door.
type seat struct {
	name  string
	door  *door
	w     *fairqueue.Waiter
	holds bool // the door: no other question may ask
	end   time.Time
	ask   func() error // the limiter, once more
}

// at returns the door of name, made for a question that was told over; leave gives
// it back. Without over it returns nil where there is none.
func (l *lobby) at(name string, over *limiter.Exceeded) *door {
	if over == nil && l.count.Load() == 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	d := l.doors[name]
	if d == nil {
		if over == nil {
			return nil
		}
		d = &door{Slots: fairqueue.Slots{Limit: 1}, latest: over, behind: name, freed: make(chan struct{}, 1)}
		if l.doors == nil {
			l.doors = map[string]*door{}
		}
		l.doors[name] = d
		l.count.Add(1)
	}
	d.users++
	return d
}

func (l *lobby) leave(name string, d *door) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if d.users--; d.users == 0 {
		delete(l.doors, name)
		l.count.Add(-1)
	}
}

// told notes what who holds d was told, and reports whether that is another count
// than before: what was given back there meanwhile, nobody has told.
func (l *lobby) told(d *door, over *limiter.Exceeded, behind string) (other bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	other = d.behind != behind
	d.latest, d.behind = over, behind
	return other
}

func (l *lobby) refusal(d *door) *limiter.Exceeded {
	l.mu.Lock()
	defer l.mu.Unlock()
	return d.latest
}

// freed wakes those that wait for what x has given back.
func (l *lobby) freed(x *Exchange) {
	if l.count.Load() == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range x.q.Caller.Rules {
		name := doorOf(x, r)
		for _, d := range l.doors {
			if d.behind != name {
				continue
			}
			select {
			case d.freed <- struct{}{}:
			default:
			}
		}
	}
}

func doorOf(x *Exchange, r *limiter.Rule) string { return r.Name() + "\x00" + x.keyOf(r.Scope()) }

// ask asks the limiter, and takes a seat where it refuses and the rule has a queue,
// or where others wait already: a newcomer must not come before them.
func (p *Pending) ask(s limiter.Subject) error {
	again := func() error {
		s, wrong := p.subject() // its conversation may be known by now
		if wrong != nil {
			return wrong
		}
		return p.askOnce(s)
	}
	for _, r := range p.x.q.Caller.Rules {
		if !p.x.plan.callers.Queues(r.Name()) {
			continue
		}
		name := doorOf(&p.x, r)
		if d := p.x.g.lobby.at(name, nil); d != nil {
			return p.sit(name, d, again)
		}
	}
	return p.orSit(p.askOnce(s), again)
}

func (p *Pending) askOnce(s limiter.Subject) error {
	grant, err := p.x.g.limiter.Admit(p.x.ctx, s)
	if err == nil {
		p.x.ticket.grant, p.x.ticket.reserved = &grant, s.Tokens
	}
	return err
}

// reserveMore reserves tokens of what became known later, and waits for them where
// the rule has a queue.
func (p *Pending) reserveMore(tokens int) error {
	again := func() error { return p.x.ticket.grant.More(tokens) }
	if err := p.orSit(again(), again); err != nil {
		return err
	}
	defer p.x.ticket.leave(&p.x.g.lobby)
	if err := p.sitOut(); err != nil {
		return err
	}
	p.x.ticket.reserved += tokens
	return nil
}

// orSit takes a seat where err is the refusal of a rule that has a queue, and which
// time may change.
func (p *Pending) orSit(err error, again func() error) error {
	var over *limiter.Exceeded
	if !errors.As(err, &over) || over.TooLarge || over.Retry > fairqueue.Wait || !p.x.plan.callers.Queues(over.Rule) {
		return err
	}
	name := p.x.countOf(over)
	return p.sit(name, p.x.g.lobby.at(name, over), again)
}

// countOf names the count that has refused the question.
func (x *Exchange) countOf(over *limiter.Exceeded) string {
	for _, r := range x.q.Caller.Rules {
		if r.Name() == over.Rule {
			return doorOf(x, r)
		}
	}
	return over.Rule
}

// sit takes a seat at d, which is in hand. Where the room is full the question is
// refused as the first in line was: it does not ask, for it might get in before it.
func (p *Pending) sit(name string, d *door, again func() error) error {
	l := &p.x.g.lobby
	w := l.queue.Enter(p.x.q.Caller.Name, &p.x.ticket.place, []*fairqueue.Slots{&d.Slots}, nil)
	if w == nil {
		defer l.leave(name, d)
		return l.refusal(d)
	}
	p.x.ticket.seat = &seat{name: name, door: d, w: w, end: time.Now().Add(fairqueue.Wait), ask: again}
	return nil
}

// leave gives up the seat, if the question has one.
func (t *ticket) leave(l *lobby) {
	s := t.seat
	if s == nil {
		return
	}
	t.seat = nil
	if s.holds {
		l.queue.GiveBack(&s.door.Slots)
	} else {
		l.queue.Leave(s.w)
	}
	l.leave(s.name, s.door)
}

// sitOut waits until the limiter admits the question, if that has to wait; it keeps
// its seat then. The error is the latest refusal, or that of the context. What the
// clock says would take too long is not waited for.
func (p *Pending) sitOut() *translate.Error {
	if p.x.ticket.seat == nil || p.x.ticket.seat.holds {
		return nil
	}
	return p.notAdmitted(p.x.ticket.seat.wait(&p.x))
}

func (s *seat) wait(x *Exchange) error {
	l := &x.g.lobby
	end := time.NewTimer(time.Until(s.end))
	defer end.Stop()
	select {
	case got := <-s.w.Given():
		if got == nil {
			s.w.Return(nil) // it had to make room; leave looks for it again
			return l.refusal(s.door)
		}
		s.holds = true
	case <-end.C:
		return l.refusal(s.door)
	case <-x.ctx.Done():
		return x.ctx.Err()
	}
	for {
		err := s.ask()
		var over *limiter.Exceeded
		if !errors.As(err, &over) || over.TooLarge || over.Retry > fairqueue.Wait {
			return err
		}
		if l.told(s.door, over, x.countOf(over)) {
			continue
		}
		pause := over.Retry
		if pause <= 0 || pause > lobbyLook {
			pause = lobbyLook
		}
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-s.door.freed:
			t.Stop()
		case <-end.C:
			t.Stop()
			return over
		case <-x.ctx.Done():
			t.Stop()
			return x.ctx.Err()
		}
	}
}
