package channel

import (
	"strings"
	"time"

	"github.com/sony/gobreaker/v2"
)

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

// Rests reports whether it stays as it is until something happens on the channel.
func (s *ModelState) Rests() bool { return s.State == "ready" && s.Why == "" && s.Requests == 0 }

// State is how c stands at now, for an operator to read.
func (c *Candidate) State(now time.Time) ModelState {
	_ = c.Record.br.State() // counts what is too old no more
	n := c.Record.br.Counts()
	s := ModelState{
		Upstream: c.Upstream, Requests: n.TotalSuccesses + n.TotalFailures, Failures: n.TotalFailures, Streak: c.Record.consecutiveFailures.Load(),
		FirstMs: float64(c.Record.streams.average().Microseconds()) / 1000, WholeMs: float64(c.Record.wholes.average().Microseconds()) / 1000, Quirks: c.Quirks.names(), Context: c.Window.tokens(),
	}
	b := c.Standing(now)
	s.State, s.Why, s.Seconds = b.State, b.Why, b.Wait.Seconds()
	return s
}

// Standing is the state of c at now, see [ModelState], with the reason and for how long.
func (c *Candidate) Standing(now time.Time) Bar {
	b := c.Barred(now)
	switch {
	case b.State != "":
		return b
	case c.Channel.Force() == ForceClose:
		return Bar{State: "ready", Why: "held closed by the operator"}
	case c.Channel.Quarantine.Held(), c.Record.Quarantine.Held(), c.Record.br.State() != gobreaker.StateClosed:
		return Bar{State: "trial", Why: "the next request decides whether it is used again"}
	case c.Channel.Slots.AtLimit():
		return Bar{State: "full", Why: "at its limit of requests"}
	case c.Record.Outlier(now).State != "":
		return c.Record.Outlier(now)
	case c.Channel.Gate != nil:
		return c.Channel.dialling(now)
	}
	return Bar{State: "ready"}
}

// dialling is how a channel stands whose server bounds new connections.
func (c *Channel) dialling(now time.Time) Bar {
	b := c.Gate.Bar(now)
	if b.State == "" {
		b = Bar{State: "ready"}
	}
	if pace := c.Gate.pace(now); pace != "" {
		b.Why = strings.TrimPrefix(b.Why+"; "+pace, "; ")
	}
	return b
}
