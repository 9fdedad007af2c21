package proxy

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

// What a conversation has beside what was said: what its client has on the screen, and
// counts when it names a message by its place. Such entries are marked, and no model is
// told them.

// emptyAnswer is what clients show for an answer that was stopped before its first word.
const emptyAnswer = "empty response"

// noteWait bounds how long the error of a turn waits for its place and for the store.
const noteWait = 30 * time.Second

// mostFailed is how many bytes of an answer that failed are kept with its error.
const mostFailed = 1 << 20

// anew is what is known of a question that is asked again.
type anew struct {
	marks      []store.Remark // of what the new answer takes the place of
	replace    int            // how many these are
	unanswered bool           // nothing was: the question failed
	question   store.Message  // if so
	back       int            // how many messages are newer than it
}

// list stores the question of a conversation that is new, so that it can be listed and
// read while it is answered. Until then it counts as one that failed, which is what it is
// after a crash. It is the question's turn.
func (p *Pending) list() error {
	u, q := p.x.prompt.turn, &p.x.q
	if q.Failure == nil || q.Restart || u.listed || u.thread.unkept || u.thread.made.Created != 0 {
		return nil
	}
	c := &change{turn: store.Turn{Model: p.x.prompt.model.Name, Web: q.Request.Web, At: time.Now().UnixMilli(), Messages: q.entries(store.MarkFailed)}}
	if len(c.turn.Messages) != 1 {
		return nil
	}
	begun := weigh(u.thread.made.Messages) + weigh(c.turn.Messages)
	stored, err := p.x.g.keep(context.Background(), u, c, -1, readMost)
	if u.listed = stored; stored {
		u.begun = begun
	}
	return err
}

// entries are the messages that q adds to its conversation.
func (q *Question) entries(mark store.Mark) (entries []store.Message) {
	for _, m := range q.Request.Messages {
		if m.Role != translate.RoleSystem {
			entries = append(entries, store.Message{Message: m, At: q.Received.UnixMilli(), Mark: mark})
		}
	}
	return entries
}

// Number is the number of the turn's conversation; 0: it has none yet.
func (u *Turn) Number() int64 {
	if u.thread.unkept {
		return 0
	}
	u.all.mu.Lock()
	defer u.all.mu.Unlock()
	return u.thread.key.num
}

// number makes that t, whose turn the caller holds, is found by the number that the store
// gave it.
func (r *threads) number(t *Thread) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if t.key != (threadKey{}) || t.made.Created == 0 || r.byID[t.id] != t {
		return
	}
	key := threadKey{owner: t.owner, num: t.made.Num}
	if r.byKey[key] == nil {
		t.key, r.byKey[key] = key, t
	}
}

// history returns the messages of the conversation that go before the question, at
// least the keep newest, or all if keep is negative. Asked again, the question is the
// newest stored one.
func (p *Pending) history(keep int) ([]translate.Message, error) {
	if p.x.q.Restart {
		stored, skipped, err := p.x.g.tail(context.Background(), p.x.prompt.turn, keep, p.x.prompt.reading)
		if err != nil {
			return nil, err
		}
		p.x.prompt.unread = skipped
		return p.rewind(stored)
	}
	stored, skipped, err := p.x.g.history(context.Background(), p.x.prompt.turn, keep, p.x.prompt.reading)
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
	if len(c.turn.Messages) == 0 && len(c.turn.Marks) == 0 {
		return nil
	}
	// An answer that was given is stored even if its client leaves meanwhile.
	var err error
	if x.answer.stored, err = x.g.keep(context.Background(), x.prompt.turn, c, x.prompt.window, x.prompt.reading); err != nil {
		return store.Failed(err)
	}
	return nil
}

// change is what the question and what came of its answer do to the conversation.
func (x *Exchange) change(incomplete bool) *change {
	now := time.Now().UnixMilli()
	c := &change{turn: store.Turn{Model: x.prompt.model.Name, Web: x.prompt.req.Web, At: now}}
	none := incomplete && x.answer.collected.Empty()
	for _, m := range x.prompt.added {
		c.said = append(c.said, store.Message{Message: m, At: x.q.Received.UnixMilli()})
	}
	c.turn.Messages = c.said[:len(c.said):len(c.said)]
	switch {
	case x.prompt.turn.listed && len(x.prompt.added) == 1:
		c.turn.Messages, c.turn.Marks = nil, []store.Remark{{}}
	case x.prompt.anew.unanswered:
		c.said = []store.Message{x.prompt.anew.question}
		c.turn.Marks = []store.Remark{{Back: x.prompt.anew.back}}
	}
	if x.q.Restart && !none {
		c.turn.Marks = append(c.turn.Marks, x.prompt.anew.marks...)
		c.replace, c.again = x.prompt.anew.replace, !x.prompt.anew.unanswered
	}
	switch {
	case !none:
		x.answer.collected.Settle()
		answer := x.answer.collected.Message()
		answer.Parts = slices.Clone(answer.Parts) // the conversation outlives the exchange
		m := store.Message{Message: answer, At: now, Incomplete: incomplete}
		c.said, c.turn.Messages = append(c.said, m), append(c.turn.Messages, m)
	case len(c.turn.Messages) > 0 || len(c.turn.Marks) > 0 || x.q.Restart && len(x.prompt.req.Messages) > 0:
		c.turn.Messages = append(c.turn.Messages, store.Message{Message: translate.TextMessage(translate.RoleAssistant, emptyAnswer), At: now, Mark: store.MarkEmpty})
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
	ctx, cancel := context.WithTimeout(context.Background(), noteWait)
	defer cancel()
	if u.Wait(ctx) != nil {
		return
	}
	n := Note{Text: x.q.Failure(err), Model: x.prompt.model.Name, Web: x.q.Request.Web}
	if x.answer.collected.Size() <= mostFailed {
		x.answer.collected.Settle()
		n.Text = x.answer.collected.Text() + n.Text
	}
	if !x.q.Restart && !u.listed {
		n.Question = x.q.entries(store.MarkFailed)
	}
	note := x.g.note
	if x.report.attempts == 0 {
		note = x.g.noteRefused
	}
	failed := note(ctx, u, n)
	x.answer.unnoted = failed != nil
	if failed != nil && !errors.Is(failed, ErrUnnoted) {
		x.g.log.Warn("a turn that failed is not stored", "id", x.q.ID, "why", failed)
	}
}

// Note is what a client shows for a question that was not answered.
type Note struct {
	Question []store.Message // none: it is there already
	Text     string          // in place of the answer
	Model    string
	Web      bool
}

// Note waits for u's turn, adds n to its conversation and gives the place back. The
// conversation is begun where it is new, unless n has no question. It returns its number;
// 0: it has none. The error is ErrUnnoted where n is not added, since its caller had more
// refused than anybody reads.
func (g *Gateway) Note(ctx context.Context, u *Turn, n Note) (number int64, err error) {
	defer u.Done()
	ctx, cancel := context.WithTimeout(ctx, noteWait)
	defer cancel()
	if err := u.Wait(ctx); err != nil {
		return 0, translate.Gone(context.Cause(ctx))
	}
	if err := g.noteRefused(ctx, u, n); errors.Is(err, ErrUnnoted) {
		return 0, ErrUnnoted
	} else if err != nil {
		return 0, store.Failed(err)
	}
	if u.thread.unkept {
		return 0, nil
	}
	g.threads.number(u.thread)
	return u.thread.made.Num, nil
}

// ErrUnnoted says that a refused question is not stored, see [Gateway.MayNote].
var ErrUnnoted = errors.New("too many questions were refused to store them all")

// noteRefused is note for a question that no channel was asked for.
func (g *Gateway) noteRefused(ctx context.Context, u *Turn, n Note) error {
	t := u.thread
	if t.unkept {
		return g.note(ctx, u, n) // it has bounds of its own
	}
	if !g.notes.mayAdd(t.owner) {
		if u.begun > 0 {
			g.notes.add(t.owner, u.begun)
		}
		return ErrUnnoted
	}
	size := len(n.Text) + weigh(n.Question) + u.begun
	if t.made.Created == 0 {
		size += weigh(t.made.Messages)
	}
	err := g.note(ctx, u, n)
	if err == nil {
		g.notes.add(t.owner, size)
	}
	return err
}

// note adds n, whatever the conversation has become since it was read: no model is told
// it.
func (g *Gateway) note(ctx context.Context, u *Turn, n Note) error {
	t, now := u.thread, time.Now().UnixMilli()
	for i := range n.Question {
		n.Question[i].Mark = store.MarkFailed
	}
	c := &change{turn: store.Turn{Model: n.Model, Web: n.Web, At: now}}
	c.turn.Messages = append(slices.Clone(n.Question), store.Message{Message: translate.TextMessage(translate.RoleAssistant, n.Text), At: now, Mark: store.MarkFailed})
	if t.unkept || t.made.Created == 0 {
		if len(n.Question) == 0 && (!t.unkept || len(t.kept.messages) == 0) {
			return nil
		}
		_, err := g.keep(ctx, u, c, -1, readMost)
		return err
	}
	gate := g.threads.gate(t.owner)
	gate.RLock()
	defer gate.RUnlock()
	if u.isCut() {
		return nil
	}
	was, known := t.version(), t.known && t.knownAt == u.cut
	conv := *t.made
	var err error
	for range edits {
		if !known {
			if conv.Version, err = g.store.Version(ctx, t.owner, t.id); err != nil {
				break
			}
		}
		if err = g.store.Append(ctx, &conv, c.turn); !errors.Is(err, store.ErrConflict) {
			break
		}
		known = false
		g.notSole()
	}
	if t.known = known && err == nil; t.known {
		*t.made = conv
		t.quiet(was)
	}
	if errors.Is(err, store.ErrNotFound) {
		return nil // deleted behind the gateway's back
	}
	return err
}
