package front

import (
	"bytes"
	"context"
	"log/slog"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"

	"github.com/fasthttp/websocket"

	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/proxy/capture"
	"github.com/dragoman-gateway/dragoman/proxy/conversation"
	"github.com/dragoman-gateway/dragoman/proxy/front/intake"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
	"github.com/dragoman-gateway/dragoman/translate/chatnio"
)

const (
	// queueLimit is how many frames may wait while a turn runs, and queueBytes how
	// many bytes they may have together.
	queueLimit = 64
	queueBytes = 4 << 20
	// floodLimit is how many refusals may wait besides.
	floodLimit = 16 * queueLimit
	// badLimit is how many unreadable frames in a row end a connection.
	badLimit = 20
)

// pairReader is in the name of the one client that looks for text in every second
// frame only, and for the end in the others (docs/rules/chatnio.md 7, PHP).
var pairReader = []byte("websocket-client-php")

func chatnioSocket(c *call) {
	if token := c.bearer(); strings.HasPrefix(token, "sk-") {
		// An unknown key in the header refuses the upgrade, though a good one does
		// not sign the chat in (docs/rules/chatnio.md 3.2).
		if _, err := c.s.g.Identify(token, c.address()); err != nil {
			c.retryAfter(err)
			c.json(401, chatnio.AppendDenied(nil))
			return
		}
	}
	if !websocket.FastHTTPIsWebSocketUpgrade(c.ctx) {
		c.json(400, []byte(`{"message":"","reason":"websocket: the client is not using the websocket protocol","status":false}`))
		return
	}
	address, query := c.address(), c.ctx.QueryArgs()
	server, who := c.s, strangerAt(address)
	if !server.chats.take(who, server.settings().Chatnio.Sockets) {
		c.ctx.Response.Header.Set("Retry-After", "1")
		c.json(429, chatnio.AppendFail(nil, textManySockets))
		return
	}
	token, id := chatnio.BareToken(string(query.Peek("token"))), string(query.Peek("id"))
	misnamed := c.misnamed()
	pairs := bytes.Contains(c.ctx.Request.Header.UserAgent(), pairReader)
	if !c.upgradeTo(upgrader, func(s *session) bool {
		t := &chatnioSession{session: s, address: address, pairs: pairs, misnamed: misnamed, who: who, stays: server.bodies.Charge(intake.Account{Who: who, Spares: true})}
		s.done = t.forget
		s.shown(server.opened.Add(1), chatnio.Dialect.Name(), address, t)
		if token != "" {
			if !t.signIn(token) {
				return false
			}
			t.number, _ = strconv.ParseInt(strings.TrimSpace(id), 10, 64)
			t.queried = true
		}
		t.mayRest()
		t.resumeFunc = t.serve
		return t.serve()
	}) {
		server.chats.give(who)
	}
}

const textManySockets = "too many connections at once"

// chatnioSession is one chatnio connection: a conversation, its queue and the running turn.
type chatnioSession struct {
	*session
	address string
	caller  *proxy.Caller // nil: nobody may ask anonymously
	token   string        // that signed the caller in; empty: anonymous
	queried bool          // signed in by the query
	pairs   bool          // the client is a pairReader
	// misnamed is what callers without a key are refused with; nil: they are not.
	misnamed *translate.Error
	who      string // is charged with it, and its place among the sockets; the reader's

	// Used by the worker only, once serve has read the first frame.
	number int64                // of the conversation; 0 or less: a new one
	fixed  bool                 // number is the conversation's, and held
	stored bool                 // the conversation is
	ref    string               // share to begin with
	kept   *conversation.Thread // an anonymous conversation; nil: nothing was said yet
	head   []store.Message      // what a conversation that is not stored yet begins with
	put    int                  // bytes of what was put at the head
	stays  intake.Charge        // what the head takes
	name   string               // its title, when a share gave it one
	joined bool                 // a share was joined
	adrift bool                 // the client has refused questions on its screen that are not stored
	lost   bool                 // the newest question is one of these
	bad    int                  // unreadable frames in a row
	opened bool                 // a first frame has come
	excess bool                 // its caller has as many sockets as he may
	sent   int                  // frames of the running turn
	ended  bool                 // the last of them is out

	capture *capture.Exchange // keeps what the running turn says; nil: nobody does

	mu      sync.Mutex
	queue   []*queuedFrame
	waiting int          // bytes of the frames in the queue
	now     *queuedFrame // the one that is being done, until its last frame goes out
	working bool
}

// queuedFrame is one client frame that waits for its turn, or what was wrong with it.
type queuedFrame struct {
	frame chatnio.Frame
	bad   *translate.Error
	size  int    // bytes of the frame
	raw   []byte // the frame, while somebody is captured
	held  intake.Charge

	asked   *proxy.Pending          // nil: it was not admitted
	cancel  context.CancelCauseFunc // while it runs
	stopped bool
	behind  bool // it came while another was answered
}

// answered reports whether the task is a turn that can be stopped.
func (k *queuedFrame) answered() bool {
	return k != nil && k.bad == nil && (k.frame.Type == chatnio.TypeChat || k.frame.Type == chatnio.TypeRestart)
}

var errStopped = &translate.Error{Code: translate.CodeCanceled, Fault: translate.FaultGone, Message: "stopped by the client"}

// signIn finds the caller behind token. Any bad one is anonymous: the socket
// never refuses at this point (docs/rules/chatnio.md 3.2).
// The connection counts among the caller's from then on; if there is no place it is
// closed, and signIn returns false.
func (t *chatnioSession) signIn(token string) bool {
	caller, err := t.s.g.Identify(token, t.address)
	if err != nil {
		token = ""
		caller, err = t.s.g.Identify(token, t.address)
	}
	t.caller, t.token = nil, token
	if err == nil {
		t.caller = caller
	}
	if t.caller == nil || t.caller.Anonymous || t.caller.Name == t.who {
		return true
	}
	if !t.s.chats.take(t.caller.Name, t.s.settings().Chatnio.Sockets) {
		t.excess = true
		t.close(websocket.CloseTryAgainLater, textManySockets)
		return false
	}
	t.s.chats.give(t.who)
	t.who, t.stays.Who = t.caller.Name, t.caller.Name
	t.signedBy(t.who)
	return true
}

// renew looks the credential up again: a socket may stay open for days, while its key is
// revoked or expires, and limits and models of its caller change. It fails if the
// credential no longer maps to the same caller.
func (t *chatnioSession) renew() *translate.Error {
	caller, err := t.s.g.Identify(t.token, t.address)
	switch {
	case t.token == "" && err != nil:
		t.caller = nil
		return nil
	case err != nil:
		return err
	case t.token != "" && caller.Name != t.caller.Name:
		return &translate.Error{Code: translate.CodeInvalidToken, Message: "the key is somebody else's now"}
	}
	t.caller = caller
	return nil
}

// load implements [load].
func (t *chatnioSession) load() (turns, queued int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.now.answered() {
		turns = 1
	}
	return turns, len(t.queue)
}

// signed reports whether the conversation belongs to somebody.
func (t *chatnioSession) signed() bool { return t.caller != nil && !t.caller.Anonymous }

// serve reads frames until the client leaves, or has said nothing for a while: the
// session then rests. Only stop is acted on at once; everything else is done in the
// order in which it came.
func (t *chatnioSession) serve() (rests bool) {
	for {
		if t.park(t.resumeFunc) {
			return true
		}
		msg, _, ok := t.read(t.who)
		if !ok || !t.handleFrame(msg) {
			return false
		}
		t.held.Release()
	}
}

// handleFrame acts on one frame, and reports whether there may be others.
func (t *chatnioSession) handleFrame(msg []byte) bool {
	if chatnio.IsPing(msg) {
		return true
	}
	if !t.opened {
		t.opened = true
		request := t.open(msg)
		if t.excess {
			return false
		}
		if t.ref != "" {
			t.enqueue(&queuedFrame{frame: chatnio.Frame{Type: chatnio.TypeShare, Message: t.ref}})
		}
		if !request {
			return true
		}
	}
	frame, err := chatnio.DecodeFrame(msg)
	if err != nil {
		if t.bad++; t.bad > badLimit {
			t.offence = "too many illegal frames"
			return false
		}
		t.enqueue(&queuedFrame{bad: typed(err)})
		return true
	}
	t.bad = 0
	next := &queuedFrame{frame: frame, size: len(msg)}
	if t.s.g.Captures().Any() {
		next.raw = bytes.Clone(msg)
	}
	t.dispatch(next)
	return true
}

// dispatch does what a frame asks for, or queues it. Frames of unknown types are
// ignored (docs/rules/chatnio.md 4).
func (t *chatnioSession) dispatch(next *queuedFrame) {
	switch next.frame.Type {
	case chatnio.TypeStop:
		t.stopTurn()
	case chatnio.TypeRemove:
		t.stopTurn()
		t.enqueue(next)
	case chatnio.TypeChat, chatnio.TypeRestart, chatnio.TypeMask, chatnio.TypeShare, chatnio.TypeEdit:
		t.enqueue(next)
	}
}

// open takes the first frame, and reports whether it is a request as well. A token in it
// wins over one in the query.
func (t *chatnioSession) open(msg []byte) (request bool) {
	auth, err := chatnio.DecodeAuth(msg)
	if !t.queried || auth.Token != "" {
		if !t.signIn(auth.Token) {
			return false
		}
		t.number = auth.ID
	} else if auth.ID > 0 {
		t.number = auth.ID
	}
	if err != nil {
		t.enqueue(&queuedFrame{bad: typed(err)})
		return false
	}
	if t.ref = auth.Ref; t.ref != "" {
		t.number = -1
	}
	return auth.Chat
}

// stopTurn ends the oldest turn that has not sent its last frame yet, running or
// not: a stop may overtake the start of the turn that it means.
func (t *chatnioSession) stopTurn() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.now.answered() {
		t.now.stop()
		return
	}
	for _, k := range t.queue {
		if k.answered() {
			k.stop()
			return
		}
	}
}

func (k *queuedFrame) stop() {
	k.stopped = true
	if k.cancel != nil {
		k.cancel(errStopped)
	}
}

// enqueue gives a task to the worker. What is too much is refused in its place in
// the order, since the client counts one end for each of its chats.
func (t *chatnioSession) enqueue(next *queuedFrame) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.queue) >= queueLimit || t.waiting+next.size > queueBytes || !t.charges(next) {
		next = &queuedFrame{bad: &translate.Error{Code: translate.CodeRateLimited, Message: "too many messages at once"}}
	}
	if len(t.queue) >= floodLimit {
		t.close(websocket.CloseTryAgainLater, "too many messages at once")
		t.stopReading()
		return
	}
	next.behind = t.working
	t.queue = append(t.queue, next)
	t.waiting += next.size
	if !t.working {
		t.working = true
		t.work(t.drain)
	}
}

// charges charges the caller with a frame and what is made of it, unless that is
// little, until it is done. It reports whether there was room.
func (t *chatnioSession) charges(next *queuedFrame) bool {
	if next.size <= intake.Free {
		return true
	}
	next.held = t.s.bodies.Charge(intake.Account{Who: t.who, Spares: true})
	return next.held.Set(2 * next.size)
}

// drain does what is queued, one after the other.
func (t *chatnioSession) drain() {
	for {
		t.mu.Lock()
		if len(t.queue) == 0 {
			t.working, t.queue, t.now = false, nil, nil
			t.mu.Unlock()
			return
		}
		t.now = t.queue[0]
		t.queue = t.queue[1:]
		t.waiting -= t.now.size
		next := t.now
		t.mu.Unlock()
		t.run(next)
	}
}

func (t *chatnioSession) run(next *queuedFrame) {
	t.sent, t.ended = 0, false
	defer next.held.Release()
	defer t.crash(next)
	switch {
	case next.bad != nil:
		t.refuse(nil, &translate.Request{}, next.bad)
	case next.answered():
		t.runTurn(next)
	default:
		t.edit(&next.frame)
	}
}

// log is for lines about next, see [call.log]; of one that was not admitted, or nil, they have
// the id of the session.
func (t *chatnioSession) log(next *queuedFrame) *slog.Logger {
	if next != nil && next.asked != nil {
		return next.asked.Logger(t.s.log)
	}
	return t.s.log.With("id", t.session.id)
}

// crash ends the turn in which something panicked before the session ends: its
// client would wait for ever otherwise (docs/rules/chatnio.md 8.3).
func (t *chatnioSession) crash(next *queuedFrame) {
	p := recover()
	if p == nil {
		return
	}
	t.log(next).Error("panic", "what", p, "stack", string(debug.Stack()))
	if !t.ended && (next.bad != nil || next.answered()) {
		if t.sent == 0 {
			_ = t.first()
		}
		enc := chatnio.NewEncoder(&translate.Request{}, translate.Envelope{})
		_ = t.last(enc, enc.AppendError(nil, &translate.Error{Code: translate.CodeInternal, Message: "internal error"}, true))
	}
	panic(told{p})
}
