package proxy

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/dragoman-gateway/dragoman/proxy/conversation"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

// What a conversation has beside what was said: what its client has on the screen, and
// counts when it names a message by its place. Such entries are marked, and no model is
// told them.

// emptyAnswer is what clients show for an answer that was stopped before its first word.
const emptyAnswer = "empty response"

// mostFailed is how many bytes of an answer that failed are kept with its error.
const mostFailed = 1 << 20

// list stores the question of a conversation that is new, so that it can be listed and
// read while it is answered. It is the question's turn.
func (p *Pending) list() error {
	q := &p.x.q
	if q.Failure == nil || q.Restart {
		return nil
	}
	return p.x.prompt.turn.Begin(context.Background(), store.Turn{Model: p.x.prompt.model.Name, Web: q.Request.Web, At: time.Now().UnixMilli(), Messages: q.entries(store.MarkFailed)})
}

func (q *Question) at() int64 {
	if q.At != 0 {
		return q.At
	}
	return q.Received.UnixMilli()
}

// entries are the messages that q adds to its conversation.
func (q *Question) entries(mark store.Mark) (entries []store.Message) {
	for _, m := range q.Request.Messages {
		if m.Role != translate.RoleSystem {
			entries = append(entries, store.Message{Message: m, At: q.at(), Mark: mark})
		}
	}
	return entries
}

// Enqueue takes a place in the conversation that id names for c, see
// [conversation.Registry.Enqueue].
func (g *Gateway) Enqueue(ctx context.Context, c *Caller, id conversation.Identity) (*conversation.Turn, error) {
	measure := c.CountsTokens() || g.plan.Load().Budgets[c.Limits] != nil
	return g.conversations.Enqueue(ctx, c.Name, id, measure)
}

// Conversations is the registry of the conversations in use.
func (g *Gateway) Conversations() *conversation.Registry { return g.conversations }

// history returns the messages of the conversation that go before the question, at
// least the keep newest, or all if keep is negative. Asked again, the question is the
// newest stored one.
func (p *Pending) history(keep int) ([]translate.Message, error) {
	if p.x.q.Restart {
		stored, skipped, err := p.x.prompt.turn.ReadAgain(context.Background(), keep, p.x.prompt.reading)
		if err != nil {
			return nil, err
		}
		p.x.prompt.unread = skipped
		return p.rewind(stored)
	}
	stored, skipped, err := p.x.prompt.turn.Read(context.Background(), keep, p.x.prompt.reading)
	if err != nil {
		return nil, err
	}
	p.x.prompt.unread = skipped
	earlier := make([]translate.Message, 0, len(stored)+len(p.x.q.Request.Messages))
	for i := range stored {
		earlier = append(earlier, stored[i].Message)
	}
	return earlier, nil
}

// rewind returns those of the stored messages that the newest question, which they end
// with, is asked again with, and notes what its answer takes the place of.
func (p *Pending) rewind(stored []store.Message) ([]translate.Message, error) {
	p.x.prompt.anew = anew{}
	newest := len(stored) - 1
	for newest >= 0 && stored[newest].Role == translate.RoleAssistant {
		if stored[newest].Mark == store.MarkNone {
			p.x.prompt.anew.marks = append(p.x.prompt.anew.marks, store.Remark{Back: len(stored) - 1 - newest, Mark: store.MarkSuperseded})
			p.x.prompt.anew.replace++
		}
		newest--
	}
	if newest < 0 {
		return nil, translate.Invalid("there is nothing to answer anew")
	}
	p.x.prompt.anew.question, p.x.prompt.anew.back = stored[newest], len(stored)-1-newest
	p.x.prompt.anew.unanswered = stored[newest].Mark != store.MarkNone
	p.x.prompt.anew.question.Mark = store.MarkNone
	earlier := make([]translate.Message, 0, newest+1)
	for i := range stored[:newest] {
		if stored[i].Mark == store.MarkNone {
			earlier = append(earlier, stored[i].Message)
		}
	}
	return append(earlier, stored[newest].Message), nil
}

// store keeps the turn, if the question belongs to a conversation.
func (x *Exchange) store(incomplete bool) *translate.Error {
	if x.prompt.turn == nil || x.answer.collected.Finish == translate.FinishSilent {
		return nil
	}
	c := x.change(incomplete)
	if len(c.Turn.Messages) == 0 && len(c.Turn.Marks) == 0 {
		return nil
	}
	// An answer that was given is stored even if its client leaves meanwhile.
	var err error
	if x.answer.stored, err = x.prompt.turn.Keep(context.Background(), c, x.prompt.window, x.prompt.reading); err != nil {
		return store.Failed(err)
	}
	return nil
}

// change is what the question and what came of its answer do to the conversation.
func (x *Exchange) change(incomplete bool) *conversation.Change {
	now := max(time.Now().UnixMilli(), x.q.at())
	c := &conversation.Change{Turn: store.Turn{Model: x.prompt.model.Name, Web: x.prompt.req.Web, At: now}}
	none := incomplete && x.answer.collected.Empty()
	c.Said = make([]store.Message, 0, len(x.prompt.added)+1)
	for _, m := range x.prompt.added {
		c.Said = append(c.Said, store.Message{Message: m, At: x.q.at()})
	}
	c.Turn.Messages = c.Said // the answer comes to both: nothing is written behind it in one only
	switch {
	case x.prompt.turn.Begun() && len(x.prompt.added) == 1:
		c.Turn.Messages, c.Turn.Marks = nil, []store.Remark{{}}
	case x.prompt.anew.unanswered:
		c.Said = []store.Message{x.prompt.anew.question}
		c.Turn.Marks = []store.Remark{{Back: x.prompt.anew.back}}
	}
	if x.q.Restart && !none {
		c.Turn.Marks = append(c.Turn.Marks, x.prompt.anew.marks...)
		c.Replace, c.Again = x.prompt.anew.replace, !x.prompt.anew.unanswered
	}
	switch {
	case !none:
		x.answer.collected.Settle()
		answer := x.answer.collected.Message()
		answer.Parts = slices.Clone(answer.Parts) // the conversation outlives the exchange
		m := store.Message{Message: answer, At: now, Incomplete: incomplete}
		c.Said, c.Turn.Messages = append(c.Said, m), append(c.Turn.Messages, m)
	case len(c.Turn.Messages) > 0 || len(c.Turn.Marks) > 0 || x.q.Restart && len(x.prompt.req.Messages) > 0:
		c.Turn.Messages = append(c.Turn.Messages, store.Message{Message: translate.TextMessage(translate.RoleAssistant, emptyAnswer), At: now, Mark: store.MarkEmpty})
	}
	return c
}

// keepPartial stores what came of an answer that its client stopped or left.
func (x *Exchange) keepPartial() {
	if x.answer.complete || !x.q.KeepPartial || (x.err != nil && x.err.Fault != translate.FaultGone) {
		return
	}
	if x.err == nil {
		x.err = translate.Gone(context.Cause(x.ctx))
	}
	if err := x.store(true); err != nil {
		x.err = err
	}
}

// keepFailed stores what the client shows for a turn that failed with err: what came of
// the answer, and the error.
func (x *Exchange) keepFailed(err *translate.Error) {
	u := x.prompt.turn
	if x.q.Failure == nil || u == nil || x.answer.stored || err.Fault == translate.FaultGone || err.Code == translate.CodeCanceled {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), conversation.NoteWait)
	defer cancel()
	if u.Wait(ctx) != nil {
		return
	}
	n := conversation.Note{Text: x.q.Failure(err), Model: x.prompt.model.Name, Web: x.q.Request.Web}
	if x.answer.collected.Size() <= mostFailed {
		x.answer.collected.Settle()
		n.Text = x.answer.collected.Text() + n.Text
	}
	if !x.q.Restart && !u.Begun() {
		n.Question = x.q.entries(store.MarkFailed)
	}
	note := u.Add
	if x.report.attempts == 0 {
		note = u.AddRefused
	}
	failed := note(ctx, n)
	x.answer.unnoted = failed != nil
	if failed != nil && !errors.Is(failed, conversation.ErrUnnoted) {
		x.Logger(x.g.log).Warn("a turn that failed is not stored", "why", failed)
	}
}
