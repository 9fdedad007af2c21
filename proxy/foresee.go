package proxy

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/limiter"
	"github.com/dragoman-gateway/dragoman/proxy/channel"
	"github.com/dragoman-gateway/dragoman/proxy/journal"
	"github.com/dragoman-gateway/dragoman/proxy/routing"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Hypothesis is a question that is not asked.
type Hypothesis struct {
	// Model is a model or preset; empty: the caller's default.
	Model string `json:"model"`
	// Caller is the name of a caller of the file or of a stored key, whose id may stand in its
	// place, or anonymous; Key is a credential.
	// One of the two; neither is the anonymous caller where there is one, else nobody
	// in particular, who may use everything.
	Caller string `json:"caller"`
	Key    string `json:"key"`
	// Front is a dialect, which is only repeated: every front finds the same channels. Empty: none
	// in particular.
	Front string `json:"front"`
	// Endpoint is a path beside chat, such as /v1/embeddings or /embeddings; empty: it is a chat.
	Endpoint string `json:"endpoint"`
}

// Foresee says where a question would go if it came now. It takes no slot, asks no
// channel and moves no policy and no record; where the limits or the budget of its caller are used up, it
// says that no channel would be asked. The error's code is that of the refusal
// that the caller would get, or NOT_FOUND for a caller that neither the file nor a
// stored key names.
func (g *Gateway) Foresee(ctx context.Context, h Hypothesis) (*Explanation, *translate.Error) {
	p := g.plan.Load()
	who, err := g.hypothetical(p, h)
	if err != nil {
		return nil, err
	}
	if err := frontKnown(h.Front); err != nil {
		return nil, err
	}
	beside, dialect, err := g.endpoint(&h)
	if err != nil {
		return nil, err
	}
	m, err := p.Resolve(who, h.Model)
	if err != nil {
		return nil, err
	}
	if beside != "" && m.Preset != nil {
		return nil, translate.InvalidAt("model", "a preset is for chats: name a model")
	}
	e := &Explanation{Front: h.Front, Endpoint: beside, Caller: who.Name, Model: translate.Clip(m.Name), Policy: p.PolicyName}
	for _, r := range who.Rules {
		e.Limits = strings.TrimPrefix(e.Limits+", "+r.Name(), ", ")
	}
	if b := p.Budgets[who.Limits]; b != nil && !slices.ContainsFunc(who.Rules, func(r *limiter.Rule) bool { return r.Name() == who.Limits }) {
		e.Limits = strings.TrimPrefix(e.Limits+", "+who.Limits, ", ")
	}
	if m.Preset != nil {
		e.Preset = translate.Clip(h.Model)
	}
	now, passed := time.Now(), []channel.Skip(nil)
	for _, r := range p.RoutesOf(nil, m) {
		for _, tier := range r.Tiers {
			passed = append(passed, foresee(e, r, tier, dialect, now)...)
		}
	}
	judge(e, passed, beside, dialect)
	refusal, err := g.foreseeRefusal(ctx, p, Question{Caller: who, Model: m})
	if refusal != nil {
		e.Verdict, e.Retry = "no channel would be asked: "+refusal.Message, journal.Rounded(refusal.Retry.Seconds())
	}
	return e, err
}

// judge gives e its verdict where no channel is ready, of which passed says why.
func judge(e *Explanation, passed []channel.Skip, beside, dialect string) {
	if e.Verdict == "" && beside != "" && len(passed) == 0 {
		e.Verdict = unspoken(beside, dialect).Message
		return
	}
	for _, x := range passed {
		if e.Verdict == "" && x.Gate() != nil && x.Wait < dialTime {
			e.Verdict = "it would wait for a connection to " + x.Channel.ID + ", whose server throttles new ones, for about " + channel.Seconds(x.Wait)
		}
	}
	if e.Verdict == "" {
		refusal := channel.FinalError(nil, passed, true)
		e.Verdict = refusal.Error()
		e.Retry = journal.Rounded(refusal.Retry.Seconds())
	}
}

// foreseeRefusal returns why the limits or the budget of q's caller would refuse even the smallest
// question; nil: they would not, or it would wait for them. The error is that of ctx.
func (g *Gateway) foreseeRefusal(ctx context.Context, p *routing.Plan, q Question) (refusal, err *translate.Error) {
	if _, over := g.foreseeRules(ctx, p, q, 1); over != nil && (over.TooLarge || !p.Callers.Queues(over.Rule)) {
		return over.Refusal(), nil
	}
	b := p.Budgets[q.Caller.Limits]
	if b == nil {
		return nil, nil
	}
	use, gone := g.admission.BudgetOf(ctx, b, q.Caller.Name)
	if gone != nil {
		return nil, translate.Gone(context.Cause(ctx))
	}
	return use.Refusal(p.PriceOf(q.Model, "").Reserve(translate.Usage{}), time.Now()), nil
}

// frontKnown returns an error for a name that no front has; the empty one is fine.
func frontKnown(name string) *translate.Error {
	var known []string
	for i := range config.Kinds {
		k := &config.Kinds[i]
		if k.Dialect != k.Name {
			continue // the model inside has no front
		}
		if known = append(known, k.Name); k.Name == name {
			return nil
		}
	}
	if name == "" {
		return nil
	}
	return translate.InvalidAt("front", "there is no such front: want one of "+strings.Join(known, ", "))
}

// endpoint returns the path of the endpoint that h names, and the dialect whose channels have it; both
// are empty for a chat. It fills in the model and the front that h leaves open.
func (g *Gateway) endpoint(h *Hypothesis) (path, dialect string, err *translate.Error) {
	if h.Endpoint == "" {
		return "", "", nil
	}
	want := "/v1/" + strings.TrimPrefix(strings.TrimPrefix(h.Endpoint, "/"), "v1/")
	var known []string
	for _, name := range slices.Sorted(maps.Keys(g.endpoints)) {
		for i := range g.endpoints[name] {
			e := &g.endpoints[name][i]
			route := e.Route()
			if known = append(known, route); route != want {
				continue
			}
			if h.Front != "" && h.Front != name {
				return "", "", translate.InvalidAt("front", want+" is an endpoint of the "+name+" front")
			}
			h.Model, h.Front = cmp.Or(h.Model, e.Model), name
			if h.Model == "" {
				return "", "", translate.InvalidAt("model", "a question of "+want+" has to name its model")
			}
			return want, name, nil
		}
	}
	return "", "", translate.InvalidAt("endpoint", "there is no such endpoint beside chat: want one of "+strings.Join(known, ", "))
}

// foresee adds the candidates of one tier. The first tier in which one is ready is
// where the question would go. A question of an endpoint goes to channels of dialect only; empty: it
// goes to all.
func foresee(e *Explanation, r *routing.Route, tier []channel.Candidate, dialect string, now time.Time) (passed []channel.Skip) {
	var ready, slow []int
	for i := range tier {
		c, s := routing.Describe(&tier[i], r.Plain.Name), tier[i].State(now)
		c.State, c.Why, c.Seconds = s.State, s.Why, journal.Rounded(s.Seconds)
		b := tier[i].Barred(now)
		switch {
		case dialect != "" && !tier[i].Channel.Speaks(dialect):
			c.State, c.Why, c.Seconds = "unsuited", unsuitedWhy, 0
		case s.State == "full":
			passed = append(passed, channel.Skip{Channel: tier[i].Channel, Why: s.Why, Said: s.Why, Busy: true, Full: tier[i].Channel.Slots})
		case b.State != "":
			passed = append(passed, tier[i].Skip(b))
		case s.State == "throttled":
			x := channel.Skip{Channel: tier[i].Channel, Why: s.Why, Said: "throttled", Wait: time.Duration(s.Seconds * float64(time.Second)), Busy: true, Full: &tier[i].Channel.Gate.Turn}
			passed = append(passed, x)
		case s.State == "slow":
			slow = append(slow, len(e.Candidates))
		default:
			ready = append(ready, len(e.Candidates))
		}
		e.Candidates = append(e.Candidates, c)
	}
	if len(ready) == 0 {
		ready = slow
	}
	if e.Verdict != "" || len(ready) == 0 {
		return passed
	}
	var names []string
	first, total := len(e.Candidates)-len(tier), 0.0
	for _, at := range ready {
		total += float64(tier[at-first].Channel.Weight)
	}
	for _, at := range ready {
		c := &e.Candidates[at]
		c.Share = journal.Rounded(float64(tier[at-first].Channel.Weight) / total)
		names = append(names, c.Channel)
	}
	if len(names) == 1 {
		e.Verdict = "it would go to " + names[0] + ", the only one of its tier that can take it"
	} else {
		e.Verdict = e.Policy + " would choose among " + strings.Join(names, ", ")
	}
	return passed
}

// hypothetical finds whom h means.
func (g *Gateway) hypothetical(p *routing.Plan, h Hypothesis) (*Caller, *translate.Error) {
	switch {
	case h.Key != "" && h.Caller != "":
		return nil, translate.Invalid("want a caller or a key, not both")
	case h.Key != "":
		return g.Identify(h.Key, "")
	}
	return g.keys.Named(p.Callers, h.Caller)
}
