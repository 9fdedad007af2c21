package chaos

import (
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dragoman-gateway/dragoman/internal/simnet"
	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

// patience is how long a client waits for everything: longer than all clocks of
// the gateway, all faults and all questions before it together.
const patience = 24 * time.Hour

// run is a script that is played.
type run struct {
	*report
	s     *script
	net   *simnet.Net
	w     *world.World
	began time.Time

	hosts  sync.WaitGroup
	mu     sync.Mutex
	lns    map[string]net.Listener
	traces [][]string // of each actor
	acked  []history  // of each actor
}

// play plays the script of seed and returns its trace. It must be called in a
// bubble, by its first goroutine.
func play(t testing.TB, seed uint64) (trace string, ok bool) {
	s := write(seed)
	r := &run{report: &report{TB: t, seed: seed}, s: s, net: simnet.New(seed), lns: map[string]net.Listener{},
		traces: make([][]string, len(s.actors)), acked: make([]history, len(s.actors))}
	before, _ := world.InBubble()
	r.began = time.Now()
	r.w = world.Open(r, s.config, world.Place{
		Listen:   func(part string) (net.Listener, error) { return r.net.Listen(part + ":" + port) },
		Dial:     r.net.Dial,
		Patience: patience,
		Chance:   chance(seed),
	})
	for _, h := range s.hosts {
		r.up(h)
	}
	var faults, actors sync.WaitGroup
	over := make(chan struct{})
	for _, f := range s.faults {
		faults.Go(func() { r.strike(f, over) })
	}
	for i := range s.actors {
		actors.Go(func() { r.act(i) })
	}
	actors.Wait()
	close(over)
	faults.Wait()
	r.calm()
	trace = r.trace()
	r.checkStore()
	r.checkSlots()
	for _, h := range s.hosts {
		r.down(h)
	}
	r.w.End(r)
	r.hosts.Wait()
	// What a server's pool of workers leaves ends within a minute.
	time.Sleep(2 * time.Minute)
	synctest.Wait()
	if n, stacks := world.InBubble(); n > before {
		r.Errorf("%d goroutines are left:\n%s", n-before, stacks)
	}
	if n := r.net.Open(); n > 0 {
		r.Errorf("%d ends of connections are left open", n)
	}
	if r.failed() {
		t.Errorf("seed %d broke a rule: %s\n\n%s\n%s\n%s", seed, strings.Join(r.all(), "\n"), s, trace, r.w.Log)
	}
	return trace, !r.failed()
}

// chance is the gateway's: it depends on the seed and the instant alone, so that
// two who draw at one instant may do so in any order.
func chance(seed uint64) func(int64) int64 {
	began := time.Now()
	return func(n int64) int64 {
		return rand.New(rand.NewPCG(seed, uint64(time.Since(began)))).Int64N(n)
	}
}

// up lets the model listen at a host, unless it does.
func (r *run) up(host string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lns[host] != nil {
		return
	}
	ln, err := r.net.Listen(host + ":" + port)
	if err != nil {
		r.Errorf("%v", err)
		return
	}
	r.lns[host] = ln
	r.hosts.Go(func() { _ = r.w.Model.Serve(ln) })
}

// down closes a host, with all its connections.
func (r *run) down(host string) {
	r.mu.Lock()
	ln := r.lns[host]
	delete(r.lns, host)
	if ln != nil {
		_ = ln.Close() // before up may look for the address
	}
	r.mu.Unlock()
	if ln != nil {
		r.net.Cut(host + ":" + port)
	}
}

// strike lets f happen, unless the run is over first; what it took away is back
// when it returns.
func (r *run) strike(f fault, over chan struct{}) {
	wait := func(d time.Duration) {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
		case <-over:
		}
	}
	wait(f.at)
	at := f.host + ":" + port
	switch f.kind {
	case "cut":
		r.net.Cut(at)
	case "stall":
		r.net.Stall(at, f.last)
	case "corrupt":
		r.net.Corrupt(at, []byte("\x00\xffchaos{\r\n"))
	case "freeze":
		r.net.Freeze(f.last)
	case "sleep":
		for _, h := range r.s.hosts {
			r.net.Stall(h+":"+port, f.last)
		}
	case "down":
		r.down(f.host)
		wait(f.last)
		r.up(f.host)
	}
}

// calm waits until nothing is under way, and fails the run if something stays.
// Nobody can take back what an iagent channel was asked: that may stay.
func (r *run) calm() {
	for range 20 {
		time.Sleep(time.Minute)
		if r.w.Model.Active() == 0 {
			return
		}
	}
	if !strings.Contains(r.s.config, "kind: iagent") {
		r.Errorf("%d answers are still under way at the model", r.w.Model.Active())
	}
}

// trace is all that was seen, in an order of its own.
func (r *run) trace() string {
	var b strings.Builder
	for i, a := range r.s.actors {
		for _, line := range r.traces[i] {
			fmt.Fprintf(&b, "%s %s: %s\n", a.name, fronts[a.front], line)
		}
	}
	var seen []string
	for _, s := range r.w.Model.Seen() {
		seen = append(seen, fmt.Sprintf("model %v: %s %s stream=%t %d messages", s.At.Sub(r.began), s.Dialect, s.Model, s.Stream, len(s.Messages)))
	}
	slices.Sort(seen)
	b.WriteString(strings.Join(seen, "\n"))
	return b.String()
}

// report collects what breaks a rule in one run, so that others go on.
type report struct {
	testing.TB
	seed uint64
	mu   sync.Mutex
	said []string
}

func (r *report) add(s string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.said) < 20 {
		r.said = append(r.said, s)
	}
}

func (r *report) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.said
}

func (r *report) failed() bool { return len(r.all()) > 0 }

func (r *report) Helper()                           {}
func (r *report) Failed() bool                      { return r.failed() }
func (r *report) Log(...any)                        {}
func (r *report) Logf(string, ...any)               {}
func (r *report) Error(args ...any)                 { r.add(fmt.Sprint(args...)) }
func (r *report) Errorf(format string, args ...any) { r.add(fmt.Sprintf(format, args...)) }
func (r *report) Fatal(args ...any)                 { r.add(fmt.Sprint(args...)); runtime.Goexit() }
func (r *report) Fatalf(format string, args ...any) {
	r.add(fmt.Sprintf(format, args...))
	runtime.Goexit()
}
