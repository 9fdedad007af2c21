package proxy

import (
	"fmt"
	"maps"
	"slices"
	"time"
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
	Key      int          `json:"key"`
	InFlight int          `json:"in_flight"`
	Models   []ModelState `json:"models"`
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
			all = append(all, ch.state(p.probers.of[ch.ID]))
		}
		last := &all[len(all)-1]
		last.Keys = append(last.Keys, p.keyState(ch, now))
	}
	return all
}

func (c *Channel) state(probe *prober) ChannelState {
	return ChannelState{
		ID: c.ID, Kind: c.conf.Kind, Tier: c.conf.Tier, Weight: c.conf.Weight, Forced: c.force().String(),
		InFlight: c.load.Taken(), Concurrent: int(c.load.Limit), Waiting: c.load.Waiting(), Probe: probe.read(),
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
