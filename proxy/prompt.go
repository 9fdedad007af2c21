package proxy

import (
	"math"
	"slices"

	"github.com/dragoman-gateway/dragoman/proxy/channel"
	"github.com/dragoman-gateway/dragoman/proxy/conversation"
	"github.com/dragoman-gateway/dragoman/translate"
)

// decode decodes a question that was only peeked at. stop as in a translate.Request. The
// error says what is wrong with the question.
func (p *prompt) decode(stop func() bool) *translate.Error {
	if p.lazy == nil {
		return nil
	}
	// What is not in its body stands already.
	full := translate.Request{Beta: p.req.Beta, Model: p.req.Model, Stream: p.req.Stream, Prompt: p.req.Prompt, Stop: stop}
	if err := p.lazy.DecodeRequest(&full, p.req.Raw); err != nil {
		return typed(err)
	}
	full.Stop = nil
	p.req, p.lazy = full, nil
	if p.q.Holding != nil {
		p.q.Holding.Decoded(&p.req)
	}
	return nil
}

// mayPass reports whether the question may be passed on as it came, so that it
// need not be decoded before it is known who answers it.
func (p *prompt) mayPass() bool {
	return p.plain() && slices.Contains(p.model.Route.Spoken, p.req.Dialect)
}

// passes reports whether ch gets the question as it came.
func (p *prompt) passes(ch *channel.Channel) bool {
	return p.plain() && ch != nil && ch.Speaks(p.req.Dialect)
}

// plain reports whether nothing is added to the question as it came.
func (p *prompt) plain() bool {
	if p.req.Opaque != nil {
		return true // it cannot be told in any other way
	}
	return p.turn == nil && p.model.Preset == nil && p.req.Raw != nil && !p.req.Changed
}

// mayBeKept reports whether there may be a kept answer to the question.
func (p *prompt) mayBeKept() bool {
	return p.model.Preset != nil && p.model.Preset.Cache > 0 && !p.q.Restart
}

// alone reports whether the question is one message, with nothing before it.
func (p *prompt) alone() bool { return len(window(p.req.Messages, p.window)) == 1 }

// affinity is equal for the questions of one conversation, or else of one caller,
// in every process (FNV-1a).
func (p *prompt) affinity() uint64 {
	h := uint64(14695981039346656037)
	for i := range len(p.scope) {
		h = (h ^ uint64(p.scope[i])) * 1099511628211
	}
	return h
}

// position is the point of the conversation that a remote memory must have reached to be in
// sync.
func (p *prompt) position() conversation.Position {
	return p.memories.Position(p.scope, p.hashBefore())
}

// hashBefore is the fingerprint of all messages but the newest. What remembers the
// conversation has heard a question that is asked again: it goes on from what was said
// before that, where nobody but those who did not answer it may be.
func (p *prompt) hashBefore() conversation.Fingerprint {
	if p.hashed {
		return p.hash
	}
	question := translate.Question(p.req.Messages)
	msgs := p.req.Messages[:question]
	from, to := 0, 0
	var f conversation.Fingerprint
	if p.turn != nil {
		from, to = p.stored[0], min(p.stored[1], len(msgs))
		f = p.memories.Extend(f, msgs[:from])
		version := p.turn.Version()
		f = f.After(version)
		if p.q.Restart && (!p.anew.unanswered || p.anew.replace > 0) {
			if before, after := p.turn.Asked(); after == version {
				f = f.After(before)
			} else {
				f = f.Foreign()
			}
		} // else it was said to nobody who is known to have heard it
	}
	f = p.memories.Extend(f, msgs[to:])
	p.hash, p.hashed = p.memories.Extend(f, p.req.Messages[question+1:]), true
	return p.hash
}

// hashAfter is the fingerprint of all messages with the answer. There is none of a
// conversation that the turn was not added to: stored says that it was.
func (p *prompt) hashAfter(answer translate.Message, stored bool) (conversation.Fingerprint, bool) {
	switch {
	case p.turn == nil && p.req.Messages[len(p.req.Messages)-1].Role == translate.RoleSystem:
		return p.memories.Extend(p.memories.Extend(conversation.Fingerprint{}, p.req.Messages), []translate.Message{answer}), true
	case p.turn == nil:
		return p.memories.Extend(p.hashBefore(), []translate.Message{*p.req.Newest(), answer}), true
	}
	f := p.memories.Extend(conversation.Fingerprint{}, p.req.Messages[:p.stored[0]])
	return f.After(p.turn.Version()), stored
}

// compose puts earlier between the system text of what is asked and its questions, behind
// what the request begins with.
func (p *prompt) compose(asked, earlier []translate.Message) {
	leading := translate.Leading(asked)
	msgs := append(p.req.Messages, asked[:leading]...)
	p.added = asked[leading:len(asked):len(asked)]
	for i := range p.added {
		p.media = p.media || slices.ContainsFunc(p.added[i].Parts, func(p translate.Part) bool { return p.Kind == translate.PartMedia })
	}
	p.stored = [2]int{len(msgs), len(msgs) + len(earlier)}
	if len(msgs) == 0 {
		msgs = earlier // which has room for the question
	} else {
		msgs = append(slices.Grow(msgs, len(earlier)+len(p.added)), earlier...)
	}
	p.req.Messages = append(msgs, p.added...)
}

// window keeps the system messages and the newest question with the keep
// messages before it; a negative keep keeps all. A tool's result is never parted
// from its call, which models reject: results whose call falls off fall off too, and
// where they are the question itself their call is kept beyond the limit.
func window(msgs []translate.Message, keep int) []translate.Message {
	if keep < 0 {
		return msgs
	}
	first, newest := translate.Leading(msgs), translate.Question(msgs)
	if newest-first <= keep {
		return msgs
	}
	from := newest - keep
	start := from
	for start <= newest && hasResult(&msgs[start]) {
		start++
	}
	if start > newest {
		for start = from; start > first && hasResult(&msgs[start]); {
			start--
		}
	}
	kept := append([]translate.Message(nil), msgs[:first]...)
	for i := first; i < start; i++ {
		if msgs[i].Role == translate.RoleSystem {
			kept = append(kept, msgs[i])
		}
	}
	return append(kept, msgs[start:]...)
}

// fromUser is msgs without the model's messages that they begin with, behind the system messages:
// what they answer has fallen off.
func fromUser(msgs []translate.Message) []translate.Message {
	first := translate.Leading(msgs)
	from := first
	for from < len(msgs)-1 && msgs[from].Role != translate.RoleUser {
		from++
	}
	if from == first {
		return msgs
	}
	kept := append(make([]translate.Message, 0, len(msgs)), msgs[:first]...)
	return append(kept, msgs[from:]...)
}

func hasResult(m *translate.Message) bool {
	return slices.ContainsFunc(m.Parts, func(p translate.Part) bool { return p.Kind == translate.PartToolResult })
}

// answerTokens is what an answer is expected to need when nobody bounds it.
const answerTokens = 1000

// needs estimates how many tokens the question, what its conversation adds to it,
// and its answer will use.
func (p *prompt) needs() int {
	input, output := p.expects()
	return input + output
}

// expects is the estimate for the question, with everything that is sent of it, and for
// its answer.
func (p *prompt) expects() (input, output int) {
	n := 0
	if o := p.req.Opaque; o != nil && o.Answer == 0 {
		return translate.Tokens(o.Length), 0
	} else if o != nil || p.mayPass() {
		n = p.req.PassedLength()
	} else {
		n = p.req.Length()
	}
	most := p.req.Params.MaxTokens
	if set := p.model.Preset; set != nil {
		n += len(set.System)
		if most == nil {
			most = set.MaxTokens
		}
	}
	if p.turn != nil {
		earlier := p.turn.SentLength(p.keeps())
		if room := p.model.Route.Room(most); room > 0 {
			earlier = min(earlier, max(0, room-n)) // no more of it is sent
		}
		n += earlier
	}
	answer := answerTokens
	if o := p.req.Opaque; o != nil {
		answer = o.Answer
	}
	if most != nil {
		answer = min(max(*most, 0), math.MaxInt32) // a client chose it
	}
	if n := p.req.Params.MostTokens; n > answer && p.mayPass() {
		answer = min(n, math.MaxInt32) // nobody knows which one the back end reads
	}
	if n := p.req.Params.Choices; n > 1 && p.mayPass() {
		answer = int(min(int64(answer)*int64(min(n, math.MaxInt32)), math.MaxInt32)) // else all but one are dropped
	}
	return translate.Tokens(n), answer
}

// keeps is how many earlier messages go to the model; negative: all.
func (p *prompt) keeps() int {
	keep := p.req.Context - 1
	if set := p.model.Preset; set != nil && set.History > 0 && (p.req.Context == 0 || set.History < keep) {
		keep = set.History
	}
	return keep
}

func newMemories() *memories {
	return &memories{conversation.NewHasher(), conversation.NewMemories[holder]()}
}

// holderOf is whose memory c has.
func holderOf(c *channel.Candidate) holder { return holder{c.Channel, c.Agent()} }

// alive reports whether the connection is there that a memory may depend on.
func (h holder) alive(remote string) bool {
	return h.ch.Dialer == nil || h.ch.Dialer.Idle(remote)
}

// rememberedBy returns the channel that remembers what goes before the question; nil: none
// does.
func (p *prompt) rememberedBy() *channel.Channel {
	return p.memories.Holder(p.position(), holder.alive).ch
}

// complete decodes a question that was only peeked at, while anybody waits for its answer.
// The error says what is wrong with it.
func (x *Exchange) complete() *translate.Error {
	if x.prompt.lazy == nil {
		return nil
	}
	return x.prompt.decode(func() bool { return x.ctx.Err() != nil })
}
