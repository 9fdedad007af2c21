package front

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/dragoman-gateway/dragoman/internal/ids"
	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/proxy/capture"
	"github.com/dragoman-gateway/dragoman/proxy/conversation"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
	"github.com/dragoman-gateway/dragoman/translate/responses"
)

// responseTurn is one question of a socket, while it is answered.
type responseTurn struct {
	t        *responsesSession
	next     *queuedCreate
	received time.Time
	q        proxy.Question
	req      translate.Request
	state    responses.State
	origin   *origin
	asked    []translate.Message // what a further question goes on with
	asking   *proxy.Pending      // nil: it was not admitted yet
	detached bool                // the answer goes on without its client

	mu     sync.Mutex // guards what follows while a channel is looked for
	enc    *responses.SocketEncoder
	buf    []byte // messages that are ready, each with a line break behind it
	opened bool   // nobody is waited for any more
	early  bool   // the first messages went out before there was an answer

	answer translate.Answer // what was said; without content where nobody will ask for it
	ended  bool             // an answer that passes through has its last message
}

// run answers the question: exactly one message says that the response is over.
func (u *responseTurn) run() {
	defer func() {
		if !u.detached {
			u.next.held.Release()
		}
	}()
	if err := u.read(); err != nil {
		u.fail(err)
		return
	}
	if u.next.Warm {
		u.warm()
		return
	}
	x, err := u.open()
	if err != nil {
		u.fail(typed(err))
		return
	}
	defer func() { _ = x.Close() }()
	through := x.PassThrough() && !u.early
	err = u.copy(x, through)
	// The turn is settled before its last message: whoever reads that may go on from it at once.
	_ = x.Close()
	u.detached = x.Detached()
	if !errors.Is(err, io.EOF) {
		u.fail(typed(err))
		return
	}
	switch {
	case !through:
		u.buf = u.enc.AppendTail(u.buf)
	case !u.ended:
		u.buf = u.enc.AppendEnd(u.buf, &u.answer)
	}
	u.remember(u.enc.ID(), u.answer.Message())
	_ = u.flush()
}

// read finds out who asks what, and what goes before it.
func (u *responseTurn) read() *translate.Error {
	t := u.t
	caller, err := t.s.g.Identify(t.token, t.address)
	if err != nil {
		return err
	}
	u.req = translate.Request{Dialect: t.front.Name()}
	if err := t.front.dialect.DecodeRequest(&u.req, u.next.Body); err != nil {
		return typed(err)
	}
	model, err := t.s.g.Resolve(caller, u.req.Model)
	if err != nil {
		return unknownModel(err)
	}
	var wrong error
	if u.state, wrong = responses.StateOf(u.next.Body, &u.req); wrong != nil {
		return typed(wrong)
	}
	u.state.Keep = u.state.Keep && !u.next.Warm && !t.apart
	r := recall{s: t.s, log: u.log, caller: caller, unseen: func() *translate.Error { return t.unseen }, memory: &t.memory, state: u.state, req: &u.req}
	if u.origin, err = r.origin(); err != nil {
		return err
	}
	u.asked = slices.Clone(u.state.Asked(&u.req))
	u.q = proxy.Question{
		ID: ids.New("req_"), Session: t.session.id, Front: t.front.Name(), Caller: caller, Model: model, Received: u.received,
		At: u.origin.after(u.received), Request: &u.req, Address: t.address,
	}
	return nil
}

// log is for lines about the question.
func (u *responseTurn) log() *slog.Logger {
	if u.asking != nil {
		return u.asking.Logger(u.t.s.log)
	}
	return u.t.s.log.With("id", u.t.session.id)
}

// open puts the question to a channel, and tells the client that there will be an answer where that takes
// long.
func (u *responseTurn) open() (*proxy.Exchange, error) {
	t := u.t
	if u.next.held != nil {
		u.next.held.Decoded(&u.req)
		u.q.Holding = u.next.held
	}
	t.s.g.Capture(&u.q, u.next.raw)
	if !u.state.Keep {
		u.origin.precede(&u.req)
	}
	p, err := t.s.g.Admit(t.ctx, u.q)
	if err != nil {
		return nil, err
	}
	u.asking = p
	defer p.Dismiss()
	head := u.envelope()
	if u.state.Keep {
		if err := u.origin.enter(t.s, u.q.Caller, p, func(id conversation.Identity) error { return p.Join(t.ctx, id) }); err != nil {
			return nil, err
		}
		head.NewID = responses.Key{Conversation: p.Turn().ID(), Asked: u.q.At}.ID
	}
	u.enc = responses.NewSocketEncoder(&u.req, head, u.next.Lane)
	defer time.AfterFunc(statusGate, u.startEarly).Stop()
	x, err := p.Open(t.ctx)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.opened = true
	return x, err
}

func (u *responseTurn) envelope() translate.Envelope {
	return translate.Envelope{NewID: u.t.front.newID, Created: u.received.UnixMilli(), RequestID: u.q.ID, Conversation: u.state.Conversation}
}

// startEarly tells the client that its question has been heard, while a channel is looked for: some do not
// wait for long.
func (u *responseTurn) startEarly() {
	defer u.t.session.recover()
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.opened {
		return
	}
	u.early = true
	u.buf = u.enc.Start(u.buf)
	_ = u.flush()
}

// copy writes the messages of the answer until it ends, and returns why it did.
func (u *responseTurn) copy(x *proxy.Exchange, through bool) error {
	for {
		ev, err := x.Next()
		if err != nil {
			return err
		}
		u.collect(ev, through)
		if through {
			u.enc.Follow(ev)
			u.pass(ev.Raw)
		} else {
			u.buf = u.enc.Append(u.buf, ev)
		}
		if u.ended || len(u.buf) < flushAt && x.Ready() {
			continue
		}
		if u.flush() != nil {
			return errClientGone
		}
		x.Wait()
	}
}

func (u *responseTurn) pass(raw []byte) {
	if len(raw) == 0 || u.ended {
		return
	}
	u.buf, u.ended = u.enc.Pass(u.buf, raw)
}

// collect keeps what the answer says, where somebody may ask for it.
func (u *responseTurn) collect(ev translate.Event, through bool) {
	if (through || !u.state.Keep) && u.answer.Size() <= rememberedBytes {
		u.answer.Add(ev)
	}
}

// remember keeps the response in the memory of the socket, if it is not stored and there is room.
func (u *responseTurn) remember(id string, answer translate.Message) {
	if u.state.Keep || u.answer.Size() > rememberedBytes {
		return
	}
	heard := slices.Clone(u.origin.heard)
	for i := range u.asked {
		heard = append(heard, store.Message{Message: u.asked[i], At: u.q.At})
	}
	if len(answer.Parts) > 0 {
		heard = append(heard, store.Message{Message: answer, At: u.q.At})
	}
	u.t.memory.put(id, u.next.Lane, heard)
}

// warm answers a question that nothing is to be generated for: the client will go on from it.
func (u *responseTurn) warm() {
	u.enc = responses.NewSocketEncoder(&u.req, u.envelope(), u.next.Lane)
	u.buf = u.enc.AppendTail(u.buf)
	u.remember(u.enc.ID(), translate.Message{})
	_ = u.flush()
}

// fail ends a response that failed. What it went on from is forgotten, also where the question could not be
// read as a whole.
func (u *responseTurn) fail(err *translate.Error) {
	if err.Fault == translate.FaultGone {
		return
	}
	u.t.memory.evict(responses.PreviousOf(u.next.Body), u.next.Lane)
	if u.enc == nil {
		u.buf = failureMessage(u.next.Lane, err)
	} else {
		u.buf = u.enc.AppendFailure(u.buf, err, failureHeaders(err))
	}
	_ = u.flush()
}

// flush sends the messages that are ready.
func (u *responseTurn) flush() error {
	err := u.t.tell(u.q.Capture, u.buf)
	u.buf = u.buf[:0]
	return err
}

// tell sends messages, each of which has a line break behind it.
func (t *responsesSession) tell(c *capture.Exchange, messages []byte) error {
	if len(messages) == 0 {
		return nil
	}
	c.Told(messages)
	var room [16][]byte
	all := room[:0]
	for line := range bytes.Lines(messages) {
		all = append(all, line[:len(line)-1])
	}
	return t.writeAll(all)
}

// failureMessage is what is said on a lane of a question of which no response came.
func failureMessage(lane string, err *translate.Error) []byte {
	return responses.NewSocketEncoder(&translate.Request{}, translate.Envelope{}, lane).AppendFailure(nil, err, failureHeaders(err))
}

// failureHeaders are the headers that the answer to a request would have, as members of an object.
func failureHeaders(err *translate.Error) (members []byte) {
	refusalHeaders(err, func(name string, value []byte) {
		if len(members) > 0 {
			members = append(members, ',')
		}
		members = append(jsonx.AppendString(members, name), ':')
		members = jsonx.AppendString(members, value)
	})
	return members
}
