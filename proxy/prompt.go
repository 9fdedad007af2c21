package proxy

import (
	"slices"

	"github.com/dragoman-gateway/dragoman/proxy/conversation"
	"github.com/dragoman-gateway/dragoman/translate"
)

// prompt is what is asked: the question with all that goes before it. It is decoded and
// hashed at most once, when that is first needed.
type prompt struct {
	q        *Question
	model    *Model             // of the plan that it is asked under
	turn     *conversation.Turn // its place in its conversation; nil: it stands alone
	memories *memories
	req      translate.Request        // the question with its history
	lazy     translate.Dialect        // decodes req, if that was not done yet
	added    []translate.Message      // what this question adds to it
	media    bool                     // added holds images, voice or video of iagent
	window   int                      // messages kept before the newest; negative: all
	reading  int                      // bytes of the conversation that are read at most, see Plan.reading
	unread   int                      // messages of the conversation that were not read
	anew     anew                     // of a question that is asked again
	scope    string                   // whose remote memories may be used
	stored   [2]int                   // where in req the stored messages are, from and to
	hash     conversation.Fingerprint // of all messages of req but the newest, once it was needed
	hashed   bool                     // hash is known
}

// decode decodes a question that was only peeked at. stop as in a translate.Request. The
// error says what is wrong with the question.
func (p *prompt) decode(stop func() bool) *translate.Error {
	if p.lazy == nil {
		return nil
	}
	// What is not in its body stands already.
	full := translate.Request{Beta: p.req.Beta, Model: p.req.Model, Stream: p.req.Stream, Stop: stop}
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
	return p.plain() && slices.Contains(p.model.route.spoken, p.req.Dialect)
}

// passes reports whether ch gets the question as it came.
func (p *prompt) passes(ch *Channel) bool {
	return p.plain() && ch != nil && ch.speaks(p.req.Dialect)
}

// plain reports whether nothing is added to the question as it came.
func (p *prompt) plain() bool { return p.turn == nil && p.model.preset == nil && p.req.Raw != nil }

// mayBeKept reports whether there may be a kept answer to the question.
func (p *prompt) mayBeKept() bool {
	return p.model.preset != nil && p.model.preset.Cache > 0 && !p.q.Restart
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
