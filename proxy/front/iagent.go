package front

import (
	"context"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/dragoman-gateway/dragoman/limiter"
	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
	"github.com/dragoman-gateway/dragoman/translate/iagent"
)

// iagentFront is the server side of the iagent message format: one socket for
// many users (rest_iagent.md 7 and 8.2).
type iagentFront struct{}

// Routes implements [Front].
func (iagentFront) Routes(*Server) []Route {
	return []Route{{"GET", "/ws/v1/chat", iagentSocket}}
}

// Bounds of rest_iagent.md 8.2.
const (
	connectionsPerToken = 64  // item 1
	inFlightLimit       = 256 // item 8: questions, and as many frames that wait to be written
	idleWorkers         = 32
	unreadFor           = 100 * time.Millisecond
)

// crowdUpgrader is for sockets that many users share.
var crowdUpgrader = newUpgrader(16 << 10)

// iagentSocket upgrades, after everything that can be wrong with a handshake
// (item 1).
func iagentSocket(c *call) {
	c.allowPage()
	token := bareAppToken(string(c.ctx.QueryArgs().Peek("app_token")))
	caller, err := c.s.g.Identify(token, c.address())
	if err == nil && token == "" {
		err = &translate.Error{Code: translate.CodeUnauthorized, Message: "app_token is missing"}
	}
	if err != nil {
		c.fail(&restWire, err)
		return
	}
	if !websocket.FastHTTPIsWebSocketUpgrade(c.ctx) {
		c.fail(&restWire, &translate.Error{Code: translate.CodeUpgradeRequired, Message: "this path takes WebSockets only"})
		c.ctx.Response.Header.Set("Upgrade", "websocket")
		c.ctx.Response.Header.Set("Connection", "Upgrade")
		return
	}
	if c.s.ending() {
		c.fail(&restWire, &translate.Error{Code: translate.CodeUnavailable, Message: "the gateway is shutting down", Retry: time.Second})
		return
	}
	if !c.s.sockets.take(caller.Name, connectionsPerToken) {
		c.fail(&restWire, &translate.Error{Code: translate.CodeRateLimited, Message: "too many connections for this token", Retry: time.Second})
		return
	}
	server, address := c.s, c.address()
	if !c.upgrade(crowdUpgrader, func(s *session) {
		defer server.sockets.give(caller.Name)
		newCrowd(s, caller, address, func() *translate.Error {
			_, err := server.g.Identify(token, address)
			return err
		}).serve()
	}) {
		server.sockets.give(caller.Name)
	}
}

// bareAppToken takes an accidental scheme off a token.
func bareAppToken(token string) string {
	const scheme = "bearer "
	if len(token) >= len(scheme) && strings.EqualFold(token[:len(scheme)], scheme) {
		token = token[len(scheme):]
	}
	return strings.TrimSpace(token)
}

// crowd is one iagent connection with its many users. Frames go out through a
// queue, which one goroutine writes.
type crowd struct {
	*session
	caller  *proxy.Caller
	address string
	valid   func() *translate.Error // whether the token still is
	slots   chan struct{}           // one for each question that runs
	asking  sync.WaitGroup          // the questions that run
	jobs    chan func()             // to those that have answered one question and wait for the next
	idle    chan struct{}           // one for each of them
	out     chan []byte
	over    chan struct{} // closed when nothing is queued any more
	sent    chan struct{} // closed when nothing is written any more
	left    atomic.Bool   // the client reads no answers any more
	bad     int           // illegal messages in a row
	code    int           // the farewell
	why     string        // empty: none
}

func newCrowd(s *session, caller *proxy.Caller, address string, valid func() *translate.Error) *crowd {
	return &crowd{
		session: s, caller: caller, address: address, valid: valid,
		slots: make(chan struct{}, inFlightLimit), jobs: make(chan func()), idle: make(chan struct{}, idleWorkers), out: make(chan []byte, inFlightLimit), over: make(chan struct{}), sent: make(chan struct{}),
	}
}

// serve reads messages until the client leaves, and returns when all questions
// are answered and all frames written.
func (c *crowd) serve() {
	c.work(c.send)
	defer c.finish()
	for {
		frame, text, ok := c.readShared()
		if !ok {
			return
		}
		if !text {
			c.code, c.why = websocket.CloseUnsupportedData, "text messages only"
			return
		}
		if err := c.valid(); err != nil {
			c.code, c.why = websocket.ClosePolicyViolation, string(err.Code)
			return
		}
		m, wrong := iagent.DecodeMessage(frame)
		if wrong == nil {
			wrong, ok = c.take(m, frame)
		}
		if !ok {
			return
		}
		if c.illegal(&m, wrong) {
			c.code, c.why = websocket.ClosePolicyViolation, "too many illegal messages"
			return
		}
	}
}

// take waits for a slot, so that a full connection is not read any further until
// an answer is ready, and begins with m. The error is for who sent m; ok is false
// when the connection is over.
func (c *crowd) take(m iagent.Message, frame []byte) (wrong *translate.Error, ok bool) {
	select {
	case c.slots <- struct{}{}:
	default:
		if !c.await() {
			return nil, false
		}
	}
	return c.begin(m, frame), true
}

// await takes a slot of a full connection when there is one. Most are full for a
// moment only, for which its client is not watched. It returns false when the
// connection is over.
func (c *crowd) await() bool {
	soon := time.NewTimer(unreadFor)
	defer soon.Stop()
	select {
	case c.slots <- struct{}{}:
		return true
	case <-c.ctx.Done():
		return false
	case <-soon.C:
	}
	defer c.unread()()
	select {
	case c.slots <- struct{}{}:
		return true
	case <-c.ctx.Done():
		return false
	}
}

// illegal answers m if it is wrong, and reports whether that was once too often.
func (c *crowd) illegal(m *iagent.Message, wrong *translate.Error) bool {
	if wrong == nil {
		c.bad = 0
		return false
	}
	if c.bad++; c.bad > badLimit {
		return true
	}
	_ = c.write(iagent.AppendIllegal(nil, c.reply(m), wrong))
	return false
}

// finish ends the questions of a client that has left or is sent away, or waits for
// them when the server stops, and then ends the queue.
func (c *crowd) finish() {
	if !c.away.Load() {
		c.left.Store(true)
		c.cancel(errClientGone)
	}
	c.asking.Wait()
	close(c.over)
}

// whenGone implements [writer].
func (c *crowd) whenGone(f func()) (stop func() bool) { return context.AfterFunc(c.ctx, f) }

func (c *crowd) reply(m *iagent.Message) iagent.Message {
	return iagent.Reply(m, proxy.NewID("r-"), time.Now().UnixMilli(), c.s.settings().IAgent.Name)
}

// outcome is the one frame that answers a question.
type outcome struct {
	frame []byte
	// keep: it is worth repeating, which the end of an abandoned question is not.
	keep bool
	// settle ends the exchange; nil: there was none.
	settle func() error
}

// begin answers m on a goroutine of its own, unless it is a duplicate. It takes the
// question's place in its conversation at once, so that the questions of one
// conversation are answered in the order in which they came. The error says that m
// is illegal.
func (c *crowd) begin(m iagent.Message, frame []byte) *translate.Error {
	received, name := time.Now(), c.caller.Name
	ctx, stop := context.WithCancelCause(c.s.life)
	first, err := c.s.recent.ask(name, m.ID, frame, c, received, func() { stop(errClientGone) })
	if !first {
		stop(nil)
		<-c.slots
		return err
	}
	answer, done := c.prepare(ctx, m, received)
	c.asking.Add(1)
	c.employ(func() {
		// A bug costs the question that met it, not all others of the connection.
		defer func() {
			if p := recover(); p != nil {
				c.s.log.Error("panic", "id", c.id, "what", p, "stack", string(debug.Stack()))
			}
		}()
		defer c.asking.Done()
		defer func() { <-c.slots }()
		defer stop(nil)
		broken := &translate.Error{Code: translate.CodeInternal, Message: "internal error"}
		o := outcome{frame: iagent.AppendFailure(nil, c.reply(&m), broken)}
		defer func() {
			c.s.recent.answered(name, m.ID, o.frame, o.keep, time.Now())
			// Not before the frame is queued: the next question of the conversation may
			// be answered, or fail, in no time.
			if o.settle != nil {
				_ = o.settle()
			}
			done()
		}()
		o = answer()
	})
	return nil
}

// employ has job done by a goroutine that is idle, else by a new one: their stacks
// have grown already.
func (c *crowd) employ(job func()) {
	select {
	case c.jobs <- job:
	default:
		c.work(func() { c.worker(job) })
	}
}

// worker does job, and others after it as long as not too many others are idle.
func (c *crowd) worker(job func()) {
	for {
		job()
		job = nil
		select {
		case c.idle <- struct{}{}:
		default:
			return
		}
		select {
		case job = <-c.jobs:
		case <-c.over:
		}
		<-c.idle
		if job == nil {
			return
		}
	}
}

// prepare takes the question's place in its conversation and returns what waits
// for the answer. done lets the next question of the conversation go on.
func (c *crowd) prepare(ctx context.Context, m iagent.Message, received time.Time) (answer func() outcome, done func()) {
	reply, none := c.reply(&m), func() {}
	fail := func(err error) (func() outcome, func()) {
		return func() outcome { return outcome{frame: iagent.AppendFailure(nil, reply, typed(err)), keep: true} }, none
	}
	name := ""
	if c.s.g.Known(m.Receiver) {
		name = m.Receiver
	}
	agent := name
	if agent == c.s.settings().IAgent.Name {
		agent = ""
	}
	model, wrong := c.s.g.Resolve(c.caller, name)
	if c.silent(&m, agent != "") {
		return func() outcome { return outcome{frame: iagent.AppendSilent(nil, reply), keep: true} }, none
	}
	if wrong != nil {
		return fail(noModel(wrong))
	}
	req := &translate.Request{}
	m.Request(req)
	q := &proxy.Question{ID: proxy.NewID("req_"), Session: c.session.id, Front: "iagent", Caller: c.caller, Model: model, Received: received, Request: req,
		Address: c.address, User: m.Sender}
	if err := c.s.g.Admit(ctx, q); err != nil {
		return func() outcome { return refused(reply, err) }, none
	}
	id := iagentIdentity(&m, agent)
	join := func() error {
		err := c.s.g.Join(ctx, q, id)
		if err == nil {
			q.Turn.Hold()
		}
		return err
	}
	// One that waits for a limit takes its place when it is admitted: it must not
	// keep this goroutine from reading.
	if !q.Waiting() {
		if err := join(); err != nil {
			return func() outcome { return refused(reply, err) }, none
		}
	}
	return func() outcome {
			if q.Turn == nil {
				if err := join(); err != nil {
					return refused(reply, err)
				}
			}
			return c.ask(ctx, q, &m, reply)
		}, func() {
			c.s.g.Dismiss(q)
			if q.Turn != nil {
				q.Turn.Done()
			}
		}
}

// noModel: a client of this dialect chooses no model, so none that is there to be
// asked is the gateway's fault.
func noModel(err *translate.Error) *translate.Error {
	if err.Code != translate.CodeModelNotFound {
		return err
	}
	e := *err
	e.Code = translate.CodeUnavailable
	return &e
}

func (c *crowd) ask(ctx context.Context, q *proxy.Question, m *iagent.Message, reply iagent.Message) outcome {
	x, err := c.s.g.Open(ctx, q)
	if err != nil {
		return refused(reply, err)
	}
	a, err := x.Whole()
	if err != nil {
		return outcome{frame: iagent.AppendFailure(nil, reply, typed(err)), keep: true, settle: x.Close}
	}
	enc := iagent.NewReply(*m, translate.Head{ID: reply.ID}, c.s.settings().IAgent.Name, time.Now().UnixMilli())
	return outcome{frame: enc.AppendWhole(nil, a), keep: true, settle: x.Close}
}

// refused is what answers a question that did not come to a channel's answer.
func refused(reply iagent.Message, err error) outcome {
	e := typed(err)
	if e.Fault == translate.FaultGone {
		// Only who repeated the question in this very moment gets to see it.
		e = &translate.Error{Code: translate.CodeUnavailable, Message: "the question was abandoned"}
		return outcome{frame: iagent.AppendFailure(nil, reply, e)}
	}
	// What a limit kept out was not asked: sent again, it may get in.
	_, limited := e.Cause.(*limiter.Exceeded)
	return outcome{frame: iagent.AppendFailure(nil, reply, e), keep: !limited && e.Spent == nil}
}

// silent applies the group policy (rest_iagent.md 8.2, item 10). known: the
// receiver is an agent of ours.
func (c *crowd) silent(m *iagent.Message, known bool) bool {
	if m.ChatType != iagent.Group {
		return false
	}
	conf := &c.s.settings().IAgent
	switch conf.Groups {
	case "never":
		return true
	case "addressed":
		return !known && m.Receiver != conf.Name && !strings.Contains(m.Content, "@"+conf.Name)
	}
	return false
}

// iagentIdentity says which conversation a message belongs to: one per agent and
// group, or per agent and user. The private one of the default agent, whose name is
// empty here, is the rest front's as well.
func iagentIdentity(m *iagent.Message, agent string) proxy.Identity {
	key, group, title := privateKey(m.Sender), "", m.Content
	switch {
	case m.ChatType == iagent.Group:
		key, group = identityKey("agent group", agent, m.Group), m.Group
	case agent != "":
		key = identityKey("agent", agent, m.Sender)
	}
	if m.ContentType != iagent.Text {
		title = "media"
	}
	return proxy.Identity{
		Find: store.Ref{Key: key},
		Make: &store.Conversation{Key: key, User: m.Sender, Group: group, Name: clipTitle(title)},
	}
}
