package proxy

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/dragoman-gateway/dragoman/translate"
)

// Explanation says why a question went where it went, or where a hypothetical one
// would go. It holds no text of a conversation, and no address or key of a channel but
// the address of its proxy.
type Explanation struct {
	ID     string `json:"id,omitempty"`
	Front  string `json:"front,omitempty"`
	Caller string `json:"caller"`
	Limits string `json:"limits,omitempty"` // the caller's, in a dry run
	Model  string `json:"model"`
	Preset string `json:"preset,omitempty"`
	Policy string `json:"policy"`

	// At is when the question came, in RFC 3339; State is running or done; Outcome,
	// once it is done, is ok or the code of the error. They are empty in a dry run.
	At      string  `json:"at,omitempty"`
	State   string  `json:"state,omitempty"`
	Outcome string  `json:"outcome,omitempty"`
	Message string  `json:"message,omitempty"`
	Retry   float64 `json:"retry_seconds,omitempty"`

	// Candidates are all that could serve the model or one of its fallbacks, in the
	// order in which they are looked at.
	Candidates []Candidate `json:"candidates"`
	// Attempts are in their order; a dry run has none.
	Attempts []Attempt `json:"attempts,omitempty"`
	// Verdict says in words where a hypothetical question would go.
	Verdict string `json:"verdict,omitempty"`
	// Ledger is where the time went; nil in a dry run.
	Ledger *Spent `json:"ledger,omitempty"`
	// Same are all exchanges with this id, this one included, the oldest first; nil
	// where it is the only one. A client says what its request's id is.
	Same []Same `json:"same_id,omitempty"`
}

// Same is one of several exchanges that have the same id.
type Same struct {
	N       int    `json:"n"` // its number among them, from 1
	At      string `json:"at"`
	Caller  string `json:"caller"`
	Front   string `json:"front"`
	Model   string `json:"model"`
	State   string `json:"state"`
	Outcome string `json:"outcome,omitempty"`
}

// Candidate is one channel and key as a question has found it.
type Candidate struct {
	Channel  string `json:"channel"`
	Key      int    `json:"key"`
	Model    string `json:"model"`
	Upstream string `json:"upstream"`
	Tier     int    `json:"tier"`
	Weight   int    `json:"weight"`
	// State and Why are those of [ModelState] when the question first looked at it,
	// or now, in a dry run. ready: nothing kept it away. unseen: it is one of many of
	// its tier, of which the question has looked at a few.
	State   string  `json:"state"`
	Why     string  `json:"why,omitempty"`
	Seconds float64 `json:"seconds,omitempty"` // until it may be tried again
	Asked   int     `json:"asked"`             // attempts on it
	// Proxy is that of [ChannelState], if anything says how the channel is reached.
	Proxy string `json:"proxy,omitempty"`
	// Share is the part of such questions that it gets by its weight, of 1; only in a
	// dry run.
	Share float64 `json:"share,omitempty"`
}

// Attempt is one try on one channel.
type Attempt struct {
	Channel string `json:"channel"`
	Key     int    `json:"key"`
	Tier    int    `json:"tier"`
	Model   string `json:"model"`
	// By is what decided for it: the policy's name, memory (it remembers the
	// conversation), second try, or alone (no other could take it). Among is how
	// many it was chosen from.
	By    string `json:"by"`
	Among int    `json:"among"`
	// LeftBehind is how many messages of the conversation were not sent, since the model
	// does not take as much.
	LeftBehind int `json:"left_behind,omitempty"`
	// Result is ok or the kind of fault; running where its end is not known.
	Result  string  `json:"result"`
	Message string  `json:"message,omitempty"`
	Retry   float64 `json:"retry_seconds,omitempty"` // that the back end asked for
	// BeganMs is counted from the question. ConnectMs is part of OpenMs, which ends
	// with the status line; FirstMs goes from there to the first content.
	BeganMs   float64 `json:"began_ms"`
	ConnectMs float64 `json:"connect_ms"`
	OpenMs    float64 `json:"open_ms"`
	FirstMs   float64 `json:"first_ms"`
}

// Spent is where the time of an exchange went, in milliseconds. Connect, Headers and
// First are those of the last attempt; what earlier ones took is in Failed.
type Spent struct {
	Queue   float64 `json:"queue_ms"` // for its turn in the conversation
	Room    float64 `json:"room_ms"`  // for a slot of a full channel
	Failed  float64 `json:"failed_ms"`
	Connect float64 `json:"connect_ms"`
	Headers float64 `json:"headers_ms"`
	First   float64 `json:"first_ms"`
	Stream  float64 `json:"stream_ms"` // from the first content to the end
	Total   float64 `json:"total_ms"`
}

// Explain says what became of the exchange with the request id, or how far it has
// got: of several the oldest, with a list of all. ok is false where none is known: it is
// older than the newest 2,048 ordinary ones that have ended and the newest 2,048 that
// met with any trouble.
func (g *Gateway) Explain(id string) (e *Explanation, ok bool) { return g.ExplainOf(id, "", 0) }

// ExplainOf does the same for one of several exchanges with the request id: the n-th,
// from 1, or if n is 0 the oldest; of caller, unless that is empty.
func (g *Gateway) ExplainOf(id, caller string, n int) (e *Explanation, ok bool) {
	all := g.records.all(id)
	at := slices.IndexFunc(all, func(r seen) bool { return caller == "" || r.caller == caller })
	if n != 0 {
		if at = n - 1; at < 0 || at >= len(all) || caller != "" && all[at].caller != caller {
			at = -1
		}
	}
	if at < 0 {
		return nil, false
	}
	e = g.explain(&all[at])
	if len(all) == 1 {
		return e, true
	}
	for i := range all {
		r := &all[i]
		state, outcome := r.state()
		e.Same = append(e.Same, Same{N: i + 1, At: r.received.UTC().Format(time.RFC3339Nano), Caller: r.caller, Front: r.front, Model: r.model, State: state, Outcome: outcome})
	}
	return e, true
}

// state is what r says of itself: running or done, and then ok or the code of the error.
func (r *seen) state() (state, outcome string) {
	switch {
	case r.running:
		return "running", ""
	case r.end.code != "":
		return "done", string(r.end.code)
	}
	return "done", "ok"
}

func (g *Gateway) explain(r *seen) *Explanation {
	if r.running {
		r.took = time.Since(r.received)
	}
	p := g.plan.Load()
	e := &Explanation{ID: r.id, Front: r.front, Caller: r.caller, Model: r.model, Policy: p.policyName, At: r.received.UTC().Format(time.RFC3339Nano),
		Message: r.end.message, Retry: r.end.retry.Seconds(), Ledger: r.spent()}
	e.State, e.Outcome = r.state()
	for _, route := range r.routes {
		e.Candidates = append(e.Candidates, r.candidates(route)...)
	}
	for i := range r.tries {
		e.Attempts = append(e.Attempts, r.tries[i].attempt(p.policyName))
	}
	return e
}

// describe returns c as an operator is told of it.
func describe(c *candidate, model string) Candidate {
	return Candidate{Channel: c.ch.ID, Key: c.ch.key, Model: model, Upstream: c.upstream, Tier: c.ch.conf.Tier, Weight: c.ch.conf.Weight, State: "ready", Proxy: proxyOf(c.ch)}
}

// candidates are those of one route, as r has found them.
func (r *record) candidates(at *route) (all []Candidate) {
	for n, tier := range at.tiers {
		for i := range tier {
			c := describe(&tier[i], at.plain.Name)
			if at.throngs[n] != nil && r.drawn && len(r.tries) == 1 {
				c.State = "unseen"
			}
			for _, n := range r.notes {
				if n.c == tier[i].cell {
					c.State, c.Why, c.Seconds = n.bar.state, n.bar.why, rounded(n.bar.wait.Seconds())
				}
			}
			for _, t := range r.tries {
				if t.cand.cell == tier[i].cell {
					c.Asked++
					if c.State == "unseen" {
						c.State = "ready"
					}
				}
			}
			all = append(all, c)
		}
	}
	return all
}

func (t *try) attempt(policy string) Attempt {
	a := Attempt{
		Channel: t.cand.ch.ID, Key: t.cand.ch.key, Tier: t.cand.ch.conf.Tier, Model: t.cand.upstream, Among: t.among, LeftBehind: t.behind,
		By: [...]string{policy, "memory", "second try", "alone"}[t.by], Result: "running", Message: t.end.message, Retry: t.end.retry.Seconds(),
		BeganMs: millis(t.began), ConnectMs: millis(t.connect), OpenMs: millis(t.open), FirstMs: millis(t.first),
	}
	if t.over {
		a.Result = t.end.fault.String()
	}
	if t.over && t.end.code != "" && t.end.fault == 0 {
		a.Result = "other"
	}
	return a
}

func (r *record) spent() *Spent {
	s := &Spent{Queue: millis(r.queue), Room: millis(r.room), Total: millis(r.took)}
	if len(r.tries) == 0 {
		return s
	}
	last := &r.tries[len(r.tries)-1]
	s.Connect, s.Headers, s.First = millis(last.connect), millis(max(last.open-last.connect, 0)), millis(last.first)
	s.Failed = millis(max(last.began-r.queue-r.room, 0))
	if last.over && last.end.code == "" {
		s.Stream = millis(max(r.took-last.began-last.open-last.first, 0))
	}
	return s
}

// millis is d in milliseconds, to the microsecond.
func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// rounded is s to the millisecond.
func rounded(s float64) float64 { return math.Round(s*1000) / 1000 }

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
	m, err := p.resolve(who, h.Model)
	if err != nil {
		return nil, err
	}
	e := &Explanation{Front: h.Front, Caller: who.Name, Model: translate.Clip(m.Name), Policy: p.policyName}
	for _, r := range who.Rules {
		e.Limits = strings.TrimPrefix(e.Limits+", "+r.Name(), ", ")
	}
	if m.preset != nil {
		e.Preset = translate.Clip(h.Model)
	}
	now, passed := time.Now(), []exclusion(nil)
	for _, r := range p.routesOf(nil, m) {
		for _, tier := range r.tiers {
			passed = append(passed, e.foresee(r, tier, now)...)
		}
	}
	for _, x := range passed {
		if e.Verdict == "" && x.gate() != nil && x.wait < dialTime {
			e.Verdict = "it would wait for a connection to " + x.ch.ID + ", whose server throttles new ones, for about " + seconds(x.wait)
		}
	}
	if e.Verdict == "" {
		refusal := verdict(nil, passed, true)
		e.Verdict = refusal.Error()
		e.Retry = rounded(refusal.Retry.Seconds())
	}
	return e, nil
}

// foresee adds the candidates of one tier. The first tier in which one is ready is
// where the question would go.
func (e *Explanation) foresee(r *route, tier []candidate, now time.Time) (passed []exclusion) {
	var ready, slow []int
	for i := range tier {
		c, s := describe(&tier[i], r.plain.Name), tier[i].state(now)
		c.State, c.Why, c.Seconds = s.State, s.Why, rounded(s.Seconds)
		b := tier[i].barred(now)
		switch {
		case s.State == "full":
			passed = append(passed, exclusion{ch: tier[i].ch, why: s.Why, said: s.Why, busy: true, full: tier[i].ch.load})
		case b.state != "":
			passed = append(passed, tier[i].exclusion(b))
		case s.State == "throttled":
			x := exclusion{ch: tier[i].ch, why: s.Why, said: "throttled", wait: time.Duration(s.Seconds * float64(time.Second)), busy: true, full: &tier[i].ch.gate.turn}
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
		total += float64(tier[at-first].ch.Weight)
	}
	for _, at := range ready {
		c := &e.Candidates[at]
		c.Share = rounded(float64(tier[at-first].ch.Weight) / total)
		names = append(names, c.Channel)
	}
	if len(names) == 1 {
		e.Verdict = "it would go to " + names[0] + ", the only one of its tier that can take it"
	} else {
		e.Verdict = e.Policy + " would choose among " + strings.Join(names, ", ")
	}
	return passed
}

// routesOf appends the routes that a question for m is put to: its own, then its
// fallbacks.
func (p *Plan) routesOf(all []*route, m *Model) []*route {
	all = append(all, m.route)
	for _, name := range p.fallbacks[m.Name] {
		if r := p.routes[name]; r != nil {
			all = append(all, r)
		}
	}
	return all
}

// hypothetical finds whom h means.
func (g *Gateway) hypothetical(p *Plan, h Hypothesis) (*Caller, *translate.Error) {
	switch {
	case h.Key != "" && h.Caller != "":
		return nil, translate.Invalid("want a caller or a key, not both")
	case h.Key != "":
		return g.Identify(h.Key, "")
	}
	return p.callers.Named(h.Caller)
}

// proxyOf is how ch is reached; empty where nothing says it.
func proxyOf(ch *Channel) string {
	if w := ch.conf.Way(); w.From() != "" {
		return w.String()
	}
	return ""
}
