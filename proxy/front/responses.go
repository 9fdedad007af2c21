package front

import (
	"time"

	"github.com/dragoman-gateway/dragoman/internal/ids"
	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/proxy/conversation"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
	"github.com/dragoman-gateway/dragoman/translate/responses"
)

// responsesFront is the server side of OpenAI's Responses API. The lists of models share their
// paths with openai's.
var responsesFront = Front{
	dialect: responses.Dialect,
	routes: func() []Route {
		return []Route{
			{Method: "POST", Path: "/v1/responses", Handle: (*call).respond},
			{Method: getHead, Path: "/v1/responses", Handle: responsesSocket},
			{Method: getHead, Path: "/v1/responses/{id}", Handle: responsesCaller(readResponse)},
			{Method: "DELETE", Path: "/v1/responses/{id}", Handle: responsesCaller(deleteResponse)},
			{Method: getHead, Path: "/v1/responses/{id}/input_items", Handle: responsesCaller(listInputItems)},
		}
	},
	entry: "/v1",
	base:  "/v1",
	owns:  "/v1/responses",
	instead: func(string) string {
		return "POST /v1/responses, a WebSocket at /v1/responses, GET or DELETE /v1/responses/ID, or GET /v1/responses/ID/input_items"
	},

	token:   (*call).bearer,
	limit:   func(s *settings) int { return int(s.OpenAI.MaxBody) },
	newID:   func() string { return ids.New("resp_") },
	status:  responses.Status,
	repeats: true,
}

// respond answers POST /v1/responses. An answer that is to be stored belongs to a
// conversation: a new one, that of the response which it goes on from, or a copy of that up to
// there, where the conversation has gone on meanwhile.
func (c *call) respond() {
	now := time.Now()
	req := &translate.Request{Dialect: c.front.Name()}
	var peeked translate.Dialect
	var state responses.State
	caller, model, err := c.asked(req, func() (err *translate.Error) {
		if peeked, err = c.read(req); err != nil {
			return err
		}
		body := c.ctx.Request.Body()
		var wrong error
		if state, wrong = responses.StateOf(body, req); wrong == nil && state.Keep && peeked != nil {
			*req, peeked = translate.Request{Dialect: c.front.Name()}, nil // its conversation wants all of it
			wrong = c.front.dialect.DecodeRequest(req, body)
		}
		if wrong != nil {
			return typed(wrong)
		}
		return nil
	})
	if err == nil && c.apart(caller) {
		if state.Keep = false; state.Previous != "" || state.Conversation != "" {
			err = c.unseen(caller)
		}
	}
	if err != nil {
		c.fail(err)
		return
	}
	if !c.unique(caller) {
		return
	}
	r := c.recall(caller)
	r.state, r.req = state, req
	origin, err := r.origin()
	if err != nil {
		c.once.forget()
		c.fail(err)
		return
	}
	head := translate.Envelope{NewID: c.front.newID, Created: now.UnixMilli(), RequestID: c.id, Conversation: state.Conversation}
	q := c.question(&proxy.Question{Front: c.front.Name(), Caller: caller, Model: model, Received: now, At: origin.after(now), Request: req, Peeked: peeked})
	if !state.Keep {
		origin.precede(req)
		c.answer(q, nil, head)
		return
	}
	c.keep(q, origin, head)
}

// keep answers a question whose turn is stored.
func (c *call) keep(q *proxy.Question, from *origin, head translate.Envelope) {
	p, err := c.admit(c.s.life, q)
	if err == nil {
		defer p.Dismiss()
		err = from.enter(c.s, q.Caller, p, func(id conversation.Identity) error { return c.join(p, id, false) })
	}
	if err != nil {
		c.once.forget()
		timing := p.Timing()
		c.routingHeaders(q.Caller, &timing)
		c.failed(err)
		return
	}
	key := responses.Key{Conversation: p.Turn().ID(), Asked: q.At}
	head.NewID = key.ID
	c.answer(q, p, head)
}

// origin is what goes before a question.
type origin struct {
	name string // of the conversation that it begins, if it does
	ref  store.Ref
	// version is that of the conversation of ref which heard is all of; 0: heard is only a
	// part of that, or whoever comes first goes on with it.
	version int64
	heard   []store.Message
	copied  bool // the question goes on from heard, not from whatever the conversation holds
}

// after is when a question that came at now is said to be asked, in Unix milliseconds: its
// response is found by it, so that it lies behind all that was heard.
func (o *origin) after(now time.Time) int64 {
	at := now.UnixMilli()
	if n := len(o.heard); n > 0 {
		at = max(at, o.heard[n-1].At+1)
	}
	return at
}

// precede puts what was heard between the instructions and the question of req.
func (o *origin) precede(req *translate.Request) {
	if len(o.heard) == 0 {
		return
	}
	leading := translate.Leading(req.Messages)
	all := append(make([]translate.Message, 0, len(o.heard)+len(req.Messages)), req.Messages[:leading]...)
	for i := range o.heard {
		all = append(all, o.heard[i].Message)
	}
	req.Messages = translate.Settled(append(all, req.Messages[leading:]...))
}
