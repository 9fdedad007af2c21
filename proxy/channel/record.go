package channel

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/dragoman-gateway/dragoman/proxy/balance"
	"github.com/dragoman-gateway/dragoman/translate"
)

// The breaker of docs/rules/channels.md 2 and 4.
const (
	openAfter   = 5                // failures in a row
	judgeFrom   = 10               // requests in the window before its share counts
	judgeWindow = 10 * time.Second // in ten buckets
	openFirst   = 2 * time.Second  // doubles with each failed probe
	openMost    = 60 * time.Second
	coolFirst   = time.Second // after a 429 without a hint; doubles
	coolMost    = 60 * time.Second
	slowStart   = 10 * time.Second // from a closed breaker to its whole share
	leastShare  = 0.1              // of its share, from the beginning
)

// Record is the record of one model on one channel with one key: its breaker, and
// until when it is throttled. It is safe for concurrent use.
//
// gobreaker's open time is fixed, so the part of it that varies is a gate in front:
// until openUntil nothing is let through to it.
type Record struct {
	br            *gobreaker.TwoStepCircuitBreaker[struct{}]
	openUntil     atomic.Int64 // Unix nanoseconds: the gate
	noProbeBefore atomic.Int64 // Unix nanoseconds: until then nothing is tried, not even a probe
	cooldownUntil atomic.Int64 // Unix nanoseconds: the end of a cool-down
	closedAt      atomic.Int64 // Unix nanoseconds: when the breaker closed again; 0: it has its whole share

	Quarantine Quarantine // this model of this key

	demotedUntil atomic.Int64 // Unix nanoseconds: until then others are chosen before it; 0: it keeps up

	closed atomic.Int64 // Unix nanoseconds: when the breaker closed the last time

	doubted atomic.Int64 // Unix nanoseconds: when it reported tokens that no model can use

	// row counts failures one after the other: gobreaker's own count forgets those that
	// are older than its window, and a dead channel may be asked but now and then.
	consecutiveFailures atomic.Uint32

	// Answers that come in one piece begin when they are complete, so that they
	// have a pace of their own.
	streams, wholes Latency
	Speed           ewma // of both, for those who choose

	chance balance.Chance
	tell   func(open, cool time.Duration) // other gateways; nil: nobody

	mu         sync.Mutex
	openFor    time.Duration // the last open time; 0 while closed
	retryAfter time.Duration // the last failure's Retry-After
	cooldown   time.Duration // the last cool-down that had no hint

	demotedFor time.Duration // how long it was behind the last time; 0: it keeps up
	demotedAt  time.Time     // since when
}

// NewRecord returns the record of what was never asked. chance spreads its waits.
func NewRecord(chance balance.Chance) *Record {
	c := &Record{chance: chance}
	c.br = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		MaxRequests:  1,
		Interval:     judgeWindow,
		BucketPeriod: judgeWindow / 10,
		// Shorter than any gate: when that opens, the next request is the probe.
		Timeout: openFirst / 2,
		ReadyToTrip: func(n gobreaker.Counts) bool {
			// Not n.Requests: that has those that still run, and those that say nothing.
			judged := n.TotalSuccesses + n.TotalFailures
			return c.consecutiveFailures.Add(1) >= openAfter || judged >= judgeFrom && 2*n.TotalFailures >= judged
		},
		IsExcluded: func(err error) bool { return errors.Is(err, errNeutral) },
		// It runs under the breaker's lock and must not call it.
		OnStateChange: func(_ string, _, to gobreaker.State) { c.changed(to) },
	})
	return c
}

func (c *Record) changed(to gobreaker.State) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.consecutiveFailures.Store(0)
	switch to {
	case gobreaker.StateClosed:
		c.openFor = 0
		c.openUntil.Store(0) // a probe may be earlier than the gate
		c.closed.Store(time.Now().UnixNano())
		c.closedAt.Store(time.Now().UnixNano())
	case gobreaker.StateOpen:
		c.openFor = min(max(2*c.openFor, openFirst), openMost)
		jittered := c.openFor + time.Duration(c.chance(int64(c.openFor/4)))
		c.noProbeBefore.Store(time.Now().Add(c.retryAfter).UnixNano())
		jittered = max(jittered, c.retryAfter)
		c.openUntil.Store(time.Now().Add(jittered).UnixNano())
		if c.tell != nil {
			c.tell(jittered, 0)
		}
	}
}

// Blocked returns why requests are held back, and for how long; "" when they are not.
// It only reads, so that a choice among many records stays cheap.
func (c *Record) Blocked(now time.Time) (why string, wait time.Duration) {
	b := c.barred(now, ForceNothing)
	return b.Why, b.Wait
}

// barred is blocked with its kind, under what an operator has decided: a throttled
// channel is left alone whatever that is.
func (c *Record) barred(now time.Time, force Force) Bar {
	at := now.UnixNano()
	if d := time.Duration(c.cooldownUntil.Load() - at); d > 0 {
		return Bar{State: "throttled", Why: "throttled for " + Seconds(d), Wait: d, fault: translate.FaultBusy}
	}
	if b := c.Quarantine.barred(now); b.State != "" && force != ForceClose {
		return b
	}
	if d := time.Duration(c.openUntil.Load() - at); d > 0 && force != ForceClose {
		return Bar{State: "open", Why: "breaker open for " + Seconds(d), Wait: d, fault: translate.FaultBroken}
	}
	return Bar{}
}

// Seconds is d in words, rounded up.
func Seconds(d time.Duration) string { return fmt.Sprintf("%d s", (d+time.Second-1)/time.Second) }

// share is the part of its share that the model gets: less than 1 for a while after its
// breaker has closed, so that a back end which has come up only just now is not asked
// everything at once.
func (c *Record) share(now time.Time) float64 {
	back := c.closedAt.Load()
	if back == 0 {
		return 1
	}
	part := float64(now.UnixNano()-back) / float64(slowStart)
	if part >= 1 {
		c.closedAt.CompareAndSwap(back, 0)
		return 1
	}
	return max(part, leastShare)
}

// Allow asks the breaker for one request. done, nil if it says no, must be called
// exactly once with how the attempt went.
func (c *Record) Allow() (done func(error)) {
	done, err := c.br.Allow()
	if err != nil {
		return nil
	}
	return done
}

// Report tells the breaker and the cool-down how an attempt that began at began went;
// err is nil for one that gave content.
func (c *Record) Report(began time.Time, done func(error), err *translate.Error) {
	if err == nil {
		c.mu.Lock()
		c.cooldown = 0
		c.mu.Unlock()
		c.consecutiveFailures.Store(0)
		c.count(began, done, nil)
		return
	}
	if err.Fault == translate.FaultBusy {
		c.CoolDown(err.Retry)
	}
	verdict := FaultPolicy[err.Fault].Breaker
	if err.Echo {
		verdict = neutral
	}
	switch verdict {
	case CountsAgainst:
		c.fail(began, done, err)
	case succeeds:
		c.consecutiveFailures.Store(0)
		c.count(began, done, nil)
	default:
		done(errNeutral)
	}
}

// fail tells the breaker of a failure, whose Retry-After is the least open time if it
// is the one that opens it.
func (c *Record) fail(began time.Time, done func(error), err *translate.Error) {
	c.mu.Lock()
	c.retryAfter = err.Retry
	c.mu.Unlock()
	c.count(began, done, err)
}

// count gives the breaker an outcome that it counts now: gobreaker would count it
// where its request began, which may be outside of the window by the time that a slow
// one has failed. What began before the breaker closed is left to gobreaker, which
// forgets it, and so is a probe.
func (c *Record) count(began time.Time, done func(error), err error) {
	if time.Since(began) >= judgeWindow/10 && began.UnixNano() >= c.closed.Load() && !c.Out() {
		done(errNeutral)
		if done = c.Allow(); done == nil {
			return // it has opened meanwhile
		}
	}
	done(err)
}

// CoolDown keeps requests away for the time that the back end asked for, else
// for one that doubles.
func (c *Record) CoolDown(hint time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if hint <= 0 {
		if c.cooldownUntil.Load() > time.Now().UnixNano() {
			return // it was on its way already: one burst is one refusal
		}
		c.cooldown = min(max(2*c.cooldown, coolFirst), coolMost)
		hint = c.cooldown
	}
	c.cooldownUntil.Store(time.Now().Add(hint).UnixNano())
	if c.tell != nil {
		c.tell(0, hint)
	}
}

// Rests reports whether nothing is to be tried at now, in Unix nanoseconds, not even a probe.
func (c *Record) Rests(now int64) bool {
	return c.cooldownUntil.Load() > now || c.noProbeBefore.Load() > now
}

// Doubt notes that it reported tokens at now that no model can use, and returns when it did
// so before, both in Unix nanoseconds.
func (c *Record) Doubt(now int64) (before int64) { return c.doubted.Swap(now) }

// Out reports whether its breaker is not closed.
func (c *Record) Out() bool { return c.br.State() != gobreaker.StateClosed }

// CutOff records an answer that broke off after its success was reported. While the
// breaker is open it says nothing new, and is no failed probe.
func (c *Record) CutOff(err *translate.Error) {
	if c.openUntil.Load() > time.Now().UnixNano() {
		return
	}
	if done := c.Allow(); done != nil {
		c.fail(time.Now(), done, err)
	}
}

// Latency is the record of answers that are, or are not, waited for as a whole.
func (c *Record) Latency(whole bool) *Latency {
	if whole {
		return &c.wholes
	}
	return &c.streams
}

// TakesPart reports whether the model takes part in the choice for one question: not in
// all of them, when it has come back only just now.
func (c *Record) TakesPart(now time.Time, chance balance.Chance) bool {
	share := c.share(now)
	return share >= 1 || float64(chance(1<<30)) < share*(1<<30)
}

// What another gateway says of a breaker and of a cool-down is believed for so long at
// most.
const (
	HintOpenMost = openMost * 5 / 4
	HintCoolMost = 10 * time.Minute
)
