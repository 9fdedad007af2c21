package front

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/dragoman-gateway/dragoman/internal/ids"
	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/proxy/conversation"
	"github.com/dragoman-gateway/dragoman/proxy/front/intake"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
	"github.com/dragoman-gateway/dragoman/translate/iagent"
	"github.com/dragoman-gateway/dragoman/translate/rest"
)

// iagentFront is the server side of the iagent message format: one socket for
// many users (docs/rules/iagent.md 2 and 4).
var iagentFront = Front{
	dialect:  iagent.Dialect,
	refusals: rest.Dialect, // of the same family of servers
	routes:   func() []Route { return []Route{{Method: getHead, Path: "/ws/v1/chat", Handle: iagentSocket}} },
	entry:    "/ws/v1/chat",
	socket:   true,
	limit:    func(*settings) int { return strangerBody },
	refuse:   (*call).failPlain,
}

// Bounds of docs/rules/iagent.md 4.
const (
	inFlightLimit = 256 // docs/rules/iagent.md 4.8: questions, and as many frames that wait to be written
	idleWorkers   = 64
	unreadFor     = 100 * time.Millisecond
)

// crowdUpgrader is for sockets that many users share.
var crowdUpgrader = newUpgrader(16 << 10)

// iagentSocket upgrades, after everything that can be wrong with a handshake
// (docs/rules/iagent.md 4.1).
func iagentSocket(c *call) {
	token := bareAppToken(string(c.ctx.QueryArgs().Peek("app_token")))
	caller, err := c.s.g.Identify(token, c.address())
	if err == nil && token == "" {
		err = &translate.Error{Code: translate.CodeUnauthorized, Message: "app_token is missing"}
	}
	if err != nil {
		c.fail(err)
		return
	}
	if !websocket.FastHTTPIsWebSocketUpgrade(c.ctx) {
		c.fail(&translate.Error{Code: translate.CodeUpgradeRequired, Message: "this path takes WebSockets only"})
		c.ctx.Response.Header.Set("Upgrade", "websocket")
		c.ctx.Response.Header.Set("Connection", "Upgrade")
		return
	}
	if c.s.ending() {
		c.fail(&translate.Error{Code: translate.CodeUnavailable, Message: "the gateway is shutting down", Retry: time.Second})
		return
	}
	if !c.s.sockets.take(caller.Name, c.s.settings().IAgent.Sockets) {
		c.fail(&translate.Error{Code: translate.CodeRateLimited, Message: "too many connections for this token", Retry: time.Second})
		return
	}
	server, address := c.s, c.address()
	if !c.upgrade(crowdUpgrader, func(s *session) {
		defer server.sockets.give(caller.Name)
		crowd := newCrowd(s, caller, address, func() (*proxy.Caller, *translate.Error) { return server.g.Identify(token, address) })
		s.signedBy(caller.Name)
		s.shown(server.opened.Add(1), iagent.Dialect.Name(), address, crowd)
		crowd.serve()
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

// iagentConn is one iagent connection with its many users. Frames go out through a
// queue, which one goroutine writes.
type iagentConn struct {
	*session
	name    string        // the caller's
	caller  *proxy.Caller // as of the newest message; used where messages are read
	address string
	who     func() (*proxy.Caller, *translate.Error) // whose the token is now
	slots   chan struct{}                            // one for each question that runs
	asking  sync.WaitGroup                           // the questions that run
	jobs    chan *iagentJob                          // to those that have answered one question and wait for the next
	idle    chan struct{}                            // one for each of them
	awaited awaited                                  // what it waits for, see [recent]
	out     chan []byte
	over    chan struct{} // closed when nothing is queued any more
	sent    chan struct{} // closed when nothing is written any more
	left    atomic.Bool   // the client reads no answers any more
	bad     int           // illegal messages in a row
	code    int           // the farewell
	why     string        // empty: none
}

func newCrowd(s *session, caller *proxy.Caller, address string, who func() (*proxy.Caller, *translate.Error)) *iagentConn {
	c := &iagentConn{
		session: s, name: caller.Name, caller: caller, address: address, who: who,
		slots: make(chan struct{}, inFlightLimit), jobs: make(chan *iagentJob), idle: make(chan struct{}, idleWorkers), out: make(chan []byte, inFlightLimit), over: make(chan struct{}), sent: make(chan struct{}),
	}
	s.done, s.farewell = c.unqueue, websocket.CloseServiceRestart // docs/rules/iagent.md 4.12
	return c
}

// load implements [load].
func (c *iagentConn) load() (turns, queued int) { return len(c.slots), len(c.out) }

// serve reads messages until the client leaves, and returns when all questions
// are answered and all frames written.
func (c *iagentConn) serve() {
	c.work(c.send)
	defer context.AfterFunc(c.ctx, c.abandon)()
	defer c.finish()
	for {
		frame, text, ok := c.readShared(c.name)
		if !ok {
			return
		}
		if !text {
			c.code, c.why = websocket.CloseUnsupportedData, "text messages only"
			return
		}
		if err := c.renew(); err != nil {
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

// renew makes sure that the token is still the caller's, whose limits and models may
// have changed.
func (c *iagentConn) renew() *translate.Error {
	caller, err := c.who()
	if err != nil {
		return err
	}
	if caller.Name != c.name {
		return &translate.Error{Code: translate.CodeInvalidToken, Message: "the token is somebody else's now"}
	}
	c.caller = caller
	return nil
}

// take waits for a slot, so that a full connection is not read any further until
// an answer is ready, and begins with m. The error is for who sent m; ok is false
// when the connection is over.
func (c *iagentConn) take(m iagent.Message, frame []byte) (wrong *translate.Error, ok bool) {
	select {
	case c.slots <- struct{}{}:
	default:
		if !c.awaitSlot() {
			return nil, false
		}
	}
	// The question, and what is made of it. A short one counts as well: its answer may
	// be long, and must have gone out before many others are asked for.
	held := c.s.bodies.Charge(intake.Account{Who: c.name, Spares: true})
	if err := held.Grow(c.ctx, 2*len(frame)); err != nil {
		<-c.slots
		_ = c.write(iagent.AppendFailure(nil, c.reply(&m), err))
		return nil, c.ctx.Err() == nil
	}
	return c.begin(m, frame, held), true
}

// awaitSlot takes a slot of a full connection when there is one. Most are full for a
// moment only, for which its client is not watched. It returns false when the
// connection is over.
func (c *iagentConn) awaitSlot() bool {
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
func (c *iagentConn) illegal(m *iagent.Message, wrong *translate.Error) bool {
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
func (c *iagentConn) finish() {
	if !c.away.Load() {
		c.left.Store(true)
		c.cancel(errClientGone)
	}
	c.asking.Wait()
	close(c.over)
}

func (c *iagentConn) reply(m *iagent.Message) iagent.Message {
	return iagent.Reply(m, ids.New("r-"), time.Now().UnixMilli(), c.s.settings().IAgent.Name)
}

// silent applies the group policy (docs/rules/iagent.md 4.10). known: the
// receiver is an agent of ours.
func (c *iagentConn) silent(m *iagent.Message, known bool) bool {
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
// empty here, is the rest front's as well. made is what a new one is called.
func iagentIdentity(m *iagent.Message, agent string, made *store.Conversation) conversation.Identity {
	key, group, title := "", "", m.Content
	switch {
	case m.ChatType == iagent.Group:
		key, group = identityKey("agent group", agent, m.Group), m.Group
	case agent != "":
		key = identityKey("agent", agent, m.Sender)
	default:
		key = privateKey(m.Sender)
	}
	if m.ContentType != iagent.Text {
		title = "media"
	}
	*made = store.Conversation{Key: key, User: m.Sender, Group: group, Name: clipTitle(title)}
	return conversation.Identity{Find: store.Ref{Key: key}, Make: made}
}
