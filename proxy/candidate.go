package proxy

import (
	"github.com/dragoman-gateway/dragoman/proxy/balance"
)

// candidate is a channel that serves a model, what it calls it, and how that
// went so far.
type candidate struct {
	ch       *Channel
	upstream string
	cell     *cell
	quirks   *quirks         // of the model on the channel, the same for all keys
	span     *span           // how much it takes, the same for all keys
	target   *balance.Target // what policies see of it
}

func newCandidate(ch *Channel, upstream string, record *cell) candidate {
	t := &balance.Target{Weight: ch.Weight, Seed: ch.Seed, Channel: seedOf(ch.ID, -1), InFlight: &ch.InFlight, First: &record.speed.mean}
	return candidate{ch: ch, upstream: upstream, cell: record, target: t}
}

// agent scopes the remote memory of c: per agent where the kind of channel has agents
// (docs/rules/iagent.md 4.7), else "", since a model is a setting of one turn there.
func (c candidate) agent() string {
	if c.ch.kind.Agents {
		return c.upstream
	}
	return ""
}

// source names whose proofs those of c are.
func (c *candidate) source() string { return c.ch.ID + "\x00" + c.upstream }
