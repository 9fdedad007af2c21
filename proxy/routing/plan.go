package routing

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/proxy/admission"
	"github.com/dragoman-gateway/dragoman/proxy/auth"
	"github.com/dragoman-gateway/dragoman/proxy/balance"
	"github.com/dragoman-gateway/dragoman/proxy/channel"
	"github.com/dragoman-gateway/dragoman/proxy/fairqueue"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Plan is the compiled configuration: who may ask, what a model's name means,
// which channels serve it. It is immutable; the live part of its channels is
// not. A plan is replaced as a whole.
type Plan struct {
	Callers  *auth.Callers
	Presets  map[string]*config.Preset
	prices   map[string]*Price
	Budgets  map[string]*admission.Budget // by the name of the limits
	Routes   map[string]*Route
	Models   []string // in the order of the configuration, presets last
	Channels []*channel.Channel
	// candidates are those of each channel, in the order of its models.
	candidates map[*channel.Channel][]*channel.Candidate
	Policy     balance.Policy
	chance     balance.Chance
	// policyName is what the configuration calls it.
	PolicyName string
	// fallbacks are the models that may answer in another's place.
	fallbacks map[string][]string
	gates     map[string]*channel.Gate        // of the servers that are dialled through one
	dials     map[*channel.Gate]time.Duration // the configured pace, where there is one

	// masker hides the keys and hosts of the channels; it is made when the first
	// failure has to be told. nil: nothing is configured.
	masker func() *translate.Masker

	// LogShare is the part of the exchanges that ended well which have a line in the log.
	LogShare float64

	Users int // exchanges under it, for the gateway, whose lock guards it

	Cells map[string][]*channel.Candidate // by the names of their records, where gateways tell each other; nil: they do not
}

// New compiles conf, which has been checked. open makes the upstream of one
// channel and key. Channels that are in before too, which may be nil, go on with what
// is known of them.
func New(conf *config.Config, open channel.Opener, chance balance.Chance, before *Plan) (*Plan, error) {
	p := &Plan{
		Callers: auth.New(&conf.Callers, conf.Limits),
		prices:  NewPrices(conf.Prices),
		Budgets: admission.NewBudgets(conf.Limits),
		Presets: make(map[string]*config.Preset, len(conf.Presets)),
		Routes:  make(map[string]*Route),
		Policy:  policyOf(conf.Balance, chance),
		chance:  chance,

		PolicyName: cmp.Or(conf.Balance, "p2c"),

		fallbacks: conf.Fallbacks,
	}
	p.LogShare, _ = conf.Log.Share() // config has checked it
	for i := range conf.Channels {
		if err := p.addChannel(conf, &conf.Channels[i], open, before); err != nil {
			CloseAll(p.Only([]*Plan{cmp.Or(before, &Plan{})}))
			return nil, err
		}
	}
	for _, r := range p.Routes {
		r.prepare(p)
	}
	p.candidates = p.byChannel()
	p.masker = sync.OnceValue(func() *translate.Masker { return maskerOf(conf) })
	for name, preset := range conf.Presets {
		p.Presets[name] = &preset
	}
	for _, name := range slices.Sorted(mapKeys(conf.Presets)) {
		if _, taken := p.Routes[name]; !taken {
			p.Models = append(p.Models, name)
		}
	}
	return p, nil
}

// policyOf makes the policy called name; p2c where a configuration says nothing.
func policyOf(name string, chance balance.Chance) balance.Policy {
	if name == "" {
		name = "p2c"
	}
	return balance.Policies[name](chance)
}

func mapKeys[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func (p *Plan) addChannel(conf *config.Config, c *config.Channel, open channel.Opener, before *Plan) error {
	fold, err := channel.ParseFold(c.Fold)
	if err != nil {
		return fmt.Errorf("channel %q: %w", c.ID, err)
	}
	keys := c.Keys
	if len(keys) == 0 {
		keys = []string{""}
	}
	shown, spans := make(map[string]*channel.Quirks, len(c.Models)), make(map[config.Model]*channel.ContextWindow, len(c.Models))
	load := &fairqueue.Slots{Limit: int32(min(c.Concurrent, 1<<30))}
	for i, key := range keys {
		was := before.Channel(c.ID, key)
		opener := open
		if was != nil && channel.SameWay(c, was.Conf) {
			opener = func(*config.Channel, string) (channel.Upstream, error) { return was.Upstream, nil }
		}
		ch, err := channel.New(c, key, i, channel.NewTimeouts(&c.Timeouts, &conf.Timeouts), fold, opener)
		if err != nil {
			return fmt.Errorf("channel %q: %w", c.ID, err)
		}
		if was != nil {
			ch.Inherit(was)
			if i == 0 && was.Slots.Limit == load.Limit {
				load = was.Slots
			}
		}
		ch.Slots = load
		if ch.Dialer, _ = ch.Upstream.(channel.Dialer); ch.Dialer != nil {
			ch.Gate, ch.Spare.Spare = p.gateOf(ch.Dialer.Server(), c.Dials, before), true
		}
		p.Channels = append(p.Channels, ch)
		for _, m := range c.Models {
			record, known := (*channel.Record)(nil), (*channel.Candidate)(nil)
			if was != nil && channel.SamePlace(c, was.Conf) {
				known = before.candidateOf(was, &m)
			}
			if known != nil {
				record = known.Record
			}
			takes := config.Model{Upstream: m.Upstream, Context: m.Context}
			if known != nil && reflect.DeepEqual(c, was.Conf) {
				shown[m.Upstream], spans[takes] = known.Quirks, known.Window
			}
			if shown[m.Upstream] == nil {
				shown[m.Upstream] = &channel.Quirks{}
			}
			candidate := channel.NewCandidate(ch, m.Upstream, cmp.Or(record, channel.NewRecord(p.chance)))
			candidate.Quirks = shown[m.Upstream]
			if spans[takes] == nil {
				spans[takes] = channel.NewContextWindow(&m)
			}
			candidate.Window = spans[takes]
			p.addRoute(m, candidate)
		}
	}
	return nil
}

// Close closes all upstreams, and ends the fetching of keys.
func (p *Plan) Close() {
	for _, ch := range p.Channels {
		_ = ch.Upstream.Close()
	}
	p.Callers.Close(nil)
}

// gateOf is the gate of server: the one of before, if that plan has it.
func (p *Plan) gateOf(server string, dials config.Rate, before *Plan) *channel.Gate {
	g := p.gates[server]
	if g == nil && before != nil {
		g = before.gates[server]
	}
	if g == nil {
		g = channel.NewGate()
	}
	if p.gates == nil {
		p.gates, p.dials = make(map[string]*channel.Gate), make(map[*channel.Gate]time.Duration)
	}
	p.gates[server] = g
	if dials.N > 0 && dials.Per > 0 {
		p.dials[g] = max(p.dials[g], dials.Per/time.Duration(dials.N))
	}
	return g
}

// OpenGates puts the configured paces of p into force.
func (p *Plan) OpenGates(r *fairqueue.Queue) {
	for _, g := range p.gates {
		g.Configure(p.dials[g], r)
	}
}

// Only returns the upstreams of p that none of plans reaches.
func (p *Plan) Only(plans []*Plan) (alone []channel.Upstream) {
	stays := make(map[channel.Upstream]bool, len(p.Channels))
	for _, o := range plans {
		for _, ch := range o.Channels {
			stays[ch.Upstream] = true
		}
	}
	for _, ch := range p.Channels {
		if !stays[ch.Upstream] {
			alone = append(alone, ch.Upstream)
		}
	}
	return alone
}

// CloseAll closes all of ups.
func CloseAll(ups []channel.Upstream) {
	for _, up := range ups {
		_ = up.Close()
	}
}

// Channel is that of id with key in p; nil: there is none. p may be nil.
func (p *Plan) Channel(id, key string) *channel.Channel {
	if p == nil {
		return nil
	}
	for _, ch := range p.Channels {
		if ch.ID == id && ch.Secret() == key {
			return ch
		}
	}
	return nil
}

// candidateOf is what ch is in p for the model m, or for another one that it calls the
// same; nil: there is none.
func (p *Plan) candidateOf(ch *channel.Channel, m *config.Model) *channel.Candidate {
	if r := p.Routes[m.Name]; r != nil {
		if c := r.candidateOf(ch, m.Upstream); c != nil {
			return c
		}
	}
	for _, r := range p.Routes {
		if c := r.candidateOf(ch, m.Upstream); c != nil {
			return c
		}
	}
	return nil
}

// Publish makes the records of p known by their names, and has them told to other gateways.
func (p *Plan) Publish(tell func(channel.Hint)) {
	p.Cells = map[string][]*channel.Candidate{}
	for _, r := range p.Routes {
		for _, tier := range r.Tiers {
			for i := range tier {
				c := &tier[i]
				name := c.Publish(tell)
				p.Cells[name] = append(p.Cells[name], c)
			}
		}
	}
}

// byChannel finds the candidates of all channels in one pass over the routes, which are
// complete.
func (p *Plan) byChannel() map[*channel.Channel][]*channel.Candidate {
	type place struct {
		ch    *channel.Channel
		model string
	}
	at := make(map[place]*channel.Candidate)
	for name, r := range p.Routes {
		for _, tier := range r.Tiers {
			for i := range tier {
				if key := (place{tier[i].Channel, name}); at[key] == nil {
					at[key] = &tier[i]
				}
			}
		}
	}
	all := make(map[*channel.Channel][]*channel.Candidate, len(p.Channels))
	for _, ch := range p.Channels {
		for _, m := range ch.Conf.Models {
			all[ch] = append(all[ch], at[place{ch, m.Name}])
		}
	}
	return all
}

// Candidates are what ch is in the routes of its models, in the order of Conf.Models.
func (p *Plan) Candidates(ch *channel.Channel) []*channel.Candidate { return p.candidates[ch] }

// Candidate is what ch is in the route of model; nil: nothing.
func (p *Plan) Candidate(ch *channel.Channel, model string) *channel.Candidate {
	for i, c := range p.candidates[ch] {
		if ch.Conf.Models[i].Name == model {
			return c
		}
	}
	return nil
}

// RoutesOf appends the routes that a question for m is put to: its own, then its
// fallbacks.
func (p *Plan) RoutesOf(all []*Route, m *Model) []*Route {
	all = append(all, m.Route)
	for _, name := range p.fallbacks[m.Name] {
		if r := p.Routes[name]; r != nil {
			all = append(all, r)
		}
	}
	return all
}
