package front

import (
	"context"
	"strings"
	"time"

	"github.com/fasthttp/websocket"

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
	inFlightLimit       = 256 // item 8
)

func iagentSocket(c *call) {
	token := string(c.ctx.QueryArgs().Peek("app_token"))
	token = strings.TrimSpace(strings.TrimPrefix(token, "Bearer "))
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
		return
	}
	if !c.s.sockets.take(caller.Name, connectionsPerToken) {
		c.fail(&restWire, &translate.Error{Code: translate.CodeRateLimited, Message: "too many connections for this token", Retry: time.Second})
		return
	}
	server := c.s
	if !c.upgrade(func(s *session) {
		defer server.sockets.give(caller.Name)
		(&crowd{session: s, caller: caller, slots: make(chan struct{}, inFlightLimit)}).serve()
	}) {
		server.sockets.give(caller.Name)
	}
}

// crowd is one iagent connection with its many users.
type crowd struct {
	*session
	caller *proxy.Caller
	slots  chan struct{} // one for each question that runs
}

// serve reads messages until the client leaves. Each question runs on its own
// goroutine, but takes its place in its conversation here, so that the questions
// of one conversation are answered in the order in which they came.
func (c *crowd) serve() {
	bad := 0
	for {
		frame, text, ok := c.read()
		if !ok {
			return
		}
		if !text {
			c.close(websocket.CloseUnsupportedData, "text messages only")
			return
		}
		m, err := iagent.DecodeMessage(frame)
		if err != nil {
			if bad++; bad > badLimit {
				c.close(websocket.ClosePolicyViolation, "too many illegal messages")
				return
			}
			_ = c.write(iagent.AppendIllegal(nil, c.reply(&m), err))
			continue
		}
		bad = 0
		// A full connection is not read any further until an answer has gone out.
		select {
		case c.slots <- struct{}{}:
		case <-c.ctx.Done():
			return
		}
		c.begin(m, frame)
	}
}

// whenGone implements [writer].
func (c *crowd) whenGone(f func()) (stop func() bool) { return context.AfterFunc(c.ctx, f) }

func (c *crowd) reply(m *iagent.Message) iagent.Message {
	return iagent.Reply(m, proxy.NewID("r-"), time.Now().UnixMilli(), c.s.conf.IAgent.Name)
}

// begin answers m on a goroutine of its own, unless it is a duplicate.
func (c *crowd) begin(m iagent.Message, frame []byte) {
	received, name := time.Now(), c.caller.Name
	ctx, stop := context.WithCancelCause(c.s.life)
	first, err := c.s.recent.ask(name, m.ID, frame, c, received, func() { stop(errClientGone) })
	if !first {
		stop(nil)
		<-c.slots
		if err != nil {
			_ = c.write(iagent.AppendIllegal(nil, c.reply(&m), err))
		}
		return
	}
	answer := c.prepare(ctx, m, received)
	c.work(func() {
		defer func() { <-c.slots }()
		defer stop(nil)
		broken := &translate.Error{Code: translate.CodeInternal, Message: "internal error"}
		frame, keep := iagent.AppendFailure(nil, c.reply(&m), broken), false
		defer func() { c.s.recent.answered(name, m.ID, frame, keep, time.Now()) }()
		frame, keep = answer()
	})
}

// prepare takes the question's place in its conversation and returns what waits
// for the answer: exactly one frame, which is not worth keeping when the client
// that asked has left.
func (c *crowd) prepare(ctx context.Context, m iagent.Message, received time.Time) func() (frame []byte, keep bool) {
	reply := c.reply(&m)
	fail := func(err error) func() ([]byte, bool) {
		return func() ([]byte, bool) { return iagent.AppendFailure(nil, reply, typed(err)), true }
	}
	if c.silent(&m) {
		return func() ([]byte, bool) { return iagent.AppendSilent(nil, reply), true }
	}
	name, agent := m.Receiver, m.Receiver
	model, wrong := c.s.g.Resolve(c.caller, name)
	if wrong != nil && wrong.Code == translate.CodeModelNotFound {
		agent = ""
		model, wrong = c.s.g.Resolve(c.caller, "")
	}
	if wrong != nil {
		return fail(wrong)
	}
	place, err := c.s.g.Enqueue(ctx, c.caller, iagentIdentity(&m, agent))
	if err != nil {
		return fail(err)
	}
	req := &translate.Request{}
	m.Request(req)
	q := &proxy.Question{ID: proxy.NewID("req_"), Front: "iagent", Caller: c.caller, Model: model, Received: received, Request: req, Turn: place}
	return func() ([]byte, bool) { return c.ask(ctx, q, &m, reply) }
}

func (c *crowd) ask(ctx context.Context, q *proxy.Question, m *iagent.Message, reply iagent.Message) (frame []byte, keep bool) {
	x, err := c.s.g.Open(ctx, q)
	if err == nil {
		defer func() { _ = x.Close() }()
		var a *translate.Answer
		if a, err = x.Whole(); err == nil {
			// Before its frame goes out: the sender may at once read the conversation.
			_ = x.Close()
			enc := iagent.NewReply(*m, translate.Head{ID: reply.ID}, c.s.conf.IAgent.Name, time.Now().UnixMilli())
			return enc.AppendWhole(nil, a), true
		}
	}
	e := typed(err)
	return iagent.AppendFailure(nil, reply, e), e.Fault != translate.FaultGone
}

// silent applies the group policy (rest_iagent.md 8.2, item 10).
func (c *crowd) silent(m *iagent.Message) bool {
	if m.ChatType != iagent.Group {
		return false
	}
	conf := &c.s.conf.IAgent
	switch conf.Groups {
	case "never":
		return true
	case "addressed":
		return m.Receiver != conf.Name && !strings.Contains(m.Content, "@"+conf.Name)
	}
	return false
}

// iagentIdentity says which conversation a message belongs to: one per agent and
// group, or per agent and user. The private one of the default agent is the rest
// front's as well.
func iagentIdentity(m *iagent.Message, agent string) proxy.Identity {
	key, group := privateKey(m.Sender), ""
	switch {
	case m.ChatType == iagent.Group:
		key, group = "agent group\x00"+agent+"\x00"+m.Group, m.Group
	case agent != "":
		key = "agent\x00" + agent + "\x00" + m.Sender
	}
	return proxy.Identity{
		Find: store.Ref{Key: key},
		Make: &store.Conversation{Key: key, User: m.Sender, Group: group, Name: clipTitle(m.Content)},
	}
}
