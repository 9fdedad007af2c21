package channel

import (
	"strings"
	"time"

	"github.com/dragoman-gateway/dragoman/proxy/balance"
)

// Candidate is a channel that serves a model, what it calls it, and how that
// went so far.
type Candidate struct {
	Channel  *Channel
	Upstream string
	Record   *Record
	Quirks   *Quirks         // of the model on the channel, the same for all keys
	Window   *ContextWindow  // how much it takes, the same for all keys
	Target   *balance.Target // what policies see of it
}

// NewCandidate returns the model that ch calls upstream, with the record of both.
func NewCandidate(ch *Channel, upstream string, record *Record) Candidate {
	t := &balance.Target{Weight: ch.Weight, Seed: ch.Seed, Channel: seedOf(ch.ID, -1), InFlight: &ch.InFlight, First: &record.Speed.mean}
	return Candidate{Channel: ch, Upstream: upstream, Record: record, Target: t}
}

// Agent scopes the remote memory of c: per agent where the kind of channel has agents
// (docs/rules/iagent.md 4.7), else "", since a model is a setting of one turn there.
func (c Candidate) Agent() string {
	if c.Channel.Kind.Agents {
		return c.Upstream
	}
	return ""
}

// Source names whose proofs those of c are.
func (c *Candidate) Source() string { return c.Channel.ID + "\x00" + c.Upstream }

// UserFirst reports whether what c is told of a conversation must begin with the user.
func (c *Candidate) UserFirst() bool {
	return c.Channel.Kind.UserFirst || c.Quirks.Has(quirkUserFirst)
}

// WantsThoughts reports whether c is told again what was thought before tools were called: it
// has shown thoughts, or it has answered nothing yet that would tell, and its name does not
// either. Models that think refuse a call whose thoughts are missing; the others refuse the
// member, which is learnt.
func (c *Candidate) WantsThoughts() bool {
	if !c.Channel.Kind.Varied {
		return false
	}
	if c.Quirks.Has(QuirkThinks) {
		return true
	}
	if c.Quirks.Has(QuirkReason) || c.Quirks.Has(QuirkNoReason) {
		return false
	}
	for _, prefix := range [...]string{"gpt-", "chatgpt-", "o1", "o3", "o4", "claude-"} {
		if strings.HasPrefix(c.Upstream[strings.LastIndexByte(c.Upstream, '/')+1:], prefix) {
			return false
		}
	}
	return true
}

// Barred says what keeps questions from c now. It only reads.
func (c *Candidate) Barred(now time.Time) Bar {
	force := c.Channel.Force()
	switch force {
	case ForceOpen:
		return Bar{State: "open", Why: "taken out of use by the operator"}
	case ForceDrain:
		return Bar{State: "open", Why: "drained by the operator: what runs goes on"}
	}
	if b := c.Channel.Quarantine.barred(now); b.State != "" && force != ForceClose {
		return b
	}
	return c.Record.barred(now, force)
}
