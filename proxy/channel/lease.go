package channel

import (
	"errors"
	"log/slog"
	"time"

	"github.com/dragoman-gateway/dragoman/translate"
)

// Lease is the right to put one request to a candidate: a slot of its channel, its key and
// model where these are quarantined and this request tries them, and the permit of its
// breaker. [Candidate.Lease] makes it. It must be judged once, by Judge or Excuse, or else
// be released unused; Release gives back all that is left. All three may be called again
// and do nothing then. The zero value holds nothing. One goroutine uses it.
type Lease struct {
	Candidate
	Sent   time.Time   // when the request was put; whoever puts it sets it
	permit func(error) // of the breaker; nil: the lease is judged
	Dial   *Gate       // where the request may dial, until it does; nil: it need not ask
	slot   bool        // of the channel
	Idle   bool        // the request is to go on a connection that is there
	trial  trying      // the quarantined parts that the request tries

	Request string                  // id of the exchange that has the lease; empty: none has
	Span    *translate.TraceContext // of that exchange; nil, or not valid: it has none
}

// Logger returns the log of the channel for lines about the request.
func (l *Lease) Logger() *slog.Logger {
	log := l.Channel.Log
	if l.Request != "" {
		log = log.With("id", l.Request)
	}
	if l.Span != nil && l.Span.Valid() {
		log = log.With("trace", l.Span.Trace())
	}
	return log
}

// Lease takes what one request to c needs, or says what keeps it from c; nothing is taken
// then. handed says that a slot of c's channel was handed to the request already, which
// also a refusal gives back. Otherwise a free slot is taken, for which nobody waits.
func (c *Candidate) Lease(handed bool) (Lease, Bar) {
	ch := c.Channel
	if !handed && !ch.Slots.TakeFree() {
		return Lease{}, AtLimit()
	}
	ch.InFlight.Add(1)
	ch.Mark.Note()
	trial, ok := c.tryKey()
	if !ok {
		ch.release()
		b := c.Barred(time.Now())
		if b.State == "" { // whoever tried it has just ended
			b = ch.Quarantine.onTrial()
		}
		return Lease{}, b
	}
	permit := c.Record.Allow()
	if permit == nil && ch.Force() == ForceClose {
		permit = func(error) {} // nobody is asked whether it may be tried
	}
	if permit == nil {
		trial.end(c.Record, ch, ErrUntried)
		ch.release()
		return Lease{}, Bar{State: "trial", Why: "breaker is trying it again", Wait: time.Second}
	}
	return Lease{Candidate: *c, slot: true, permit: permit, trial: trial}, Bar{}
}

// LeaseUnjudged takes what one request of the operator to c needs, whatever its breaker says,
// which counts nothing of how the request goes; or says what keeps it from c.
func (c *Candidate) LeaseUnjudged() (Lease, Bar) {
	ch := c.Channel
	if !ch.Slots.TakeFree() {
		return Lease{}, AtLimit()
	}
	ch.InFlight.Add(1)
	ch.Mark.Note()
	trial, ok := c.tryKey()
	if !ok {
		ch.release()
		return Lease{}, ch.Quarantine.onTrial()
	}
	return Lease{Candidate: *c, slot: true, permit: func(error) {}, trial: trial}, Bar{}
}

// release gives back a slot of the channel.
func (c *Channel) release() {
	c.InFlight.Add(-1)
	c.Queue.GiveBack(c.Slots)
	c.Mark.Note()
}

// AtLimit bars a channel that has no slot left.
func AtLimit() Bar { return Bar{State: "full", Why: "at its limit of requests"} }

// Dialled uses the leave to dial that the lease has, if the request needs any. It reports
// false if that is void.
func (l *Lease) Dialled() bool {
	g := l.Dial
	if g == nil {
		return true
	}
	l.Dial = nil
	return g.Start(time.Now())
}

// Judge tells the records of the channel how the request went; err is nil for one that
// gave content. A back end that answers, or only asks for patience, has taken the key.
func (l *Lease) Judge(err *translate.Error) {
	permit := l.permit
	if permit == nil {
		return
	}
	l.permit = nil
	l.Record.Report(l.Sent, permit, err)
	if err == nil || err.Fault == translate.FaultRejected {
		l.Channel.works()
		l.Record.Quarantine.clear()
	} else {
		l.setAside(err)
	}
	l.trial.end(l.Record, l.Channel, err)
	l.Channel.Mark.Note()
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
	l.trial.end(l.Record, l.Channel, err)
}

// Release gives back the slot and leave to dial that was not used. What was not judged
// counts as not tried.
func (l *Lease) Release() {
	l.Excuse(ErrUntried)
	if g := l.Dial; g != nil {
		l.Dial = nil
		l.Channel.Queue.GiveBack(&g.Turn)
	}
	if l.slot {
		l.slot = false
		l.Channel.release()
	}
}

// ErrUntried ends the lease of a request that was not put.
var ErrUntried = &translate.Error{}

// errNeutral tells a breaker that a request says nothing.
var errNeutral = errors.New("says nothing about the channel")

// trying is what a request tries that was quarantined.
type trying struct{ key, model bool }

// tryKey takes leave to use c's key and model. What was quarantined for long enough is
// tried by one request at a time, until its trial ends.
func (c *Candidate) tryKey() (t trying, ok bool) {
	if !c.Channel.Quarantine.Held() && !c.Record.Quarantine.Held() || c.Channel.Force() == ForceClose {
		return t, true
	}
	now := time.Now()
	key := c.Channel.Quarantine.try(now)
	if key == leaveNone {
		return t, false
	}
	model := c.Record.Quarantine.try(now)
	if model == leaveNone && key == leaveOnTrial {
		c.Channel.Quarantine.end(ErrUntried)
	}
	return trying{key == leaveOnTrial, model == leaveOnTrial}, model != leaveNone
}

func (t trying) end(c *Record, ch *Channel, err *translate.Error) {
	if t.key {
		if err != nil && err.Fault == translate.FaultNoModel {
			ch.works() // it took the key
		}
		ch.Quarantine.end(err)
	}
	if t.model {
		c.Quarantine.end(err)
	}
}

// TellWaiters lets those who wait for a dial know of the connection that the request has
// left behind, if it has.
func (l *Lease) TellWaiters() {
	if l.Channel.Gate.Turn.Waiting() > 0 && l.Channel.Dialer.Idle("") {
		l.Channel.Queue.Offer(&l.Channel.Spare)
	}
}
