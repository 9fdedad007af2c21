package proxy

import (
	"github.com/dragoman-gateway/dragoman/proxy/channel"
	"github.com/dragoman-gateway/dragoman/translate"
)

// proved keeps what the channel wants back with a call, as ev has it.
func (x *Exchange) proved(ev *translate.Event) {
	x.g.proofs.Keep(x.q.Caller.Name, ev.ID, x.attempt.lease.Source(), ev.Text)
	if x.g.proofs.Shared() {
		x.answer.signed = append(x.answer.signed, string(ev.ID))
	}
}

// tellProofs has other processes know what the answer has proved. It comes before the end mark,
// with which the client may ask one of them.
func (x *Exchange) tellProofs() {
	if len(x.answer.signed) > 0 {
		x.g.proofs.Tell(x.q.Caller.Name, x.attempt.lease.Source(), x.answer.signed)
		x.answer.signed = nil
	}
}

// proofsFor returns how the proofs of c for calls in msgs are found; nil: there are none.
func (s *search) proofsFor(c channel.Candidate, msgs []translate.Message) func(id string) string {
	if !c.Channel.Kind.Varied && !c.Channel.Kind.Signs {
		return nil
	}
	proofs, caller, source := &s.x.g.proofs, s.x.q.Caller.Name, c.Source()
	if proofs.Shared() {
		if ids := unsigned(msgs); len(ids) > 0 {
			proofs.Ask(s.x.ctx, caller, source, ids)
		}
	}
	if proofs.None() {
		return nil
	}
	return func(id string) string { return proofs.Find(caller, id, source) }
}

// unsigned are the calls in msgs that came without what their server wants back with them, the
// newest first.
func unsigned(msgs []translate.Message) (ids []string) {
	for i := len(msgs) - 1; i >= 0; i-- {
		for j := range msgs[i].Parts {
			if p := &msgs[i].Parts[j]; p.Kind == translate.PartToolCall && p.Signature == "" && !translate.IsMade(p.ID) {
				ids = append(ids, p.ID)
			}
		}
	}
	return ids
}
