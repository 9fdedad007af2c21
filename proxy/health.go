package proxy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/dragoman-gateway/dragoman/translate"
)

// Force is what an operator has decided about a channel, whatever its record says.
// It is not kept over a restart.
type Force int32

// The decisions. A breaker that is open lets nothing through.
const (
	ForceNothing Force = iota // the record decides
	ForceOpen                 // no question goes to the channel
	ForceClose                // questions go to it in spite of its breaker and of a key that was set aside
)

// String names f as the API for operators does: auto, open or close.
func (f Force) String() string { return [...]string{"auto", "open", "close"}[f] }

// ParseForce returns the decision called word; ok is false where there is none.
func ParseForce(word string) (f Force, ok bool) {
	for f = range ForceClose + 1 {
		if f.String() == word {
			return f, true
		}
	}
	return 0, false
}

// ChannelState is how a configured channel stands. It holds no key, and no address but
// that of its proxy.
type ChannelState struct {
	ID         string     `json:"id"`
	Kind       string     `json:"kind"`
	Tier       int        `json:"tier"`
	Weight     int        `json:"weight"`
	Forced     string     `json:"forced"`     // auto, open or close
	InFlight   int        `json:"in_flight"`  // requests on all keys
	Concurrent int        `json:"concurrent"` // 0: no limit
	Waiting    int        `json:"waiting"`    // questions that wait for one of its slots
	Keys       []KeyState `json:"keys"`
	// Proxy is through what it is reached, without a password, and what says so:
	// "http://user:***@10.0.0.1:3128 (HTTPS_PROXY)", or "direct".
	Proxy string `json:"proxy"`
	// Headers and Query are the names of what is configured to be sent with every
	// request; their values are not shown.
	Headers []string `json:"headers,omitempty"`
	Query   []string `json:"query,omitempty"`
	// Probe is what became of its probes; nil: it is not probed.
	Probe *ProbeState `json:"probe,omitempty"`
}

// KeyState is how one key of a channel stands, by its place in the configuration,
// from 0.
type KeyState struct {
	Key      int          `json:"key"`
	InFlight int          `json:"in_flight"`
	Models   []ModelState `json:"models"`
}

// ModelState is the record of one model on one channel with one key.
type ModelState struct {
	Model    string `json:"model"`
	Upstream string `json:"upstream"`
	// State is ready; trial (the next request decides whether it is used again);
	// open (its breaker is); throttled (by the back end); aside (its key or the model was
	// refused, or its account is used up); full (all slots of the channel are taken); slow (others of its tier are
	// chosen before it while they have room).
	State string `json:"state"`
	// Why says the same in words; empty while it is ready, unless new connections to it
	// are slowed.
	Why string `json:"why,omitempty"`
	// Seconds is how long until a request may try it; 0: now, or when a slot is free.
	Seconds float64 `json:"seconds"`
	// Requests, Failures and Streak are what the breaker counts: those of the last ten
	// seconds that failed or went well, those that failed, and the failures in a row.
	Requests uint32 `json:"requests"`
	Failures uint32 `json:"failures"`
	Streak   uint32 `json:"streak"`
	// FirstMs is the moving average of the time to the first content of streamed
	// answers, WholeMs that of answers in one piece; 0: none yet.
	FirstMs float64 `json:"first_ms"`
	WholeMs float64 `json:"whole_ms"`
	// Quirks are what its answers have shown: finish_reason, that they say why they end (one
	// that does not was cut off); no finish_reason, that none did so far; refuses NAME, that
	// questions go without this member.
	Quirks []string `json:"quirks,omitempty"`
	// Context is how many tokens the model takes, as far as that is configured, known or
	// learnt; 0: nobody knows.
	Context int64 `json:"context,omitempty"`
}

// ErrNoChannel says that no channel has the id that was given.
var ErrNoChannel = fmt.Errorf("there is no such channel")

// Channels returns how all channels stand, in the order of the configuration. It
// changes nothing.
func (g *Gateway) Channels() []ChannelState {
	p, now := g.plan.Load(), time.Now()
	var all []ChannelState
	for _, ch := range p.channels {
		if ch.key == 0 {
			all = append(all, ch.state())
		}
		last := &all[len(all)-1]
		last.Keys = append(last.Keys, p.keyState(ch, now))
	}
	return all
}

func (c *Channel) state() ChannelState {
	return ChannelState{
		ID: c.ID, Kind: c.conf.Kind, Tier: c.conf.Tier, Weight: c.conf.Weight, Forced: c.force().String(),
		InFlight: c.load.Taken(), Concurrent: int(c.load.Limit), Waiting: c.load.Waiting(), Probe: c.prober.read(),
		Proxy: c.conf.Way().String(), Headers: slices.Sorted(maps.Keys(c.conf.Headers)), Query: slices.Sorted(maps.Keys(c.conf.Query)),
	}
}

func (p *Plan) keyState(ch *Channel, now time.Time) KeyState {
	k := KeyState{Key: ch.key, InFlight: int(ch.InFlight.Load())}
	for _, m := range ch.conf.Models {
		if c := p.candidate(ch, m.Name); c != nil {
			s := c.state(now)
			s.Model = m.Name
			k.Models = append(k.Models, s)
		}
	}
	return k
}

// candidate is what ch is in the route of model; nil: nothing.
func (p *Plan) candidate(ch *Channel, model string) *candidate {
	r := p.routes[model]
	if r == nil {
		return nil
	}
	for _, tier := range r.tiers {
		for i := range tier {
			if tier[i].ch == ch {
				return &tier[i]
			}
		}
	}
	return nil
}

func (c *candidate) state(now time.Time) ModelState {
	n := c.cell.br.Counts()
	s := ModelState{
		Upstream: c.upstream, State: "ready", Requests: n.TotalSuccesses + n.TotalFailures, Failures: n.TotalFailures, Streak: c.cell.row.Load(),
		FirstMs: millis(c.cell.streams.average()), WholeMs: millis(c.cell.wholes.average()), Quirks: c.quirks.names(), Context: c.span.tokens(),
	}
	b := c.barred(now)
	s.Seconds = b.wait.Seconds()
	switch {
	case b.state != "":
		s.State, s.Why = b.state, b.why
	case c.ch.force() == ForceClose:
		s.Why = "held closed by the operator"
	case c.ch.aside.held(), c.cell.aside.held(), c.cell.br.State() != gobreaker.StateClosed:
		s.State, s.Why = "trial", "the next request decides whether it is used again"
	case c.ch.load.AtLimit():
		s.State, s.Why = "full", "at its limit of requests"
	case c.cell.lag(now).state != "":
		b = c.cell.lag(now)
		s.State, s.Why, s.Seconds = b.state, b.why, b.wait.Seconds()
	case c.ch.gate != nil:
		if b = c.ch.gate.bar(now); b.state != "" {
			s.State, s.Why, s.Seconds = b.state, b.why, b.wait.Seconds()
		}
		if pace := c.ch.gate.pace(now); pace != "" {
			s.Why = strings.TrimPrefix(s.Why+"; "+pace, "; ")
		}
	}
	return s
}

// bar is what keeps questions from a candidate. The zero value is nothing.
type bar struct {
	state string // see ModelState.State
	why   string // in words
	wait  time.Duration
	fault translate.Fault // of which kind it is; 0: of none
}

// said is b as clients are told of it: without times, which differ for each of many.
func (b bar) said() string {
	switch b.state {
	case "open":
		return "out of use"
	case "trial":
		return "out of use, and being tried again"
	case "throttled":
		return consequences[translate.FaultBusy].words
	}
	return b.why
}

// barred says what keeps questions from c now. It only reads.
func (c *candidate) barred(now time.Time) bar {
	force := c.ch.force()
	if force == ForceOpen {
		return bar{state: "open", why: "taken out of use by the operator"}
	}
	if b := c.ch.aside.barred(now); b.state != "" && force != ForceClose {
		return b
	}
	return c.cell.barred(now, force)
}

// force is what the operator has decided about the channel.
func (c *Channel) force() Force { return Force(c.forced.Load()) }

// Force decides about the channel id, for all of its keys and models, from now on;
// [ForceNothing] leaves it to its record again. It returns [ErrNoChannel] where
// there is none. Requests that run are not touched.
func (g *Gateway) Force(id string, f Force) error {
	found := false
	for _, ch := range g.plan.Load().channels {
		if ch.ID == id {
			ch.forced.Store(int32(f))
			found = true
		}
	}
	if !found {
		return ErrNoChannel
	}
	g.log.Warn("an operator has decided about a channel", "channel", id, "breaker", f.String())
	return nil
}

// Running is how many questions are open now: those that wait for a limit, for their
// turn, for a slot or for an answer, and those whose answers go out.
func (g *Gateway) Running() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := 0
	for _, p := range g.plans {
		n += p.users
	}
	return n
}

// Draining reports whether the gateway refuses new questions since it is stopping.
func (g *Gateway) Draining() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.draining
}

// ewma is a moving average in which the newest sample counts one part in eight. The
// zero value has no sample. Of samples that are added at one moment some may be lost.
type ewma struct{ mean atomic.Int64 }

func (e *ewma) add(d time.Duration) {
	old := e.mean.Load()
	if old == 0 {
		e.mean.Store(max(int64(d), 1))
		return
	}
	e.mean.Store(max(old+(int64(d)-old)/8, 1))
}
