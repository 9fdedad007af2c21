package main

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

// How much garbage may come together before it is collected: slack, but of a large
// heap not less than leastPercent of what is in use, or it would be looked through
// too often.
const (
	slack        = 13 << 20
	leastPercent = 75
	mostPercent  = 325
)

// collector keeps the garbage collector from running all the time in a process that
// has little in use, as a gateway has, and from letting as much garbage as there is
// data come together in one that has much. It acts at the end of each collection.
type collector struct {
	mu      sync.Mutex
	stopped bool
	now     int // percent
	before  int // what it was at first
	live    []metrics.Sample
}

// tendCollector starts a collector, unless the environment, in which the Go runtime
// looks for GOGC and GOMEMLIMIT, says how garbage is to be collected. stop must be
// called.
func tendCollector(lookup func(string) (string, bool)) (stop func()) {
	for _, name := range []string{"GOGC", "GOMEMLIMIT"} {
		if _, set := lookup(name); set {
			return func() {}
		}
	}
	c := &collector{now: mostPercent, live: []metrics.Sample{{Name: "/gc/heap/live:bytes"}}}
	c.before = debug.SetGCPercent(c.now)
	c.await()
	return c.stop
}

// await calls turn after the next collection, which finds what nobody holds.
func (c *collector) await() {
	runtime.AddCleanup(new([64]byte), (*collector).turn, c)
}

func (c *collector) turn() {
	defer func() { _ = recover() }()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return
	}
	metrics.Read(c.live)
	// A change stops the world for a moment, so that small ones are not worth it.
	if p := percentFor(c.live[0].Value.Uint64()); p*10 < c.now*9 || p*10 > c.now*11 {
		c.now = p
		debug.SetGCPercent(p)
	}
	c.await()
}

func (c *collector) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = true
	debug.SetGCPercent(c.before)
}

// percentFor is the garbage that may come to a number of bytes in use, in percent
// of them.
func percentFor(live uint64) int {
	return int(min(max(100*slack/max(live, 1), leastPercent), mostPercent))
}
