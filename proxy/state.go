package proxy

import (
	"strings"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/dragoman-gateway/dragoman/proxy/journal"
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

func (c *candidate) state(now time.Time) ModelState {
	n := c.cell.br.Counts()
	s := ModelState{
		Upstream: c.upstream, State: "ready", Requests: n.TotalSuccesses + n.TotalFailures, Failures: n.TotalFailures, Streak: c.cell.row.Load(),
		FirstMs: journal.Millis(c.cell.streams.average()), WholeMs: journal.Millis(c.cell.wholes.average()), Quirks: c.quirks.names(), Context: c.span.tokens(),
	}
	b := c.barred(now)
	s.Seconds = b.wait.Seconds()
	switch {
	case b.state != "":
		s.State, s.Why = b.state, b.why
	case c.ch.force() == ForceClose:
		s.Why = "held closed by the operator"
	case c.ch.aside.held(), c.cell.aside.held(), c.cell.br.State() != gobreaker.StateClosed:
		s.State, s.Why = "trial", "the next request decides whether it is used again"
	case c.ch.load.AtLimit():
		s.State, s.Why = "full", "at its limit of requests"
	case c.cell.lag(now).state != "":
		b = c.cell.lag(now)
		s.State, s.Why, s.Seconds = b.state, b.why, b.wait.Seconds()
	case c.ch.gate != nil:
		if b = c.ch.gate.bar(now); b.state != "" {
			s.State, s.Why, s.Seconds = b.state, b.why, b.wait.Seconds()
		}
		if pace := c.ch.gate.pace(now); pace != "" {
			s.Why = strings.TrimPrefix(s.Why+"; "+pace, "; ")
		}
	}
	return s
}
