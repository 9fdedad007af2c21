package channel

import (
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/translate"
)

// How long a key, or a model of a key, is not asked after a refusal that is no passing
// one: doubling from the first to the last. After that one request tries it again.
const (
	quarantineFirst = 10 * time.Second
	quarantineMost  = 5 * time.Minute
)

// Quarantine is what is held against a key, or against one model of a key, that its back
// end refused. The zero value is nothing. It is safe for concurrent use.
type Quarantine struct {
	until atomic.Int64  // Unix nanoseconds: until when it is not used; 0: nothing is held against it
	why   atomic.Uint32 // a translate.Fault
	trial atomic.Bool   // one request tries whether it works again

	mu   sync.Mutex
	step time.Duration // the last time that it was set aside for
	bans *trials       // its server counts refusals of this key; nil: it does not, or that is not known
}

// Set keeps requests away, at least for as long as the back end asked for, and returns
// for how long; 0: it was on its way already, since one burst is one refusal.
func (a *Quarantine) Set(now time.Time, why translate.Fault, least time.Duration) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.until.Load() > now.UnixNano() {
		return 0
	}
	a.step = min(max(2*a.step, quarantineFirst), quarantineMost)
	d := max(a.step, min(least, HintCoolMost))
	if a.bans != nil {
		d = max(d, a.bans.wait(now))
	}
	a.why.Store(uint32(why))
	a.until.Store(now.Add(d).UnixNano())
	return d
}

// counted makes it known that the server counts refusals of this key.
func (a *Quarantine) counted(t *trials) {
	a.mu.Lock()
	a.bans = t
	a.mu.Unlock()
}

// clear forgets what is held against it. It costs next to nothing where nothing is.
func (a *Quarantine) clear() {
	if a.until.Load() == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.until.Store(0)
	a.step, a.bans = 0, nil
}

// Held reports whether anything is held against it, be it that its time is over.
func (a *Quarantine) Held() bool { return a.until.Load() != 0 }

// barred says for how long it is not used now, and why.
func (a *Quarantine) barred(now time.Time) Bar {
	until := a.until.Load()
	if until == 0 {
		return Bar{}
	}
	why := translate.Fault(a.why.Load())
	if d := time.Duration(until - now.UnixNano()); d > 0 {
		return Bar{"aside", FaultPolicy[why].words, d, why}
	}
	if a.trial.Load() {
		return a.onTrial()
	}
	return Bar{}
}

// onTrial bars what was set aside while one request tries it again.
func (a *Quarantine) onTrial() Bar {
	why := translate.Fault(a.why.Load())
	return Bar{"aside", FaultPolicy[why].words + " and is being tried again", time.Second, why}
}

// leave is whether something may be used.
type permission uint8

const (
	leaveNone    permission = iota // somebody is trying it already
	leaveFree                      // nothing is held against it
	leaveOnTrial                   // end must be called
)

// try takes leave to use it: after its time one request at a time tries it.
func (a *Quarantine) try(now time.Time) permission {
	if a.until.Load() == 0 {
		return leaveFree
	}
	if !a.trial.CompareAndSwap(false, true) {
		return leaveNone
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.bans != nil && !a.bans.take(now) {
		a.until.Store(now.Add(a.bans.wait(now)).UnixNano())
		a.trial.Store(false)
		return leaveNone
	}
	return leaveOnTrial
}

// end ends a trial; err is how it went, nil for content. A back end that answers, or only
// asks for patience, has nothing against it any more.
func (a *Quarantine) end(err *translate.Error) {
	if err == nil || err.Fault == translate.FaultRejected || err.Fault == translate.FaultBusy {
		a.clear()
	}
	a.trial.Store(false)
}

// inherit takes what was held against before.
func (a *Quarantine) inherit(before *Quarantine) {
	before.mu.Lock()
	defer before.mu.Unlock()
	a.until.Store(before.until.Load())
	a.why.Store(before.why.Load())
	a.step, a.bans = before.step, before.bans
}

// doubt is what was refused of a key since something of it succeeded the last time.
type doubt struct {
	any   atomic.Bool
	mu    sync.Mutex
	model string // by its upstream's name, the first that was refused
}

// second reports whether another model was refused before this one.
func (d *doubt) second(model string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.any.Load() {
		d.model = model
		d.any.Store(true)
	}
	return d.model != model
}

func (d *doubt) clear() {
	if d.any.Load() {
		d.any.Store(false)
	}
}

// setAside holds a refusal of a request against what it is about: the model of that key, or
// the whole key where it is named, where it is for that model alone, where a second model is
// refused and nothing of the key has succeeded since the first, or where the key was on
// trial, which decides about it as a whole. Nothing is held for other faults.
func (l *Lease) setAside(err *translate.Error) {
	then := FaultPolicy[err.Fault]
	if !then.Quarantine {
		return
	}
	ch, tried := l.Channel, l.trial.key
	now, what, part := time.Now(), &l.Record.Quarantine, "the model"
	if err.Fault == translate.FaultDenied || err.Fault == translate.FaultPurse {
		if tried || err.Key || ch.doubt.second(l.Upstream) || ch.lone() {
			what, part = &ch.Quarantine, "the key"
		}
	}
	if err.Key && ch.Bans != nil {
		if !tried {
			ch.Bans.note(now) // a trial was noted when it began
		}
		what.counted(ch.Bans)
	}
	if d := what.Set(now, err.Fault, err.Retry); d > 0 {
		l.Logger().Error("a channel refused a question for what is its operator's to mend, and is set aside", "channel", ch.ID, "key", ch.Key, "model", l.Upstream,
			"why", then.words, "what", part, "for", d.Round(time.Second))
	}
}

// lone reports whether the channel serves one model.
func (c *Channel) lone() bool {
	for _, m := range c.Conf.Models {
		if m.Upstream != c.Conf.Models[0].Upstream {
			return false
		}
	}
	return true
}

// works is told that the key has brought an answer.
func (c *Channel) works() {
	c.doubt.clear()
	c.Quarantine.clear()
}

// trialsMost is how many refused keys a server is shown in an hour: coai bans an address
// that has shown it fifty.
const trialsMost = 10

// trials are the times at which one server was shown keys that it refuses. They are safe
// for concurrent use.
type trials struct {
	mu sync.Mutex
	at [trialsMost]time.Time // a ring; the oldest is at next
	to int
}

// note notes one.
func (t *trials) note(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.put(now)
}

func (t *trials) put(now time.Time) {
	t.at[t.to] = now
	t.to = (t.to + 1) % trialsMost
}

// take notes one if there may be one now.
func (t *trials) take(now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.left(now) > 0 {
		return false
	}
	t.put(now)
	return true
}

// wait is how long there may be none.
func (t *trials) wait(now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.left(now)
}

func (t *trials) left(now time.Time) time.Duration {
	oldest := t.at[t.to]
	if oldest.IsZero() {
		return 0
	}
	return max(time.Hour-now.Sub(oldest), 0)
}

// BanBook has the trials of the servers that ban who shows them too many bad keys. Its
// zero value is empty.
type BanBook struct {
	mu sync.Mutex
	of map[string]*trials // by host
}

// At is the one of a channel; nil: its kind of server bans nobody.
func (b *BanBook) At(kind *config.Kind, address string) *trials {
	u, err := url.Parse(address)
	if !kind.Bans || err != nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.of == nil {
		b.of = map[string]*trials{}
	}
	t := b.of[u.Host]
	if t == nil {
		t = &trials{}
		b.of[u.Host] = t
	}
	return t
}
