package proxy

import (
	"cmp"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/proxy/admission"
	"github.com/dragoman-gateway/dragoman/proxy/auth"
	"github.com/dragoman-gateway/dragoman/proxy/balance"
	"github.com/dragoman-gateway/dragoman/proxy/channel"
	"github.com/dragoman-gateway/dragoman/proxy/conversation"
	"github.com/dragoman-gateway/dragoman/proxy/fairqueue"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Plan is the compiled configuration: who may ask, what a model's name means,
// which channels serve it. It is immutable; the live part of its channels is
// not. A plan is replaced as a whole.
type Plan struct {
	callers  *auth.Callers
	presets  map[string]*config.Preset
	prices   map[string]*price
	budgets  map[string]*admission.Budget // by the name of the limits
	routes   map[string]*route
	models   []string // in the order of the configuration, presets last
	channels []*channel.Channel
	policy   balance.Policy
	chance   balance.Chance
	// policyName is what the configuration calls it.
	policyName string
	// fallbacks are the models that may answer in another's place.
	fallbacks map[string][]string
	gates     map[string]*channel.Gate        // of the servers that are dialled through one
	dials     map[*channel.Gate]time.Duration // the configured pace, where there is one
	probers   probers

	// masker hides the keys and hosts of the channels; it is made when the first
	// failure has to be told. nil: nothing is configured.
	masker func() *translate.Masker

	users int                          // exchanges under it; the gateway's to lock
	cells map[string][]*channel.Record // by cellName, where gateways tell each other; nil: they do not
}

// route is one model's channels, by tier.
type route struct {
	tiers   [][]channel.Candidate
	throngs []*throng // of each tier; nil: it is small
	spoken  []string  // dialects of the channels, each once
	price   *price    // the first that is known by an upstream's name; nil: none
	plain   *Model    // the model itself, without a preset
}

// newPlan compiles conf, which has been checked. open makes the upstream of one
// channel and key. Channels that are in before too, which may be nil, go on with what
// is known of them.
func newPlan(conf *config.Config, open Opener, chance balance.Chance, before *Plan) (*Plan, error) {
	p := &Plan{
		callers: auth.New(&conf.Callers, conf.Limits),
		prices:  newPrices(conf.Prices),
		budgets: admission.NewBudgets(conf.Limits),
		presets: make(map[string]*config.Preset, len(conf.Presets)),
		routes:  make(map[string]*route),
		policy:  policyOf(conf.Balance, chance),
		chance:  chance,

		policyName: cmp.Or(conf.Balance, "p2c"),

		fallbacks: conf.Fallbacks,
	}
	for i := range conf.Channels {
		if err := p.addChannel(conf, &conf.Channels[i], open, before); err != nil {
			closeAll(p.reachedBut([]*Plan{cmp.Or(before, &Plan{})}))
			return nil, err
		}
	}
	for _, r := range p.routes {
		r.gather(p)
	}
	p.masker = sync.OnceValue(func() *translate.Masker { return maskerOf(conf) })
	for name, preset := range conf.Presets {
		p.presets[name] = &preset
	}
	for _, name := range slices.Sorted(mapKeys(conf.Presets)) {
		if _, taken := p.routes[name]; !taken {
			p.models = append(p.models, name)
		}
	}
	return p, nil
}

// mask is the plan's masker.
func (p *Plan) mask() *translate.Masker {
	if p == nil || p.masker == nil {
		return nil
	}
	return p.masker()
}

// maskerOf knows what no client may see of conf, and of that what no log may.
func maskerOf(conf *config.Config) *translate.Masker {
	var keys, hosts []string
	for i := range conf.Channels {
		ch := &conf.Channels[i]
		keys = append(keys, ch.Keys...)
		if u, err := url.Parse(ch.URL); err == nil && u.Hostname() != "" {
			hosts = append(hosts, u.Hostname())
		}
		keys = append(keys, ch.Secrets()...)
		if u := ch.Way().URL(); u != nil {
			hosts = append(hosts, u.Hostname())
		}
	}
	if u, err := url.Parse(conf.Shared.URL); err == nil && u.Hostname() != "" {
		secret, _ := u.User.Password()
		keys, hosts = append(keys, secret), append(hosts, u.Hostname())
	}
	if j := conf.Callers.JWT; j != nil {
		keys = append(append(keys, j.Secret), j.Way().Secrets()...)
	}
	return translate.NewMasker(append(keys, conf.Admin.Token), hosts)
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

func (p *Plan) addChannel(conf *config.Config, c *config.Channel, open Opener, before *Plan) error {
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
		was := before.channel(c.ID, key)
		opener := open
		if was != nil && channel.SameWay(c, was.Conf) {
			opener = func(*config.Channel, string) (Upstream, error) { return was.Upstream, nil }
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
		p.channels = append(p.channels, ch)
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

// addRoute puts c into its tier of the route of m; tiers are kept in order.
func (p *Plan) addRoute(m config.Model, c channel.Candidate) {
	r := p.routes[m.Name]
	if r == nil {
		r = &route{}
		r.plain = &Model{Name: m.Name, asked: m.Name, plan: p, route: r}
		p.routes[m.Name] = r
		p.models = append(p.models, m.Name)
	}
	at, found := slices.BinarySearchFunc(r.tiers, c.Channel.Conf.Tier, func(tier []channel.Candidate, want int) int {
		return tier[0].Channel.Conf.Tier - want
	})
	if !found {
		r.tiers = slices.Insert(r.tiers, at, nil)
	}
	r.tiers[at] = append(r.tiers[at], c)
	if d := c.Channel.Kind.Dialect; d != "" && !slices.Contains(r.spoken, d) {
		r.spoken = append(r.spoken, d)
	}
}

func (p *Plan) close() {
	p.probers.stop()
	for _, ch := range p.channels {
		_ = ch.Upstream.Close()
	}
	p.callers.Close(nil)
}

// Model is what a name asked for comes to.
type Model struct {
	Name   string         // of the model
	asked  string         // the model or preset
	plan   *Plan          // in which it was found
	preset *config.Preset // nil: a plain model
	route  *route
}

// defaultPreset is the preset of docs/rules/conversations.md 7: what a client
// that names no model gets.
const defaultPreset = "default"

// resolve finds the model that c means by name: a model or a preset. An empty
// name is the default preset, else the first model that c may use.
func (p *Plan) resolve(c *Caller, name string) (*Model, *translate.Error) {
	if name == "" {
		name = p.defaultName(c)
	}
	preset := p.presets[name]
	model := name
	if p.routes[name] != nil {
		preset = nil
	} else if preset != nil {
		model = preset.Model
	}
	if !c.May(name) && !c.May(model) {
		return nil, &translate.Error{Code: translate.CodePermission, Message: fmt.Sprintf("the model %q is not for this caller", translate.Clip(name))}
	}
	r := p.routes[model]
	if r == nil {
		return nil, &translate.Error{Code: translate.CodeModelNotFound, Message: fmt.Sprintf("no channel serves the model %q", translate.Clip(name))}
	}
	if preset == nil {
		return r.plain, nil
	}
	return &Model{Name: model, asked: name, plan: p, preset: preset, route: r}, nil
}

func (p *Plan) defaultName(c *Caller) string {
	if p.presets[defaultPreset] != nil {
		return defaultPreset
	}
	for _, m := range p.models {
		if c.May(m) {
			return m
		}
	}
	return ""
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

// openGates puts the configured paces of p into force.
func (p *Plan) openGates(r *fairqueue.Queue) {
	for _, g := range p.gates {
		g.Configure(p.dials[g], r)
	}
}

// Bounds of what is read of one conversation for one question, in bytes as
// [store.Message.Weight] counts: of what a model takes so many times as much, since a
// message weighs more in memory than it is long; and what is read for a model of which
// nobody knows what it takes.
const (
	readTimes = 4
	readLeast = 64 << 10
	readFew   = 64 // messages: who wants no more of them gets them, whatever the model takes
)

// room is the most that a model of r takes, see span; 0: nobody knows of one of them.
func (r *route) room(maxTokens *int) (most int) {
	for _, tier := range r.tiers {
		for i := range tier {
			room := tier[i].Window.Room(maxTokens)
			if room == 0 {
				return 0
			}
			most = max(most, room)
		}
	}
	return most
}

// reading is how much of a conversation is read for a question that sees keep messages
// before it, or all if keep is negative, in bytes as a store weighs them.
func (p *Plan) reading(m *Model, maxTokens *int, keep int) int {
	if keep >= 0 && keep <= readFew {
		return conversation.ReadMost
	}
	var some [4]*route
	most := readLeast
	for _, r := range p.routesOf(some[:0], m) {
		room := r.room(maxTokens)
		if room == 0 {
			return conversation.ReadMost
		}
		most = max(most, readLeast+min(room, conversation.ReadMost)*readTimes)
	}
	return min(most, conversation.ReadMost)
}
