package front

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/dragoman-gateway/dragoman/internal/ids"
	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/proxy/conversation"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
	"github.com/dragoman-gateway/dragoman/translate/chatnio"
)

// runTurn answers one chat or restart.
func (t *chatnioSession) runTurn(next *queuedFrame) {
	received := time.Now()
	req := &translate.Request{Dialect: chatnio.Dialect.Name(), Stream: true}
	next.frame.Request(req)
	restart := next.frame.Type == chatnio.TypeRestart
	if restart {
		req.Messages = nil
	} else if len(req.Messages) == 0 {
		// The real server says nothing at all to this, and its clients wait for ever
		// (docs/rules/chatnio.md 8.5).
		t.refuse(next, req, translate.Invalid("the message is empty"))
		return
	}
	if err := t.renew(); err != nil {
		t.refuse(nil, req, err) // who it was may not even add a refusal
		return
	}
	if restart && t.lost {
		t.refuse(next, req, translate.Invalid("the last question was refused and not kept; ask it again"))
		return
	}
	model, wrong := t.resolve(req.Model)
	if wrong != nil {
		t.refuse(next, req, wrong)
		return
	}
	ctx, cancel := context.WithCancelCause(t.ctx)
	defer cancel(nil)
	t.begin(next, cancel)
	q := proxy.Question{
		ID: ids.New("req_"), Session: t.session.id, Front: chatnio.Dialect.Name(), Caller: t.caller, Model: model, Received: received,
		Request: req, Restart: restart, KeepPartial: true, Address: t.address,
		Failure: chatnio.NewEncoder(req, translate.Envelope{}).ErrorText,
	}
	t.s.g.Capture(&q, next.raw)
	t.capture = q.Capture
	defer func() { t.capture = nil }()
	p, err := t.s.g.Admit(ctx, q)
	if err != nil && !next.behind && t.away.Load() && t.s.g.Draining() {
		return // it was read while the server began to stop: the farewell has its client ask again
	}
	if err != nil {
		t.refuse(next, req, typed(err))
		return
	}
	next.asked = p
	defer p.Dismiss()
	if err := t.start(p, next.frame); err != nil {
		if t.ctx.Err() != nil {
			abandon(ctx, p)
			return
		}
		p.Dismiss()
		t.refuse(next, req, typed(err))
		return
	}
	if t.first() != nil {
		abandon(ctx, p)
		return
	}
	t.lost = false
	defer t.unnoted(p)
	t.answer(ctx, p, req, next)
}

// abandon settles a question that was let in and whose client has left before it was told so,
// as ctx says: it leaves the trace of any other question that is left.
func abandon(ctx context.Context, p *proxy.Pending) {
	if x, err := p.Open(ctx); err == nil {
		_ = x.Close()
	}
}

// unnoted notes that the question is on the client's screen and not stored, if so.
func (t *chatnioSession) unnoted(p *proxy.Pending) {
	if p.Unnoted() {
		t.adrift, t.lost = true, true
	}
}

// resolve finds the model, or says in the real server's way why not: a model that
// is not for callers without a key asks for one (docs/rules/chatnio.md 5.2).
func (t *chatnioSession) resolve(name string) (*proxy.Model, *translate.Error) {
	if t.caller == nil {
		return nil, &translate.Error{Code: translate.CodeUnauthorized, Message: "a key is needed"}
	}
	if t.caller.Anonymous && t.misnamed != nil {
		return nil, t.misnamed
	}
	model, err := t.s.g.Resolve(t.caller, name)
	if err != nil && err.Code == translate.CodePermission && !t.signed() {
		return nil, &translate.Error{Code: translate.CodeUnauthorized, Message: err.Message}
	}
	return model, err
}

func (t *chatnioSession) begin(next *queuedFrame, cancel context.CancelCauseFunc) {
	t.mu.Lock()
	defer t.mu.Unlock()
	next.cancel = cancel
	if next.stopped {
		cancel(errStopped)
	}
}

// over says that the running turn is over but for its last frame: a stop that
// comes from now on means the next one. It reports whether it was stopped.
func (t *chatnioSession) over() (stopped bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	stopped = t.now != nil && t.now.stopped
	t.now = nil
	return stopped
}

// locate finds out whether the connection has a conversation already: the one that it
// asked for, unless that is not one of this caller's.
func (t *chatnioSession) locate(ctx context.Context) error {
	if t.fixed || t.number <= 0 {
		return nil
	}
	_, err := t.s.g.Store().Load(ctx, t.caller.Name, store.Ref{Num: t.number}, store.Newest(-1))
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return store.Failed(err)
	}
	if t.stored = err == nil; t.stored {
		t.hold(t.number)
	} else if t.s.numbers.join(t.caller.Name, t.number) {
		t.fixed = true // it was given out on another socket
	} else {
		t.number = 0
	}
	return nil
}

func (t *chatnioSession) hold(n int64) {
	t.s.numbers.hold(t.caller.Name, n)
	t.number, t.fixed = n, true
}

// resolveConversation gives the connection a number that nobody else gets, if it has none yet.
func (t *chatnioSession) resolveConversation() error {
	if !t.signed() {
		t.number = -1
		return nil
	}
	ctx, cancel := context.WithTimeout(t.ctx, storeWait)
	defer cancel()
	if err := t.locate(ctx); err != nil || t.fixed {
		return err
	}
	n, err := t.s.g.Store().Number(ctx, t.caller.Name)
	if err != nil {
		return store.Failed(err)
	}
	t.hold(n)
	return nil
}

// start makes sure that the turn's conversation can be found by the number that its first
// frame says: a new one is stored with its question. In one that is stored the turn has its place
// before its first frame, unless it waits for a limit: its client sees a deletion after that frame as
// one under a turn that runs.
func (t *chatnioSession) start(p *proxy.Pending, frame chatnio.Frame) error {
	if !t.signed() {
		return t.resolveConversation()
	}
	ctx, cancel := context.WithTimeout(t.ctx, storeWait)
	defer cancel()
	if err := t.locate(ctx); err != nil {
		return err
	}
	switch {
	case t.stored && p.Waiting():
		return nil
	case t.stored:
		return p.Begin(ctx, t.identity(frame.Message))
	case frame.Type == chatnio.TypeRestart, !t.s.g.Conversations().MayNote(t.caller.Name):
		return t.resolveConversation() // it is stored with its answer
	}
	if err := p.Begin(ctx, t.identity(frame.Message)); err != nil {
		return err
	}
	t.began(p.Turn().Number())
	return nil
}

// began notes that the conversation is stored under number.
func (t *chatnioSession) began(number int64) {
	if number <= 0 {
		return
	}
	if !t.fixed {
		t.hold(number)
	}
	t.stored, t.head = true, nil
	t.stays.Release()
}

// forget gives back the number of a socket that has ended, and what was only said on it.
func (t *chatnioSession) forget() {
	t.s.chats.give(t.who)
	t.stays.Release()
	for _, left := range t.queue { // behind a turn that crashed
		left.held.Release()
	}
	if t.kept != nil {
		t.s.g.Conversations().Leave(t.kept)
	}
	if t.fixed {
		t.s.numbers.leave(t.caller.Name, t.number)
	}
}

// unstored is the next place in the conversation of a caller without a key.
func (t *chatnioSession) unstored() *conversation.Turn {
	if t.kept == nil {
		t.kept = new(conversation.Thread)
	}
	return t.s.g.Conversations().Unstored(t.kept)
}

// enter takes the turn's place in the conversation, if it has none yet.
func (t *chatnioSession) enter(ctx context.Context, p *proxy.Pending, message string) error {
	if p.Turn() != nil {
		return nil
	}
	if !t.signed() {
		p.Enter(t.unstored())
		return nil
	}
	if !p.Waiting() {
		ctx = t.ctx // also a question that was stopped just now is stored
	}
	return p.Join(ctx, t.identity(message))
}

// identity is the connection's conversation; a new one is named after message.
func (t *chatnioSession) identity(message string) conversation.Identity {
	id := conversation.Identity{Make: &store.Conversation{User: t.caller.Name, Group: "chatnio:", Numbered: true, Name: t.name, Messages: t.head}}
	if t.name == "" {
		id.Make.Name = clipTitle(message)
	}
	if t.number > 0 {
		id.Find.Num, id.Make.Num = t.number, t.number
	}
	return id
}

// note stores a question that was refused with what the client shows for it.
func (t *chatnioSession) note(next *queuedFrame, text string) {
	if next == nil || !next.answered() || t.caller == nil || t.caller.Anonymous && t.misnamed != nil {
		return
	}
	ctx, cancel := context.WithTimeout(t.ctx, storeWait)
	defer cancel()
	n := conversation.Note{Text: text, Web: next.frame.Web}
	if !translate.TooLong(next.frame.Model, translate.MaxID) {
		n.Model = next.frame.Model
	}
	if next.frame.Type == chatnio.TypeChat {
		if next.frame.Message == "" {
			return
		}
		n.Question = []store.Message{{Message: translate.TextMessage(translate.RoleUser, next.frame.Message), At: time.Now().UnixMilli()}}
	}
	number, err := t.noteIn(ctx, n, next.frame.Message)
	if err != nil {
		t.adrift, t.lost = true, true
		if errors.Is(err, conversation.ErrUnnoted) {
			return
		}
		t.log(next).Warn("a question that was refused is not stored", "why", err)
		return
	}
	t.lost = t.lost && n.Question == nil
	t.began(number)
}

func (t *chatnioSession) noteIn(ctx context.Context, n conversation.Note, message string) (number int64, err error) {
	if !t.signed() {
		return t.unstored().Note(ctx, n)
	}
	if err := t.locate(ctx); err != nil {
		return 0, err
	}
	place, err := t.s.g.Enqueue(ctx, t.caller, t.identity(message))
	if err != nil {
		return 0, err
	}
	return place.Note(ctx, n)
}

// first sends frame 1 of a turn. A store that failed left no number to send.
func (t *chatnioSession) first() error {
	number := t.number
	if number <= 0 {
		number = -1
	}
	t.sent = 1
	return t.tell(chatnio.AppendFirst(nil, number, ""))
}

// tell sends one frame of a turn.
func (t *chatnioSession) tell(frame []byte) error {
	if t.capture != nil {
		t.capture.Told(append(frame[:len(frame):len(frame)], '\n'))
	}
	return t.write(frame)
}

// more sends a further frame; a pairReader gets it where it looks for text.
func (t *chatnioSession) more(enc *chatnio.Encoder, frame []byte) error {
	if len(frame) == 0 {
		return nil
	}
	if t.pairs && t.sent%2 == 0 {
		t.sent++
		if err := t.tell(enc.AppendBlank(nil)); err != nil {
			return err
		}
	}
	t.sent++
	return t.tell(frame)
}

// last sends the end frame; a pairReader gets it where it looks for the end.
func (t *chatnioSession) last(enc *chatnio.Encoder, frame []byte) error {
	odd := t.sent%2 == 1
	t.ended = true
	if t.pairs && odd {
		if err := t.tell(enc.AppendBlank(nil)); err != nil {
			return err
		}
	}
	return t.tell(frame)
}

// refuse answers with an error turn: frame 1, then the one end frame. next is what is
// refused; nil: no question.
func (t *chatnioSession) refuse(next *queuedFrame, req *translate.Request, err *translate.Error) {
	enc := chatnio.NewEncoder(req, translate.Envelope{})
	t.note(next, enc.ErrorText(err))
	if failed := t.resolveConversation(); failed != nil {
		err = typed(failed)
	}
	t.over()
	if t.first() == nil {
		_ = t.last(enc, enc.AppendError(nil, err, false))
	}
}

// answer streams the frames of one turn: exactly one of them says end.
func (t *chatnioSession) answer(ctx context.Context, p *proxy.Pending, req *translate.Request, next *queuedFrame) {
	enc := chatnio.NewEncoder(req, translate.Envelope{Number: t.number})
	if err := t.enter(ctx, p, next.frame.Message); err != nil {
		err := typed(err)
		t.note(next, enc.ErrorText(err))
		t.end(enc, err, false)
		return
	}
	x, err := p.Open(ctx)
	if err != nil {
		t.end(enc, typed(err), false)
		return
	}
	defer func() { _ = x.Close() }()
	var buf []byte
	started := false
	for err == nil {
		var ev translate.Event
		ev, err = x.Next()
		enc.Quota = float32(x.Cost())
		if err == nil {
			started = started || ev.Kind.Content()
			buf = enc.Append(buf[:0], ev)
			if t.more(enc, buf) != nil {
				err = errClientGone
			}
		}
	}
	// The turn is settled before its last frame: whoever reads that may at once
	// list, load or go on with the conversation.
	_ = x.Close()
	if errors.Is(err, io.EOF) {
		t.head = nil // it is stored now
		t.stays.Release()
		t.over()
		_ = t.last(enc, enc.AppendTail(buf[:0]))
		return
	}
	t.end(enc, typed(err), started)
}

// end ends a turn that did not end well.
func (t *chatnioSession) end(enc *chatnio.Encoder, err *translate.Error, started bool) {
	stopped := t.over()
	switch {
	case err.Fault != translate.FaultGone:
		_ = t.last(enc, enc.AppendError(nil, err, started))
	case stopped:
		t.head = nil
		t.stays.Release()
		_ = t.last(enc, enc.AppendTail(nil))
	}
}
