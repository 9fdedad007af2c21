package front

import (
	"time"

	"github.com/valyala/fasthttp"

	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/translate"
)

// ask answers a question of a stateless front, whose clients send the whole conversation
// each time.
func (c *call) ask() {
	now := time.Now()
	req := &translate.Request{Dialect: c.front.Name()}
	var peeked translate.Dialect
	caller, model, err := c.asked(req, func() (err *translate.Error) {
		peeked, err = c.read(req)
		return err
	})
	if err != nil {
		c.fail(err)
		return
	}
	if !c.unique(caller) {
		return
	}
	c.answer(c.question(&proxy.Question{
		Front: c.front.Name(), Caller: caller, Model: model, Received: now, Request: req, Peeked: peeked,
	}), nil, c.envelope(now))
}

// envelope is what the answer to a question that came at now says beside the model.
func (c *call) envelope(now time.Time) translate.Envelope {
	e := translate.Envelope{NewID: c.front.newID, Created: now.UnixMilli(), RequestID: c.id}
	if c.front.times {
		e.Since = func() time.Duration { return time.Since(now) }
	}
	return e
}

// asked says who asks which model, and has read fill req from the body. The order of what is
// checked is the same for all: the credential, the body, the model.
func (c *call) asked(req *translate.Request, read func() *translate.Error) (*proxy.Caller, *proxy.Model, *translate.Error) {
	caller, err := c.asker(c.front.token(c))
	if err == nil {
		err = c.checkBody()
	}
	if err == nil {
		if c.front.complete != nil {
			c.front.complete(c, req)
		}
		err = c.pathOf(req)
	}
	if err == nil {
		err = read()
	}
	if err != nil {
		return nil, nil, err
	}
	model, err := c.s.g.Resolve(caller, req.Model)
	if err != nil && c.front.untagged != nil {
		if other := c.front.untagged(req.Model); other != "" {
			if known, e := c.s.g.Resolve(caller, other); e == nil {
				req.Model, model, err = other, known, nil
			}
		}
	}
	if err != nil {
		return nil, nil, unknownModel(err)
	}
	return caller, model, nil
}

// asker finds the caller behind token. Its address is asked for where there is no other
// credential, or a bad one.
func (c *call) asker(token string) (*proxy.Caller, *translate.Error) {
	address := ""
	if token == "" {
		address = c.address()
	}
	caller, err := c.s.g.Identify(token, address)
	if err != nil && token != "" {
		err = c.s.g.BadKey(err, c.address())
	}
	if err == nil && caller.Anonymous {
		err = c.misnamed()
	}
	return caller, err
}

// pathOf reads what the dialect says in its paths.
func (c *call) pathOf(req *translate.Request) *translate.Error {
	p, ok := c.front.dialect.(translate.Pather)
	if !ok {
		return nil
	}
	if err := p.FromPath(req, c.path(), string(c.ctx.URI().QueryString())); err != nil {
		return typed(err)
	}
	return nil
}

// count answers how many tokens a question has, which counting reads and appendCount tells.
func (c *call) count(counting translate.Dialect, appendCount func(dst []byte, tokens int) []byte) {
	req := &translate.Request{Dialect: c.front.Name()}
	caller, model, err := c.asked(req, func() *translate.Error {
		if err := counting.DecodeRequest(req, c.ctx.Request.Body()); err != nil {
			return typed(err)
		}
		return nil
	})
	if err != nil {
		c.fail(err)
		return
	}
	ctx, watched := c.watch()
	defer watched.Unwatch()
	q := proxy.Question{ID: c.id, Front: c.front.Name(), Caller: caller, Model: model, Request: req, Address: c.address()}
	tokens, err := c.s.g.Count(ctx, q)
	if err != nil {
		c.failed(err)
		return
	}
	c.json(fasthttp.StatusOK, appendCount(nil, tokens))
}

// longBody is the length from which on a client that leaves ends the reading of its body.
const longBody = 1 << 20

// read is peek for the body of c.
func (c *call) read(req *translate.Request) (translate.Dialect, *translate.Error) {
	body := c.ctx.Request.Body()
	if len(body) < longBody {
		return peek(c.front.dialect, req, body)
	}
	ctx, watched := c.watch()
	defer watched.Unwatch()
	req.Stop = func() bool { return ctx.Err() != nil }
	peeked, err := peek(c.front.dialect, req, body)
	req.Stop = nil
	return peeked, err
}

// peek fills req as far as it must be known if the question is passed on. The
// dialect that it returns, if any, is to decode the rest where it is not.
func peek(d translate.Dialect, req *translate.Request, body []byte) (translate.Dialect, *translate.Error) {
	if p, ok := d.(translate.RoutingScanner); ok && p.ScanRouting(req, body) {
		return d, nil
	}
	if err := d.DecodeRequest(req, body); err != nil {
		return nil, typed(err)
	}
	return nil, nil
}

// unknownModel hides, as the vendors do, whether a model does not exist or is not
// for this caller (docs/rules/faults.md 6).
func unknownModel(err *translate.Error) *translate.Error {
	if err.Code != translate.CodePermission {
		return err
	}
	e := *err
	e.Code = translate.CodeModelNotFound
	return &e
}
