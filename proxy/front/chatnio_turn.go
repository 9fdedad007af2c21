package front

import (
	"context"
	"errors"
	"io"
	"strconv"
	"time"

	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
	"github.com/dragoman-gateway/dragoman/translate/chatnio"
)

// turn answers one chat or restart.
func (t *talk) turn(next *task) {
	received := time.Now()
	req := &translate.Request{Dialect: chatnio.Dialect.Name(), Stream: true}
	next.frame.Request(req)
	restart := next.frame.Type == chatnio.TypeRestart
	if restart {
		req.Messages = nil
	} else if len(req.Messages) == 0 {
		// The real server says nothing at all to this, and its clients wait for ever
		// (chatnio.md 8.5).
		t.refuse(req, translate.Invalid("the message is empty"))
		return
	}
	model, wrong := t.resolve(req.Model)
	if wrong != nil {
		t.refuse(req, wrong)
		return
	}
	ctx, cancel := context.WithCancelCause(t.ctx)
	defer cancel(nil)
	t.begin(next, cancel)
	q := &proxy.Question{
		ID: proxy.NewID("req_"), Session: t.session.id, Front: "chatnio", Caller: t.caller, Model: model, Received: received,
		Request: req, Restart: restart, KeepPartial: true, Address: t.address,
	}
	if err := t.s.g.Admit(ctx, q); err != nil {
		t.refuse(req, typed(err))
		return
	}
	defer t.s.g.Dismiss(q)
	if err := t.settle(); err != nil {
		t.refuse(req, typed(err))
		return
	}
	if t.first() == nil {
		t.answer(ctx, q, next.frame.Message)
	}
}

// resolve finds the model, or says in the real server's way why not: a model that
// is not for callers without a key asks for one (chatnio.md 5.2).
func (t *talk) resolve(name string) (*proxy.Model, *translate.Error) {
	if err := t.renew(); err != nil {
		return nil, err
	}
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

func (t *talk) begin(next *task, cancel context.CancelCauseFunc) {
	t.mu.Lock()
	defer t.mu.Unlock()
	next.cancel = cancel
	if next.stopped {
		cancel(errStopped)
	}
}

// over says that the running turn is over but for its last frame: a stop that
// comes from now on means the next one. It reports whether it was stopped.
func (t *talk) over() (stopped bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	stopped = t.now != nil && t.now.stopped
	t.now = nil
	return stopped
}

// settle finds out which conversation the connection has: the one it asked for, or
// a new one under a number that nobody else gets (chatnio.md 8.10), also when
// the number asked for is not one of this caller's (chatnio.md 3.2).
func (t *talk) settle() error {
	if !t.signed() {
		t.number = -1
		return nil
	}
	if t.fixed {
		return nil
	}
	ctx, cancel := context.WithTimeout(t.ctx, storeWait)
	defer cancel()
	if t.number > 0 {
		known, err := t.known(ctx)
		if err != nil {
			return err
		}
		if known {
			t.fixed = true
			return nil
		}
	}
	n, err := t.s.g.Store().Number(ctx, t.caller.Name)
	if err != nil {
		return storeFault(err)
	}
	t.s.numbers.hold(t.caller.Name, n)
	t.number, t.fixed = n, true
	return nil
}

// known reports whether the number that was asked for is that of a conversation
// of the caller's, stored or begun on another socket, and holds it then.
func (t *talk) known(ctx context.Context) (bool, error) {
	if t.s.numbers.join(t.caller.Name, t.number) {
		return true, nil
	}
	_, err := t.s.g.Store().Load(ctx, t.caller.Name, store.Ref{Num: t.number}, store.Newest(-1))
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, storeFault(err)
	}
	t.s.numbers.hold(t.caller.Name, t.number)
	return true, nil
}

func storeFault(err error) *translate.Error {
	return &translate.Error{Code: translate.CodeInternal, Message: textStoreFailed, Cause: err}
}

// forget gives back the number of a socket that has ended, and what was only said on it.
func (t *talk) forget() {
	t.s.chats.give(t.who)
	t.stays.release()
	for _, left := range t.queue { // behind a turn that crashed
		left.held.release()
	}
	t.s.g.Leave(&t.kept)
	if t.fixed {
		t.s.numbers.leave(t.caller.Name, t.number)
	}
}

// enter takes the turn's place in the conversation, which is stored with its
// first turn and named after message.
func (t *talk) enter(ctx context.Context, q *proxy.Question, message string) error {
	if !t.signed() {
		q.Turn = t.s.g.Unstored(&t.kept)
		return nil
	}
	name := t.name
	if name == "" {
		name = clipTitle(message)
	}
	if !q.Waiting() {
		ctx = t.ctx // also a question that was stopped just now is stored
	}
	return t.s.g.Join(ctx, q, proxy.Identity{
		Find: store.Ref{Num: t.number},
		Make: &store.Conversation{
			Num: t.number, User: t.caller.Name, Group: "chatnio:" + strconv.FormatInt(t.number, 10),
			Name: name, Messages: t.head,
		},
	})
}

// clipTitle makes a title of a message (chatnio.md 6).
func clipTitle(message string) string {
	n := 0
	for i := range message {
		if n == 50 {
			return message[:i] + "..."
		}
		n++
	}
	return message

}

// first sends frame 1 of a turn. A store that failed left no number to send.
func (t *talk) first() error {
	number := t.number
	if number <= 0 {
		number = -1
	}
	t.sent = 1
	return t.write(chatnio.AppendFirst(nil, number, ""))
}

// more sends a further frame; a pairReader gets it where it looks for text.
func (t *talk) more(enc *chatnio.Encoder, frame []byte) error {
	if len(frame) == 0 {
		return nil
	}
	if t.pairs && t.sent%2 == 0 {
		t.sent++
		if err := t.write(enc.AppendBlank(nil)); err != nil {
			return err
		}
	}
	t.sent++
	return t.write(frame)
}

// last sends the end frame; a pairReader gets it where it looks for the end.
func (t *talk) last(enc *chatnio.Encoder, frame []byte) error {
	odd := t.sent%2 == 1
	t.ended = true
	if t.pairs && odd {
		if err := t.write(enc.AppendBlank(nil)); err != nil {
			return err
		}
	}
	return t.write(frame)
}

// refuse answers with an error turn: frame 1, then the one end frame.
func (t *talk) refuse(req *translate.Request, err *translate.Error) {
	if failed := t.settle(); failed != nil {
		err = typed(failed)
	}
	t.over()
	if t.first() == nil {
		enc := chatnio.NewEncoder(req, translate.Head{})
		_ = t.last(enc, enc.AppendError(nil, err, false))
	}
}

// answer streams the frames of one turn: exactly one of them says end.
func (t *talk) answer(ctx context.Context, q *proxy.Question, message string) {
	enc := chatnio.NewEncoder(q.Request, translate.Head{Number: t.number})
	if err := t.enter(ctx, q, message); err != nil {
		t.end(enc, typed(err), false)
		return
	}
	x, err := t.s.g.Open(ctx, q)
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
		t.stays.release()
		t.over()
		_ = t.last(enc, enc.AppendTail(buf[:0]))
		return
	}
	t.end(enc, typed(err), started)
}

// end ends a turn that did not end well.
func (t *talk) end(enc *chatnio.Encoder, err *translate.Error, started bool) {
	stopped := t.over()
	switch {
	case err.Fault != translate.FaultGone:
		_ = t.last(enc, enc.AppendError(nil, err, started))
	case stopped:
		t.head = nil
		t.stays.release()
		_ = t.last(enc, enc.AppendTail(nil))
	}
}
