package proxy

import (
	"errors"
	"sync"
	"time"

	"github.com/dragoman-gateway/dragoman/limiter"
)

// lobby is where questions wait that a limit with queue has refused. Each count
// has a door: who holds it may ask the limiter again, and hands it on once admitted
// or gone. It is a slot of the lobby's room, which knows whose turn it is. The zero
// value is empty; it is safe for concurrent use.
type lobby struct {
	room  room
	mu    sync.Mutex
	doors map[string]*door
}

// door is the one slot of a count under which questions wait.
type door struct {
	slots
	users int
}

// lobbyLook is how often the first in line looks whether a running question has
// ended meanwhile, which the clock does not tell.
const lobbyLook = 50 * time.Millisecond

// at returns the door of name, made if need be; leave gives it back.
func (l *lobby) at(name string) *door {
	l.mu.Lock()
	defer l.mu.Unlock()
	d := l.doors[name]
	if d == nil {
		d = &door{slots: slots{limit: 1}}
		if l.doors == nil {
			l.doors = map[string]*door{}
		}
		l.doors[name] = d
	}
	d.users++
	return d
}

func (l *lobby) leave(name string, d *door) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if d.users--; d.users == 0 {
		delete(l.doors, name)
	}
}

// crowded returns a rule of the question's caller under which others wait already:
// it must not come before them.
func (x *Exchange) crowded() *limiter.Rule {
	l, limits := &x.g.lobby, x.plan.callers.limits
	for _, r := range x.q.Caller.rules {
		if !limits[r.Name()].Queue {
			continue
		}
		l.mu.Lock()
		d := l.doors[doorOf(x.q, r)]
		l.mu.Unlock()
		if d != nil {
			return r
		}
	}
	return nil
}

func doorOf(q *Question, r *limiter.Rule) string { return r.Name() + "\x00" + q.keyOf(r.Scope()) }

// pass asks the limiter, and waits where it refuses and the rule has a queue.
func (x *Exchange) pass(s limiter.Subject) (limiter.Grant, error) {
	if r := x.crowded(); r != nil {
		return x.await(s, r, nil)
	}
	grant, err := x.g.limiter.Admit(x.ctx, s)
	var over *limiter.Exceeded
	if !errors.As(err, &over) || over.TooLarge || over.Retry > roomTime {
		return grant, err
	}
	for _, r := range x.q.Caller.rules {
		if r.Name() == over.Rule && x.plan.callers.limits[over.Rule].Queue {
			return x.await(s, r, over)
		}
	}
	return grant, err
}

// await waits until the limiter admits s, which rule has refused with over, or would
// have (nil). The error is the last refusal, or that of the context. What the clock
// says would take too long is not waited for.
func (x *Exchange) await(s limiter.Subject, rule *limiter.Rule, over *limiter.Exceeded) (limiter.Grant, error) {
	refused := func() (limiter.Grant, error) {
		if over == nil {
			return x.g.limiter.Admit(x.ctx, s)
		}
		return limiter.Grant{}, over
	}
	l := &x.g.lobby
	name := doorOf(x.q, rule)
	d := l.at(name)
	defer l.leave(name, d)
	end := time.NewTimer(roomTime)
	defer end.Stop()
	w := l.room.enter(x.q.Caller.Name, []*slots{&d.slots}, &x.lobbyTicket)
	if w == nil {
		return refused()
	}
	select {
	case got := <-w.given:
		if got == nil {
			return refused() // it had to make room
		}
	case <-end.C:
		l.room.leave(w)
		return refused()
	case <-x.ctx.Done():
		l.room.leave(w)
		return limiter.Grant{}, x.ctx.Err()
	}
	defer l.room.giveBack(&d.slots)
	for {
		grant, err := x.g.limiter.Admit(x.ctx, s)
		if err == nil || !errors.As(err, &over) || over.TooLarge || over.Retry > roomTime {
			return grant, err
		}
		pause := over.Retry
		if pause <= 0 || pause > lobbyLook {
			pause = lobbyLook
		}
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-end.C:
			t.Stop()
			return limiter.Grant{}, over
		case <-x.ctx.Done():
			t.Stop()
			return limiter.Grant{}, x.ctx.Err()
		}
	}
}
