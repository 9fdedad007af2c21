package front

import (
	"context"
	"errors"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
	"github.com/dragoman-gateway/dragoman/translate/chatnio"
)

// chatnioFront is the server side of chatnio's WebSocket and of the REST calls
// that go with it. Each path is served at the root and under /api (chatnio.md 8.1).
type chatnioFront struct{}

// Routes implements [Front].
func (chatnioFront) Routes(*Server) []Route {
	var routes []Route
	for _, r := range append([]Route{{"GET", "/chat", chatnioSocket}}, chatnioCalls...) {
		routes = append(routes, r, Route{r.Method, "/api" + r.Path, r.Handle})
	}
	return routes
}

const (
	// queueLimit is how many frames may wait while a turn runs.
	queueLimit = 64
	// badLimit is how many unreadable frames in a row end a connection.
	badLimit = 20
)

func chatnioSocket(c *call) {
	if !websocket.FastHTTPIsWebSocketUpgrade(c.ctx) {
		c.ctx.SetStatusCode(400)
		c.ctx.SetContentType("application/json; charset=utf-8")
		c.ctx.SetBodyString(`{"message":"","reason":"websocket: the client is not using the websocket protocol","status":false}`)
		return
	}
	if token := c.bearer(); len(token) > 3 && token[:3] == "sk-" {
		// An unknown key in the header refuses the upgrade, though a good one does
		// not sign the chat in (chatnio.md 3.2).
		if _, err := c.s.g.Identify(token, c.address()); err != nil {
			c.json(401, chatnio.AppendDenied(nil))
			return
		}
	}
	address, query := c.address(), c.ctx.QueryArgs()
	token, id := chatnio.BareToken(string(query.Peek("token"))), string(query.Peek("id"))
	c.upgrade(func(s *session) {
		t := &talk{session: s, address: address}
		if token != "" {
			t.signIn(token)
			t.number, _ = strconv.ParseInt(id, 10, 64)
			t.queried = true
		}
		t.serve()
	})
}

// talk is one chatnio connection: a conversation, its queue and the running turn.
type talk struct {
	*session
	address string
	caller  *proxy.Caller // nil: nobody may ask anonymously
	signed  bool
	queried bool // signed in by the query

	// Used by the worker only, once serve has read the first frame.
	number int64           // of the conversation; 0 or less: a new one
	ref    string          // share to begin with
	id     string          // of the conversation, once it has one
	kept   proxy.Thread    // an anonymous conversation
	head   []store.Message // what a conversation that is not stored yet begins with
	name   string          // its title, when a share gave it one
	joined bool            // a share was joined

	mu      sync.Mutex
	queue   []task
	working bool
	stop    context.CancelCauseFunc // of the running turn; nil: none
	stopped bool
}

// task is one client frame that waits for its turn, or what was wrong with it.
type task struct {
	frame chatnio.Frame
	bad   *translate.Error
}

var errStopped = &translate.Error{Code: translate.CodeCanceled, Fault: translate.FaultGone, Message: "stopped by the client"}

// signIn finds the caller behind token. Any bad one is anonymous: the socket
// never refuses at this point (chatnio.md 3.2).
func (t *talk) signIn(token string) {
	caller, err := t.s.g.Identify(token, t.address)
	t.signed = err == nil && token != ""
	if err != nil {
		caller, err = t.s.g.Identify("", t.address)
	}
	if err == nil {
		t.caller = caller
	}
}

// serve reads frames until the client leaves. Only stop is acted on at once;
// everything else is done in the order in which it came.
func (t *talk) serve() {
	bad, opened := 0, false
	for {
		msg, _, ok := t.read()
		if !ok {
			return
		}
		if chatnio.IsPing(msg) {
			continue
		}
		if !opened {
			opened = true
			request := t.open(msg)
			if t.ref != "" {
				t.enqueue(task{frame: chatnio.Frame{Type: chatnio.TypeShare, Message: t.ref}})
			}
			if !request {
				continue
			}
		}
		frame, err := chatnio.DecodeFrame(msg)
		if err != nil {
			if bad++; bad > badLimit {
				t.close(websocket.ClosePolicyViolation, "too many illegal frames")
				return
			}
			t.enqueue(task{bad: typed(err)})
			continue
		}
		bad = 0
		switch frame.Type {
		case chatnio.TypeStop:
			t.stopTurn()
		case chatnio.TypeRemove:
			t.stopTurn()
			t.enqueue(task{frame: frame})
		case chatnio.TypeChat, chatnio.TypeRestart, chatnio.TypeMask, chatnio.TypeShare, chatnio.TypeEdit:
			t.enqueue(task{frame: frame})
		}
	}
}

// open takes the first frame, and reports whether it is a request as well. A
// token in it wins over one in the query (product.md 6, settled detail 10).
func (t *talk) open(msg []byte) (request bool) {
	auth, err := chatnio.DecodeAuth(msg)
	if err != nil {
		t.signIn("")
		t.enqueue(task{bad: typed(err)})
		return false
	}
	if !t.queried || auth.Token != "" {
		t.signIn(auth.Token)
		t.number, t.ref = auth.ID, auth.Ref
	}
	return auth.Chat
}

func (t *talk) stopTurn() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stop != nil {
		t.stopped = true
		t.stop(errStopped)
	}
}

// enqueue gives a task to the worker. What is too much is refused in its place in
// the order, since the client counts one end for each of its chats.
func (t *talk) enqueue(next task) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.queue) >= queueLimit {
		next = task{bad: &translate.Error{Code: translate.CodeRateLimited, Message: "too many messages at once"}}
	}
	if len(t.queue) >= 16*queueLimit {
		t.close(websocket.CloseTryAgainLater, "too many messages at once")
		t.stopReading()
		return
	}
	t.queue = append(t.queue, next)
	if !t.working {
		t.working = true
		t.work(t.drain)
	}
}

// drain does what is queued, one after the other.
func (t *talk) drain() {
	for {
		t.mu.Lock()
		if len(t.queue) == 0 {
			t.working, t.queue = false, nil
			t.mu.Unlock()
			return
		}
		next := t.queue[0]
		t.queue = t.queue[1:]
		t.mu.Unlock()
		t.do(next)
	}
}

func (t *talk) do(next task) {
	if next.bad != nil {
		t.refuse(&translate.Request{}, next.bad)
		return
	}
	switch next.frame.Type {
	case chatnio.TypeChat, chatnio.TypeRestart:
		t.turn(&next.frame)
	default:
		t.edit(&next.frame)
	}
}

// refuse answers with an error turn: frame 1, then the one end frame.
func (t *talk) refuse(req *translate.Request, err *translate.Error) {
	number := t.number
	if !t.signed {
		number = -1
	}
	if t.write(chatnio.AppendFirst(nil, number, "")) == nil {
		_ = t.write(chatnio.NewEncoder(req, translate.Head{}).AppendError(nil, err, false))
	}
}

// turn answers one chat or restart.
func (t *talk) turn(frame *chatnio.Frame) {
	received := time.Now()
	req := &translate.Request{Dialect: chatnio.Dialect.Name(), Stream: true}
	frame.Request(req)
	restart := frame.Type == chatnio.TypeRestart
	if restart {
		req.Messages = nil
	} else if len(req.Messages) == 0 {
		// The real server says nothing at all to this, and its clients wait for ever
		// (chatnio.md 8.5).
		t.refuse(req, translate.Invalid("the message is empty"))
		return
	}
	if t.caller == nil {
		t.refuse(req, &translate.Error{Code: translate.CodeUnauthorized, Message: "a key is needed"})
		return
	}
	model, wrong := t.s.g.Resolve(t.caller, req.Model)
	if wrong != nil {
		t.refuse(req, wrong)
		return
	}
	ctx, cancel := context.WithCancelCause(t.ctx)
	defer cancel(nil)
	t.begin(cancel)
	defer t.finish()
	place, err := t.enter(ctx, frame)
	if err != nil {
		t.refuse(req, typed(err))
		return
	}
	if t.write(chatnio.AppendFirst(nil, t.number, "")) != nil {
		place.Done()
		return
	}
	q := &proxy.Question{
		ID: t.session.id, Front: "chatnio", Caller: t.caller, Model: model, Received: received,
		Request: req, Turn: place, Restart: restart, KeepPartial: true,
	}
	t.answer(ctx, q)
}

func (t *talk) begin(cancel context.CancelCauseFunc) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stop, t.stopped = cancel, false
}

func (t *talk) finish() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stop = nil
}

func (t *talk) wasStopped() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.stopped
}

// enter takes the turn's place in the conversation, which begins with the first
// turn, under a number that nobody else gets (chatnio.md 8.10).
func (t *talk) enter(ctx context.Context, frame *chatnio.Frame) (*proxy.Turn, error) {
	if t.caller.Anonymous {
		t.number = -1
		return t.s.g.Unstored(&t.kept), nil
	}
	var id proxy.Identity
	switch {
	case t.id != "":
		id.Find = store.Ref{ID: t.id}
	case t.number > 0:
		id.Find = store.Ref{Num: t.number}
		place, err := t.s.g.Enqueue(ctx, t.caller, id)
		if err == nil {
			t.id = place.ID()
			return place, nil
		}
		if typed(err).Code != translate.CodeConversation {
			return nil, err
		}
		// An id that this user does not own begins a new one (chatnio.md 3.2).
		t.number = 0
		id.Find = store.Ref{}
	}
	if t.number <= 0 {
		n, err := t.s.g.Store().Number(ctx, t.caller.Name)
		if err != nil {
			return nil, &translate.Error{Code: translate.CodeInternal, Message: "the conversation store failed", Cause: err}
		}
		t.number = n
	}
	if t.id == "" {
		t.id = proxy.NewID("conv_")
		id.Find = store.Ref{ID: t.id}
	}
	id.Make = &store.Conversation{
		ID: t.id, Num: t.number, User: t.caller.Name, Group: "chatnio:" + strconv.FormatInt(t.number, 10), Name: t.title(frame.Message), Messages: t.head,
	}
	return t.s.g.Enqueue(ctx, t.caller, id)
}

// title names a conversation after its first message (chatnio.md 6).
func (t *talk) title(message string) string {
	if t.name != "" {
		return t.name
	}
	return clipTitle(message)
}

func clipTitle(message string) string {
	if r := []rune(message); len(r) > 50 {
		return string(r[:50]) + "..."
	}
	return message
}

// answer streams the frames of one turn: exactly one of them says end.
func (t *talk) answer(ctx context.Context, q *proxy.Question) {
	enc := chatnio.NewEncoder(q.Request, translate.Head{Number: t.number})
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
		if ev, err = x.Next(); err == nil {
			started = started || ev.Kind.Content()
			buf = enc.Append(buf[:0], ev)
			if t.write(buf) != nil {
				err = errClientGone
			}
		}
	}
	// The turn is settled before its last frame: whoever reads that may at once
	// list, load or go on with the conversation.
	_ = x.Close()
	if errors.Is(err, io.EOF) {
		_ = t.write(enc.AppendTail(buf[:0]))
		return
	}
	t.end(enc, typed(err), started)
}

// end ends a turn that did not end well.
func (t *talk) end(enc *chatnio.Encoder, err *translate.Error, started bool) {
	if t.wasStopped() && err.Fault == translate.FaultGone {
		_ = t.write(enc.AppendTail(nil))
		return
	}
	if err.Fault != translate.FaultGone {
		_ = t.write(enc.AppendError(nil, err, started))
	}
}
