package proxy

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/dragoman-gateway/dragoman/proxy/channel"
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

func stateOf(c *channel.Channel, probe *prober) ChannelState {
	return ChannelState{
		ID: c.ID, Kind: c.Conf.Kind, Tier: c.Conf.Tier, Weight: c.Conf.Weight, Forced: c.Force().String(),
		InFlight: c.Slots.Taken(), Concurrent: int(c.Slots.Limit), Waiting: c.Slots.Waiting(), Probe: probe.read(),
		Proxy: c.Conf.Way().String(), Headers: slices.Sorted(maps.Keys(c.Conf.Headers)), Query: slices.Sorted(maps.Keys(c.Conf.Query)),
	}
}

func keyState(p *routing.Plan, ch *channel.Channel, now time.Time) KeyState {
	k := KeyState{Key: ch.Key, InFlight: int(ch.InFlight.Load())}
	for _, m := range ch.Conf.Models {
		if c := p.Candidate(ch, m.Name); c != nil {
			s := c.State(now)
			s.Model = m.Name
			k.Models = append(k.Models, s)
		}
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
