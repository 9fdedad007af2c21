package proxy

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/proxy/channel"
	"github.com/dragoman-gateway/dragoman/proxy/journal"
	"github.com/dragoman-gateway/dragoman/proxy/routing"
)

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
	Key      int                  `json:"key"`
	InFlight int                  `json:"in_flight"`
	Models   []channel.ModelState `json:"models"`
}

// ErrNoChannel says that no channel has the id that was given.
var ErrNoChannel = fmt.Errorf("there is no such channel")

// Channels returns how all channels stand, in the order of the configuration. It
// changes nothing.
func (g *Gateway) Channels() []ChannelState {
	p, now := g.plan.Load(), time.Now()
	var all []ChannelState
	for _, ch := range p.Channels {
		if ch.Key == 0 {
			all = append(all, stateOf(ch, g.probers.Load().at(ch.ID)))
		}
		last := &all[len(all)-1]
		last.Keys = append(last.Keys, keyState(p, ch, now))
	}
	return all
}

// EachStanding calls f for every key and model of the channels that may not be ready, with how
// that stands, and returns how many channels there are: what f is not told of is ready.
func (g *Gateway) EachStanding(f func(ch *channel.Channel, model string, b channel.Bar)) (channels int) {
	p, now := g.plan.Load(), time.Now()
	channels, _ = g.standing.Each(p, &g.board, func(_ int, keys []*channel.Channel) bool {
		rests := keys[0].Gate == nil // others dial its server too
		for _, ch := range keys {
			for i, c := range p.Candidates(ch) {
				b := c.Standing(now)
				rests = rests && b.Ready()
				f(ch, ch.Conf.Models[i].Name, b)
			}
		}
		return rests
	})
	return channels
}

// ChangedChannel is how a configured channel stands, with its place among them.
type ChangedChannel struct {
	At int
	ChannelState
}

// Changes are the channels that may stand otherwise than before.
type Changes struct {
	Channels []ChangedChannel // in the order of the configuration
	All      bool             // there are no others: the configuration is another one than before
	Ready    bool             // every channel, key and model is, also of those that are left out
}

// Watch is one observer of the channels.
type Watch = routing.Watch

// Changed returns what may be otherwise than at the last look of w. It changes nothing else.
func (g *Gateway) Changed(w *Watch) Changes {
	p, now, c := g.plan.Load(), time.Now(), Changes{Ready: true}
	_, c.All = w.Each(p, &g.board, func(at int, keys []*channel.Channel) bool {
		s := stateOf(keys[0], g.probers.Load().at(keys[0].ID))
		rests := keys[0].Gate == nil && s.Probe == nil && s.Waiting == 0
		for _, ch := range keys {
			k := keyState(p, ch, now)
			for i := range k.Models {
				c.Ready = c.Ready && k.Models[i].State == "ready"
				rests = rests && k.Models[i].Rests()
			}
			s.Keys = append(s.Keys, k)
		}
		c.Channels = append(c.Channels, ChangedChannel{at, s})
		return rests
	})
	return c
}

func stateOf(c *channel.Channel, probe *prober) ChannelState {
	return ChannelState{
		ID: c.ID, Kind: c.Conf.Kind, Tier: c.Conf.Tier, Weight: c.Conf.Weight, Forced: c.Force().String(),
		InFlight: c.Slots.Taken(), Concurrent: int(c.Slots.Limit), Waiting: c.Slots.Waiting(), Probe: probe.read(),
		Proxy: c.Conf.Way().String(), Headers: slices.Sorted(maps.Keys(c.Conf.Headers)), Query: slices.Sorted(maps.Keys(c.Conf.Query)),
	}
}

func keyState(p *routing.Plan, ch *channel.Channel, now time.Time) KeyState {
	k := KeyState{Key: ch.Key, InFlight: int(ch.InFlight.Load())}
	for i, c := range p.Candidates(ch) {
		s := c.State(now)
		s.Model = ch.Conf.Models[i].Name
		k.Models = append(k.Models, s)
	}
	return k
}

// Force decides about the channel id, for all of its keys and models, from now on;
// [ForceNothing] leaves it to its record again. It returns [ErrNoChannel] where
// there is none. Requests that run are not touched.
func (g *Gateway) Force(id string, f channel.Force) error {
	found := false
	for _, ch := range g.plan.Load().Channels {
		if ch.ID == id {
			ch.Forced.Store(int32(f))
			ch.Mark.Note()
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
		n += p.Users
	}
	return n
}

// Draining reports whether the gateway refuses new questions since it is stopping.
func (g *Gateway) Draining() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.draining
}

// ProbeState is what became of the probes of a channel since the process began.
type ProbeState struct {
	Every float64 `json:"every_seconds"`
	Model string  `json:"model,omitempty"` // empty: whatever is out of use, else the first
	Left  int     `json:"left"`            // how many may be made now under the ceiling
	// Good ones gave content; bad ones count as failures like any other; neutral are
	// those that told nothing: the question was refused, or the channel throttled.
	Good    uint64 `json:"good"`
	Bad     uint64 `json:"bad"`
	Neutral uint64 `json:"neutral"`
	Last    string `json:"last,omitempty"`   // when the newest one ended, in RFC 3339
	Result  string `json:"result,omitempty"` // how: ok or the kind of fault
}

// probers are the goroutines that ask channels unasked, one for each channel that has
// a probe, so that two probes of one channel never overlap. nil has none.
type probers struct {
	of      map[string]*prober // by the channel's id
	end     context.CancelFunc
	running sync.WaitGroup
}

func (p *probers) stop() {
	if p == nil {
		return
	}
	p.end()
	p.running.Wait()
}

// at is that of the channel id; nil: there is none.
func (p *probers) at(id string) *prober {
	if p == nil {
		return nil
	}
	return p.of[id]
}

// prober is the probes of one configured channel.
type prober struct {
	g     *Gateway
	plan  *routing.Plan
	conf  *config.Probe
	keys  []*channel.Channel
	most  *rate.Limiter
	asked uint64 // attempts of callers on the channel when it was last looked at

	mu    sync.Mutex // guards state
	state ProbeState
}

// read is a copy of the state; b may be nil.
func (b *prober) read() *ProbeState {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.state
	s.Left = int(max(b.most.Tokens(), 0))
	return &s
}

// Explain says what became of the exchange with the request id, or how far it has
// got: of several the oldest, with a list of all. ok is false where none is known: it is
// older than the newest 2,048 ordinary ones that have ended and the newest 2,048 that
// met with any trouble.
func (g *Gateway) Explain(id string) (e *Explanation, ok bool) { return g.ExplainOf(id, "", 0) }

// ExplainOf does the same for one of several exchanges with the request id: the n-th,
// from 1, or if n is 0 the oldest; of caller, unless that is empty.
func (g *Gateway) ExplainOf(id, caller string, n int) (e *Explanation, ok bool) {
	return g.traces.Explain(id, caller, n, g.plan.Load().PolicyName)
}

// Traces are those of the newest exchanges.
func (g *Gateway) Traces() *journal.Traces { return &g.traces }
