package journal

import (
	"math"
	"slices"
	"time"

	"github.com/dragoman-gateway/dragoman/store"
)

// Explanation says why a question went where it went, or where a hypothetical one
// would go. It holds no text of a conversation, and no address or key of a channel but
// the address of its proxy.
type Explanation struct {
	ID    string `json:"id,omitempty"`
	Front string `json:"front,omitempty"`
	// Endpoint is the path that was asked beside chat; empty: it was a chat.
	Endpoint string `json:"endpoint,omitempty"`
	Caller   string `json:"caller"`
	Limits   string `json:"limits,omitempty"` // the caller's, in a dry run
	Model    string `json:"model"`
	Preset   string `json:"preset,omitempty"`
	Policy   string `json:"policy"`

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
	// State and Why are those of proxy.ModelState when the question first looked at it,
	// or now, in a dry run. ready: nothing kept it away. unseen: it is one of many of
	// its tier, of which the question has looked at a few.
	State   string  `json:"state"`
	Why     string  `json:"why,omitempty"`
	Seconds float64 `json:"seconds,omitempty"` // until it may be tried again
	Asked   int     `json:"asked"`             // attempts on it
	// Proxy is that of proxy.ChannelState, if anything says how the channel is reached.
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

// Explain says what became of one of the exchanges with the request id, or how far it has
// got: of the n-th, from 1, or if n is 0 the oldest; of caller, unless that is empty, by its
// name or the shown one. ok is
// false where none is remembered. policy is the name of the one that chooses.
func (s *Traces) Explain(id, caller string, n int, policy string) (e *Explanation, ok bool) {
	all := s.all(id)
	at := slices.IndexFunc(all, func(r seen) bool { return caller == "" || store.IsCaller(caller, r.caller) })
	if n != 0 {
		if at = n - 1; at < 0 || at >= len(all) || caller != "" && !store.IsCaller(caller, all[at].caller) {
			at = -1
		}
	}
	if at < 0 {
		return nil, false
	}
	e = all[at].explain(policy)
	if len(all) == 1 {
		return e, true
	}
	for i := range all {
		r := &all[i]
		state, outcome := r.state()
		e.Same = append(e.Same, Same{N: i + 1, At: r.received.UTC().Format(time.RFC3339Nano), Caller: store.ShownCaller(r.caller), Front: r.front, Model: r.model, State: state, Outcome: outcome})
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

func (r *seen) explain(policy string) *Explanation {
	if r.running {
		r.took = time.Since(r.received)
	}
	e := &Explanation{ID: r.id, Front: r.front, Caller: store.ShownCaller(r.caller), Model: r.model, Policy: policy, At: r.received.UTC().Format(time.RFC3339Nano),
		Message: r.end.message, Retry: Rounded(r.end.retry.Seconds()), Ledger: r.spent()}
	if r.endpoint != nil {
		e.Endpoint = r.endpoint.Route()
	}
	e.State, e.Outcome = r.state()
	for _, route := range r.routes {
		e.Candidates = append(e.Candidates, r.candidates(route)...)
	}
	for i := range r.tries {
		e.Attempts = append(e.Attempts, r.tries[i].attempt(policy))
	}
	return e
}

// candidates are those of one route, as r has found them.
func (r *record) candidates(at Route) (all []Candidate) {
	for _, known := range at.Candidates() {
		c := known.Candidate
		if known.Many && r.drawn && len(r.tries) == 1 {
			c.State = "unseen"
		}
		for _, n := range r.notes {
			if n.record == known.Record {
				c.State, c.Why, c.Seconds = n.state, n.why, Rounded(n.wait.Seconds())
			}
		}
		for _, t := range r.tries {
			if t.target.Record == known.Record {
				c.Asked++
				if c.State == "unseen" {
					c.State = "ready"
				}
			}
		}
		all = append(all, c)
	}
	return all
}

func (t *try) attempt(policy string) Attempt {
	a := Attempt{
		Channel: t.target.Channel, Key: t.target.Key, Tier: t.target.Tier, Model: t.target.Model, Among: int(t.among), LeftBehind: int(t.behind),
		By: [...]string{policy, "memory", "second try", "alone"}[t.by], Result: "running", Message: t.end.message, Retry: Rounded(t.end.retry.Seconds()),
		BeganMs: Millis(t.began), ConnectMs: Millis(t.connect), OpenMs: Millis(t.open), FirstMs: Millis(t.first),
	}
	if t.over {
		a.Result = t.end.result()
	}
	return a
}

// result is ok, or the kind of fault.
func (e end) result() string {
	if e.code != "" && e.fault == 0 {
		return "other"
	}
	return e.fault.String()
}

func (r *record) spent() *Spent {
	s := &Spent{Queue: Millis(r.queue), Room: Millis(r.room), Total: Millis(r.took)}
	if len(r.tries) == 0 {
		return s
	}
	last := &r.tries[len(r.tries)-1]
	s.Connect, s.Headers, s.First = Millis(last.connect), Millis(max(last.open-last.connect, 0)), Millis(last.first)
	if len(r.tries) > 1 {
		s.Failed = Millis(max(last.began-r.queue-r.room, 0))
	}
	if last.over && last.end.code == "" {
		s.Stream = Millis(max(r.took-last.began-last.open-last.first, 0))
	}
	return s
}

// Millis is d in milliseconds, to the microsecond.
func Millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// Rounded is s to the millisecond.
func Rounded(s float64) float64 { return math.Round(s*1000) / 1000 }
