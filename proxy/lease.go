package proxy

import (
	"errors"
	"time"

	"github.com/dragoman-gateway/dragoman/translate"
)

// Lease is the right to put one request to a candidate: a slot of its channel, its key and
// model where these are quarantined and this request tries them, and the permit of its
// breaker. [candidate.Lease] makes it. It must be judged once, by Judge or Excuse, or else
// be released unused; Release gives back all that is left. All three may be called again
// and do nothing then. The zero value holds nothing. One goroutine uses it.
type Lease struct {
	candidate
	sent   time.Time   // when the request was put; whoever puts it sets it
	slot   bool        // of the channel
	permit func(error) // of the breaker; nil: the lease is judged
	trial  trying      // the quarantined parts that the request tries
	dial   *gate       // where the request may dial, until it does; nil: it need not ask
	idle   bool        // the request is to go on a connection that is there
}

// Lease takes what one request to c needs, or says what keeps it from c; nothing is taken
// then. handed says that a slot of c's channel was handed to the request already, which
// also a refusal gives back. Otherwise a free slot is taken, for which nobody waits.
func (c *candidate) Lease(handed bool) (Lease, bar) {
	ch := c.ch
	if !handed && !ch.load.TakeFree() {
		return Lease{}, atLimit()
	}
	ch.InFlight.Add(1)
	trial, ok := c.tryKey()
	if !ok {
		ch.release()
		b := c.barred(time.Now())
		if b.state == "" { // whoever tried it has just ended
			b = ch.aside.onTrial()
		}
		return Lease{}, b
	}
	permit := c.cell.allow()
	if permit == nil && ch.force() == ForceClose {
		permit = func(error) {} // nobody is asked whether it may be tried
	}
	if permit == nil {
		trial.end(c.cell, ch, errUntried)
		ch.release()
		return Lease{}, bar{state: "trial", why: "breaker is trying it again", wait: time.Second}
	}
	return Lease{candidate: *c, slot: true, permit: permit, trial: trial}, bar{}
}

// release gives back a slot of the channel.
func (c *Channel) release() {
	c.InFlight.Add(-1)
	c.room.GiveBack(c.load)
}

// atLimit bars a channel that has no slot left.
func atLimit() bar { return bar{state: "full", why: "at its limit of requests"} }

// dialled uses the leave to dial that the lease has, if the request needs any. It reports
// false if that is void.
func (l *Lease) dialled() bool {
	g := l.dial
	if g == nil {
		return true
	}
	l.dial = nil
	return g.start(time.Now())
}

// Judge tells the records of the channel how the request went; err is nil for one that
// gave content. A back end that answers, or only asks for patience, has taken the key.
func (l *Lease) Judge(err *translate.Error) {
	permit := l.permit
	if permit == nil {
		return
	}
	l.permit = nil
	l.cell.report(l.sent, permit, err)
	if err == nil || err.Fault == translate.FaultRejected {
		l.ch.works()
		l.cell.aside.clear()
	} else {
		l.setAside(err)
	}
	l.trial.end(l.cell, l.ch, err)
}

// Excuse ends the lease of a request that says nothing about the channel, whatever err it
// ended with: the breaker counts nothing, and nothing is quarantined.
func (l *Lease) Excuse(err *translate.Error) {
	permit := l.permit
	if permit == nil {
		return
	}
	l.permit = nil
	permit(errNeutral)
	l.trial.end(l.cell, l.ch, err)
}

// Release gives back the slot and leave to dial that was not used. What was not judged
// counts as not tried.
func (l *Lease) Release() {
	l.Excuse(errUntried)
	if g := l.dial; g != nil {
		l.dial = nil
		l.ch.room.GiveBack(&g.turn)
	}
	if l.slot {
		l.slot = false
		l.ch.release()
	}
}

// errUntried ends the lease of a request that was not put.
var errUntried = &translate.Error{}

// errNeutral tells a breaker that a request says nothing.
var errNeutral = errors.New("says nothing about the channel")

// trying is what a request tries that was quarantined.
type trying struct{ key, model bool }

// tryKey takes leave to use c's key and model. What was quarantined for long enough is
// tried by one request at a time, until its trial ends.
func (c *candidate) tryKey() (t trying, ok bool) {
	if !c.ch.aside.held() && !c.cell.aside.held() || c.ch.force() == ForceClose {
		return t, true
	}
	now := time.Now()
	key := c.ch.aside.try(now)
	if key == leaveNone {
		return t, false
	}
	model := c.cell.aside.try(now)
	if model == leaveNone && key == leaveOnTrial {
		c.ch.aside.end(errUntried)
	}
	return trying{key == leaveOnTrial, model == leaveOnTrial}, model != leaveNone
}

func (t trying) end(c *cell, ch *Channel, err *translate.Error) {
	if t.key {
		if err != nil && err.Fault == translate.FaultNoModel {
			ch.works() // it took the key
		}
		ch.aside.end(err)
	}
	if t.model {
		c.aside.end(err)
	}
}

// tellWaiters lets those who wait for a dial know of the connection that the request has
// left behind, if it has.
func (l *Lease) tellWaiters() {
	if l.ch.gate.turn.Waiting() > 0 && l.ch.dials.Idle("") {
		l.ch.room.Offer(&l.ch.spare)
	}
}
