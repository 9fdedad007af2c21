package proxy

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

// cell is the record of one model on one channel with one key: its breaker, and
// until when it is throttled. It is safe for concurrent use.
//
// gobreaker's open time is fixed, so the part of it that varies is a gate in front:
// until open nothing is let through to it.
type cell struct {
	br   *gobreaker.TwoStepCircuitBreaker[struct{}]
	open atomic.Int64 // Unix nanoseconds: the gate
	rest atomic.Int64 // Unix nanoseconds: until then nothing is tried, not even a probe
	cool atomic.Int64 // Unix nanoseconds: the end of a cool-down
	back atomic.Int64 // Unix nanoseconds: when the breaker closed again; 0: it has its whole share

	aside aside // this model of this key

	late atomic.Int64 // Unix nanoseconds: until then others are chosen before it; 0: it keeps up

	closed atomic.Int64 // Unix nanoseconds: when the breaker closed the last time

	doubted atomic.Int64 // Unix nanoseconds: when it reported tokens that no model can use

	// row counts failures one after the other: gobreaker's own count forgets those that
	// are older than its window, and a dead channel may be asked but now and then.
	row atomic.Uint32

	// Answers that come in one piece begin when they are complete, so that they
	// have a pace of their own.
	streams, wholes pace
	speed           ewma // of both, for those who choose

	chance balance.Chance
	tell   func(open, cool time.Duration) // other gateways; nil: nobody

	mu    sync.Mutex
	wait  time.Duration // the last open time; 0 while closed
	floor time.Duration // the last failure's Retry-After
	chill time.Duration // the last cool-down that had no hint

	lagged time.Duration // how long it was behind the last time; 0: it keeps up
	behind time.Time     // since when
}

func newCell(chance balance.Chance) *cell {
	c := &cell{chance: chance}
	c.br = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		MaxRequests:  1,
		Interval:     judgeWindow,
		BucketPeriod: judgeWindow / 10,
		// Shorter than any gate: when that opens, the next request is the probe.
		Timeout: openFirst / 2,
		ReadyToTrip: func(n gobreaker.Counts) bool {
			// Not n.Requests: that has those that still run, and those that say nothing.
			judged := n.TotalSuccesses + n.TotalFailures
			return c.row.Add(1) >= openAfter || judged >= judgeFrom && 2*n.TotalFailures >= judged
		},
		IsExcluded: func(err error) bool { return errors.Is(err, errNeutral) },
		// It runs under the breaker's lock and must not call it.
		OnStateChange: func(_ string, _, to gobreaker.State) { c.changed(to) },
	})
	return c
}

func (c *cell) changed(to gobreaker.State) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.row.Store(0)
	switch to {
	case gobreaker.StateClosed:
		c.wait = 0
		c.open.Store(0) // a probe may be earlier than the gate
		c.closed.Store(time.Now().UnixNano())
		c.back.Store(time.Now().UnixNano())
	case gobreaker.StateOpen:
		c.wait = min(max(2*c.wait, openFirst), openMost)
		jittered := c.wait + time.Duration(c.chance(int64(c.wait/4)))
		c.rest.Store(time.Now().Add(c.floor).UnixNano())
		jittered = max(jittered, c.floor)
		c.open.Store(time.Now().Add(jittered).UnixNano())
		if c.tell != nil {
			c.tell(jittered, 0)
		}
	}
}

// blocked returns why requests are held back, and for how long; "" when they are not.
// It only reads, so that a choice among many cells stays cheap.
func (c *cell) blocked(now time.Time) (why string, wait time.Duration) {
	b := c.barred(now, ForceNothing)
	return b.why, b.wait
}

// barred is blocked with its kind, under what an operator has decided: a throttled
// channel is left alone whatever that is.
func (c *cell) barred(now time.Time, force Force) bar {
	at := now.UnixNano()
	if d := time.Duration(c.cool.Load() - at); d > 0 {
		return bar{state: "throttled", why: "throttled for " + seconds(d), wait: d, fault: translate.FaultBusy}
	}
	if b := c.aside.barred(now); b.state != "" && force != ForceClose {
		return b
	}
	if d := time.Duration(c.open.Load() - at); d > 0 && force != ForceClose {
		return bar{state: "open", why: "breaker open for " + seconds(d), wait: d, fault: translate.FaultBroken}
	}
	return bar{}
}

func seconds(d time.Duration) string { return fmt.Sprintf("%d s", (d+time.Second-1)/time.Second) }

// share is the part of its share that the cell gets: less than 1 for a while after its
// breaker has closed, so that a back end which has come up only just now is not asked
// everything at once.
func (c *cell) share(now time.Time) float64 {
	back := c.back.Load()
	if back == 0 {
		return 1
	}
	part := float64(now.UnixNano()-back) / float64(slowStart)
	if part >= 1 {
		c.back.CompareAndSwap(back, 0)
		return 1
	}
	return max(part, leastShare)
}

// allow asks the breaker for one request. done, nil if it says no, must be called
// exactly once with how the attempt went.
func (c *cell) allow() (done func(error)) {
	done, err := c.br.Allow()
	if err != nil {
		return nil
	}
	return done
}

// report tells the breaker and the cool-down how an attempt that began at began went;
// err is nil for one that gave content.
func (c *cell) report(began time.Time, done func(error), err *translate.Error) {
	if err == nil {
		c.mu.Lock()
		c.chill = 0
		c.mu.Unlock()
		c.row.Store(0)
		c.count(began, done, nil)
		return
	}
	if err.Fault == translate.FaultBusy {
		c.chillFor(err.Retry)
	}
	verdict := consequences[err.Fault].breaker
	if err.Echo {
		verdict = neutral
	}
	switch verdict {
	case counts:
		c.fail(began, done, err)
	case succeeds:
		c.row.Store(0)
		c.count(began, done, nil)
	default:
		done(errNeutral)
	}
}

// fail tells the breaker of a failure, whose Retry-After is the least open time if it
// is the one that opens it.
func (c *cell) fail(began time.Time, done func(error), err *translate.Error) {
	c.mu.Lock()
	c.floor = err.Retry
	c.mu.Unlock()
	c.count(began, done, err)
}

// count gives the breaker an outcome that it counts now: gobreaker would count it
// where its request began, which may be outside of the window by the time that a slow
// one has failed. What began before the breaker closed is left to gobreaker, which
// forgets it, and so is a probe.
func (c *cell) count(began time.Time, done func(error), err error) {
	if time.Since(began) >= judgeWindow/10 && began.UnixNano() >= c.closed.Load() && !c.out() {
		done(errNeutral)
		if done = c.allow(); done == nil {
			return // it has opened meanwhile
		}
	}
	done(err)
}

// chillFor keeps requests away for the time that the back end asked for, else
// for one that doubles.
func (c *cell) chillFor(hint time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if hint <= 0 {
		if c.cool.Load() > time.Now().UnixNano() {
			return // it was on its way already: one burst is one refusal
		}
		c.chill = min(max(2*c.chill, coolFirst), coolMost)
		hint = c.chill
	}
	c.cool.Store(time.Now().Add(hint).UnixNano())
	if c.tell != nil {
		c.tell(0, hint)
	}
}

// out reports whether its breaker is not closed.
func (c *cell) out() bool { return c.br.State() != gobreaker.StateClosed }

// cutOff records an answer that broke off after its success was reported. While the
// breaker is open it says nothing new, and is no failed probe.
func (c *cell) cutOff(err *translate.Error) {
	if c.open.Load() > time.Now().UnixNano() {
		return
	}
	if done := c.allow(); done != nil {
		c.fail(time.Now(), done, err)
	}
}

// pace is the record of answers that are, or are not, waited for as a whole.
func (c *cell) pace(whole bool) *pace {
	if whole {
		return &c.wholes
	}
	return &c.streams
}

// joins reports whether the cell takes part in the choice for one question: not in
// all of them, when it has come back only just now.
func (c *cell) joins(now time.Time, chance balance.Chance) bool {
	share := c.share(now)
	return share >= 1 || float64(chance(1<<30)) < share*(1<<30)
}
