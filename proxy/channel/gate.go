package channel

import (
	"fmt"
	"sync"
	"time"

	"github.com/dragoman-gateway/dragoman/proxy/fairqueue"
	"github.com/dragoman-gateway/dragoman/translate"
)

// How a server is dialled that counts its clients' dials. The one that is known takes
// five in a second, and each one that it refuses begins that second anew.
const (
	dialQuiet  = 1100 * time.Millisecond // after a refusal: its second, and what its clock and the way differ by
	dialPace   = time.Second / 4         // between two dials, after a refusal
	dialSlow   = time.Second / 2         // after another one that came in spite of that
	dialCalm   = time.Minute             // without a refusal, until it is a step quicker
	dialInvite = time.Minute             // nobody is told to come back later than this because of others
)

// Dialer is an upstream that keeps a connection for each conversation, and whose
// server may count how often it is dialled. Without a dial, a question goes on a
// connection that is there ([translate.Memory], Idle).
type Dialer interface {
	// Server names who is dialled: the same for all that count together.
	Server() string
	// Idle reports whether a connection is there for the conversation that the server
	// knows as remote; for a question that stands alone, if remote is empty. It may be
	// gone when it is to be used.
	Idle(remote string) bool
}

// Gate paces the dials to one server, for all channels and keys that go there. While
// nothing bounds them, any number may be made. After a refusal none is made for a while,
// and then one after the other, evenly: not a bucket, since a full one would be too
// much for a second. It is safe for concurrent use.
//
// Leave to dial is what the room hands out for it: turn, which has no number of its own.
// Whoever has leave gives it back, or uses it at once (start), and until then, where
// dials are bounded, nobody else gets any.
type Gate struct {
	Turn fairqueue.Slots
	room *fairqueue.Queue

	mu      sync.Mutex
	every   time.Duration // configured: the least between two dials; 0: none is
	step    int           // 0: as configured; 1: dialPace; 2: dialSlow
	since   time.Time     // when the step was taken, or a dial was refused the last time
	slower  time.Time     // when the step was taken; a dial that began before is no reason for another
	quiet   time.Time     // no dial before
	started time.Time     // the newest dial
	out     int           // leaves that were given, and neither used nor given back
	invited time.Time     // when the last one was told to come back who could not be waited for
	timer   *time.Timer   // wakes the room
}

// NewGate returns a gate that is open.
func NewGate() *Gate {
	g := &Gate{}
	g.Turn.Pacer = g
	return g
}

// Configure puts the configured pace into force; 0: there is none. Those who wait for leave
// do so in r, which is always the same.
func (g *Gate) Configure(every time.Duration, r *fairqueue.Queue) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.every = every; g.room == nil {
		g.room = r
	}
}

// between is the least time between two dials, 0 if there is none; g.mu is held.
func (g *Gate) between(now time.Time) time.Duration {
	for g.step > 0 && now.Sub(g.since) >= dialCalm {
		g.step--
		g.since = g.since.Add(dialCalm)
	}
	return max(g.every, [...]time.Duration{0, dialPace, dialSlow}[g.step])
}

// wait is how long no dial may begin; g.mu is held.
func (g *Gate) wait(now time.Time) time.Duration {
	d := g.quiet.Sub(now)
	if every := g.between(now); every > 0 {
		d = max(d, g.started.Add(every).Sub(now))
	}
	return max(d, 0)
}

// Take gives leave to dial, if that may be done now.
func (g *Gate) Take(now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.wait(now) > 0 || g.out > 0 && g.between(now) > 0 {
		return false
	}
	g.out++
	return true
}

// GiveBack takes back leave that was not used. The room hands it on.
func (g *Gate) GiveBack() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.out--
}

// Start uses leave to dial. A refusal may have come after that was given: then it is
// void, which false says.
func (g *Gate) Start(now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.out--
	defer g.arm(now)
	if g.quiet.After(now) {
		return false
	}
	g.started = now
	return true
}

// Refused notes that the server refused a dial that began at began, and wants none
// for hint. It reports how many a second there may be from now on, if that has changed.
func (g *Gate) Refused(now, began time.Time, hint time.Duration) (every time.Duration, changed bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	was := g.between(now)
	if until := now.Add(max(hint, dialQuiet)); until.After(g.quiet) {
		g.quiet = until
	}
	g.since = now
	if g.step == 0 || g.step == 1 && began.After(g.slower) {
		g.step++
		g.slower = now
	}
	every = g.between(now)
	return every, every != was
}

// arm wakes the room when the next dial may begin, if somebody waits for it; g.mu is
// held. While leave is out, whoever has it does so.
func (g *Gate) arm(now time.Time) {
	if g.Turn.Waiting() == 0 || g.out > 0 && g.between(now) > 0 {
		return
	}
	if g.timer == nil {
		g.timer = time.AfterFunc(g.wait(now), g.wake)
		return
	}
	g.timer.Reset(g.wait(now))
}

// Wanted is called when somebody may wait.
func (g *Gate) Wanted(now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.arm(now)
}

// wake is run by the timer.
func (g *Gate) wake() {
	defer func() { _ = recover() }()
	g.room.HandOut(&g.Turn)
}

// Unwanted is called when nobody waits any more.
func (g *Gate) Unwanted() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.timer != nil {
		g.timer.Stop()
	}
}

// Closed is for how long a question that comes now would have to wait for its dial,
// behind those that wait already; 0: it need not.
func (g *Gate) Closed(now time.Time) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.behind(now)
}

// behind is closed; g.mu is held.
func (g *Gate) behind(now time.Time) time.Duration {
	every := g.between(now)
	d := g.wait(now) + time.Duration(g.Turn.Waiting())*every
	if d == 0 && every > 0 && g.out > 0 {
		d = every
	}
	return d
}

// Shut is for how long nobody at all may dial.
func (g *Gate) Shut(now time.Time) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.wait(now)
}

// Bounded reports whether dials are anything to save.
func (g *Gate) Bounded(now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.wait(now) > 0 || g.between(now) > 0
}

// Invite is when somebody is to come back who was sent away, counted from now: each one
// at a time of his own, behind those that wait and those that were told before.
func (g *Gate) Invite(now time.Time) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	at := now.Add(max(g.behind(now), time.Second))
	if next := g.invited.Add(max(g.between(now), dialPace)); next.After(at) {
		at = next
	}
	if most := now.Add(max(dialInvite, g.wait(now))); at.After(most) {
		at = most
	}
	g.invited = at
	return at.Sub(now)
}

// Bar is what keeps a question from dialling; the zero value is nothing.
func (g *Gate) Bar(now time.Time) Bar {
	d := g.Closed(now)
	if d == 0 {
		return Bar{}
	}
	return Bar{State: "throttled", Why: "new connections to its server are throttled for " + Seconds(d), Wait: d, fault: translate.FaultBusy}
}

// pace says in words how quickly a server is dialled after a refusal; "" if it takes
// what comes.
func (g *Gate) pace(now time.Time) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	every := g.between(now)
	if g.step == 0 {
		return ""
	}
	return fmt.Sprintf("new connections are slowed to %.3g a second for %s", float64(time.Second)/float64(every), Seconds(g.since.Add(dialCalm).Sub(now)))
}
