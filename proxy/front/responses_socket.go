package front

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/proxy/front/intake"
	"github.com/dragoman-gateway/dragoman/translate"
	"github.com/dragoman-gateway/dragoman/translate/responses"
)

// Bounds of one socket of the responses front, which are the vendor's (docs/rules/responses.md 8).
const (
	lanesLimit   = 32 // that have a name
	runningLimit = 16 // answers at once
)

// responsesSocket upgrades GET /v1/responses, after everything that can be wrong with the
// handshake.
func responsesSocket(c *call) {
	token := c.bearer()
	caller, err := c.asker(token)
	switch {
	case err != nil:
	case !websocket.FastHTTPIsWebSocketUpgrade(c.ctx):
		c.ctx.Response.Header.Set("Upgrade", "websocket")
		c.ctx.Response.Header.Set("Connection", "Upgrade")
		err = &translate.Error{Code: translate.CodeUpgradeRequired, Message: "this path takes WebSockets, or a POST"}
	case c.s.ending():
		err = &translate.Error{Code: translate.CodeUnavailable, Message: "the gateway is shutting down", Retry: time.Second}
	}
	if err != nil {
		c.fail(err)
		return
	}
	live := c.s.settings()
	t := &responsesSession{token: token, address: c.address(), who: caller.Name, apart: c.apart(caller), unseen: c.unseen(caller), front: c.front, lanes: make(map[string]*lane)}
	limit := c.limit()
	if caller.Anonymous {
		t.who = strangerAt(t.address)
	}
	if anonymous := live.Callers.Anonymous; caller.Anonymous && anonymous != nil {
		limit = min(limit, int(anonymous.MaxBody))
	}
	server := c.s
	if !server.asking.take(t.who, live.OpenAI.Sockets) {
		c.fail(&translate.Error{Code: translate.CodeRateLimited, Message: "too many connections at once", Retry: time.Second})
		return
	}
	if !c.upgradeTo(upgrader, func(s *session) bool {
		t.session = s
		t.prepare(server, caller, limit, live.OpenAI.SocketAge)
		return t.serve()
	}) {
		server.asking.give(t.who)
	}
}

// responsesSession is one socket of the responses front: its lanes, which are answered at the same
// time, and what it remembers of them.
type responsesSession struct {
	*session
	token   string // its credential
	address string
	who     string // is charged with it, and its place among the sockets
	apart   bool
	unseen  *translate.Error // why it may not see what is stored; nil: it may
	front   *Front
	memory  responsesMemory
	bad     int // unreadable messages in a row; the reader's
	age     *time.Timer
	aged    atomic.Bool // it has been open for as long as it may

	mu      sync.Mutex
	lanes   map[string]*lane // those that have been used, by their names
	ready   []*lane          // where the next question can be answered, in their order
	workers int
	running int // questions that are being answered
	queued  int // messages that wait
	waiting int // their bytes
}

// lane is a stream of a socket: its questions are answered one after the other.
type lane struct {
	queue []*queuedCreate
	busy  bool // one is being answered, or the lane is ready
}

// queuedCreate is a message that waits for its turn, or what was wrong with it.
type queuedCreate struct {
	responses.Create
	bad  *translate.Error
	raw  []byte         // the message, while somebody is captured
	size int            // bytes of the message
	held *intake.Charge // what it takes; nil: too little to count
}

// prepare comes before anything is read.
func (t *responsesSession) prepare(server *Server, caller *proxy.Caller, limit int, age time.Duration) {
	t.memory.held = server.bodies.Charge(intake.Account{Who: t.who, Spares: true})
	t.ws.SetReadLimit(int64(limit))
	if !caller.Anonymous {
		t.signedBy(caller.Name)
	}
	t.shown(server.opened.Add(1), t.front.Name(), t.address, t)
	t.age = time.AfterFunc(age, t.expire)
	t.done = t.over
	t.mayRest()
	t.resumeFunc = t.serve
}

// load implements [load].
func (t *responsesSession) load() (turns, queued int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.running, t.queued
}

// expire ends a socket that has been open for as long as it may: no more questions are read, and
// those that wait are refused.
func (t *responsesSession) expire() {
	defer t.session.recover()
	t.aged.Store(true)
	t.goAway()
}

// over is called when nothing is read and nothing answered any more.
func (t *responsesSession) over() {
	t.age.Stop()
	t.s.asking.give(t.who)
	t.memory.release()
	for _, l := range t.lanes { // nobody else uses them now
		for _, left := range l.queue { // behind an answer that crashed
			left.held.Release()
		}
	}
	if t.aged.Load() {
		_ = t.tell(nil, failureMessage("", t.tooOld()))
		t.close(websocket.CloseGoingAway, "the connection limit is reached")
	}
}

func (t *responsesSession) tooOld() *translate.Error {
	return responses.TooOld(t.s.settings().OpenAI.SocketAge)
}

// serve reads messages until the client leaves, or has said nothing for a while: the session then
// rests.
func (t *responsesSession) serve() (rests bool) {
	for {
		if t.park(t.resumeFunc) {
			return true
		}
		msg, text, ok := t.read(t.who)
		if !ok || !t.take(msg, text) {
			return false
		}
		t.held.Release()
	}
}

// take queues a message, and reports whether there may be others.
func (t *responsesSession) take(msg []byte, text bool) bool {
	next := &queuedCreate{size: len(msg)}
	if text {
		create, err := responses.DecodeCreate(msg)
		if next.Create = create; err != nil {
			next.bad = typed(err)
		}
	} else {
		next.bad = translate.Invalid("messages must be text, not binary")
	}
	if t.s.g.Captures().Any() {
		next.raw = msg // which the session does not use again
	}
	if next.bad == nil {
		t.bad = 0
	} else if t.bad++; t.bad > badLimit {
		t.offence = "too many illegal messages"
		return false
	}
	return t.enqueue(next)
}

// enqueue gives a message its place behind those of its lane. What is too much is refused in that
// place: its client tells answers by their order.
func (t *responsesSession) enqueue(next *queuedCreate) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.queued >= floodLimit {
		t.close(websocket.CloseTryAgainLater, "too many messages at once")
		return false
	}
	l := t.lane(next)
	if next.bad == nil && (t.queued >= queueLimit || t.queued > 0 && t.waiting+next.size > queueBytes || !t.charges(next)) {
		next.bad = &translate.Error{Code: translate.CodeRateLimited, Message: "too many messages at once", Retry: time.Second}
	}
	if next.bad != nil {
		next.size, next.Body, next.raw = 0, nil, nil
	}
	l.queue = append(l.queue, next)
	t.queued++
	t.waiting += next.size
	if l.busy {
		return true
	}
	l.busy = true
	t.ready = append(t.ready, l)
	if t.workers < runningLimit {
		t.workers++
		t.work(t.drain)
	}
	return true
}

// lane returns that of next. One too many is none: next is refused on the one without a name.
func (t *responsesSession) lane(next *queuedCreate) *lane {
	l := t.lanes[next.Lane]
	if l != nil {
		return l
	}
	name, named := next.Lane, len(t.lanes)
	if t.lanes[""] != nil {
		named--
	}
	if name != "" && named >= lanesLimit {
		next.bad = responses.NoMoreLanes(lanesLimit)
		if name, l = "", t.lanes[""]; l != nil {
			return l
		}
	}
	l = new(lane)
	t.lanes[name] = l
	return l
}

// charges charges the caller with a message and what is made of it, unless that is little, until it is
// answered. It reports whether there was room.
func (t *responsesSession) charges(next *queuedCreate) bool {
	if next.size <= intake.Free {
		return true
	}
	held := t.held // which the message was read under, and goes with it
	t.held = intake.Charge{}
	held.Spares = t.queued > 0 || t.running > 0
	if held.Set(2 * next.size) {
		next.held = &held
		return true
	}
	held.Release()
	return false
}

// drain answers what is queued, one after the other of each lane, and of the lanes in turn.
func (t *responsesSession) drain() {
	var l *lane
	for {
		var next *queuedCreate
		if l, next = t.pick(l); l == nil {
			return
		}
		t.run(next)
	}
}

// pick returns the next message, and its lane; nil: there is none. done is the lane of the one before;
// nil: there was none.
func (t *responsesSession) pick(done *lane) (l *lane, next *queuedCreate) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if done != nil {
		t.running--
		if done.busy = len(done.queue) > 0; done.busy {
			t.ready = append(t.ready, done)
		}
	}
	if len(t.ready) == 0 {
		t.workers--
		return nil, nil
	}
	l, t.ready = t.ready[0], t.ready[1:]
	next = l.queue[0]
	l.queue = slices.Delete(l.queue, 0, 1)
	t.queued--
	t.waiting -= next.size
	t.running++
	return l, next
}

func (t *responsesSession) run(next *queuedCreate) {
	switch {
	case next.bad != nil:
		_ = t.tell(nil, failureMessage(next.Lane, next.bad))
		next.held.Release()
	case t.aged.Load():
		_ = t.tell(nil, failureMessage(next.Lane, t.tooOld()))
		next.held.Release()
	default:
		u := responseTurn{t: t, next: next, received: time.Now()}
		u.run()
	}
}
