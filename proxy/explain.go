package proxy

import (
	"strings"
	"time"

	"github.com/dragoman-gateway/dragoman/proxy/channel"
	"github.com/dragoman-gateway/dragoman/proxy/journal"
	"github.com/dragoman-gateway/dragoman/proxy/routing"
	"github.com/dragoman-gateway/dragoman/translate"
)

// What is told of exchanges; see package journal.
type (
	Explanation = journal.Explanation
	Candidate   = journal.Candidate
	Attempt     = journal.Attempt
	Spent       = journal.Spent
	Same        = journal.Same
	Timing      = journal.Timing
)

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

// targetOf is c as it is noted that it is asked.
func targetOf(c *channel.Candidate) journal.Target {
	return journal.Target{Record: c.Record, Channel: c.Channel.ID, Key: c.Channel.Key, Tier: c.Channel.Conf.Tier, Model: c.Upstream}
}

// Hypothesis is a question that is not asked.
type Hypothesis struct {
	// Model is a model or preset; empty: the caller's default.
	Model string `json:"model"`
	// Caller is the name of a configured caller, or anonymous; Key is a credential.
	// One of the two; neither is the anonymous caller where there is one, else nobody
	// in particular, who may use everything.
	Caller string `json:"caller"`
	Key    string `json:"key"`
	// Front is only repeated: every front finds the same channels.
	Front string `json:"front"`
}

// Foresee says where a question would go if it came now. It takes no slot, asks no
// channel and moves no policy and no record. The error's code is that of the refusal
// that the caller would get, or NOT_FOUND for a caller that is not configured.
func (g *Gateway) Foresee(h Hypothesis) (*Explanation, *translate.Error) {
	p := g.plan.Load()
	who, err := g.hypothetical(p, h)
	if err != nil {
		return nil, err
	}
	m, err := p.Resolve(who, h.Model)
	if err != nil {
		return nil, err
	}
	e := &Explanation{Front: h.Front, Caller: who.Name, Model: translate.Clip(m.Name), Policy: p.PolicyName}
	for _, r := range who.Rules {
		e.Limits = strings.TrimPrefix(e.Limits+", "+r.Name(), ", ")
	}
	if m.Preset != nil {
		e.Preset = translate.Clip(h.Model)
	}
	now, passed := time.Now(), []channel.Skip(nil)
	for _, r := range p.RoutesOf(nil, m) {
		for _, tier := range r.Tiers {
			passed = append(passed, foresee(e, r, tier, now)...)
		}
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
	return e, nil
}

// foresee adds the candidates of one tier. The first tier in which one is ready is
// where the question would go.
func foresee(e *Explanation, r *routing.Route, tier []channel.Candidate, now time.Time) (passed []channel.Skip) {
	var ready, slow []int
	for i := range tier {
		c, s := routing.Describe(&tier[i], r.Plain.Name), tier[i].State(now)
		c.State, c.Why, c.Seconds = s.State, s.Why, journal.Rounded(s.Seconds)
		b := tier[i].Barred(now)
		switch {
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
	return p.Callers.Named(h.Caller)
}
