package front

import (
	"bytes"
	"errors"

	"github.com/valyala/fasthttp"

	"github.com/dragoman-gateway/dragoman/internal/conn"
	"github.com/dragoman-gateway/dragoman/proxy/front/intake"
	"github.com/dragoman-gateway/dragoman/translate"
)

// strangerBody is the longest body of a client that has not shown who it is, and of
// a path that needs none.
const strangerBody = 64 << 10

// withBody has handle find the whole body in the request. It answers who sends too
// much, too slowly, or more than is to be had at the moment.
func (c *call) withBody(handle func(*call)) {
	b := intake.LeftOf(c.ctx)
	coding, ok := c.coding()
	switch there := b.There(); {
	case there && (coding == "" && ok || len(c.ctx.Request.Body()) == 0):
		c.trimMark()
		handle(c)
		return
	case !ok:
		c.refuseUnread(c.wrongCoding())
		return
	case there:
		c.inline(coding, handle)
		return
	}
	in := c.upload(coding)
	defer func() { c.held.Release() }()
	in.Wire = conn.Of(c.ctx.Conn())
	err := c.receive(in, b)
	defer func() { c.spool.Close() }()
	if err == nil {
		handle(c)
		return
	}
	c.held.Release()
	var known *translate.Error
	if errors.As(err, &known) {
		in.Wire.Linger()
		c.refuseBody(known)
	} else {
		c.unreadable(err)
	}
	c.ctx.SetConnectionClose()
}

// receive reads the body, a long form into a spool.
func (c *call) receive(in *intake.Upload, b *intake.Left) error {
	if !c.forms {
		body, err := in.Body(b)
		if err == nil {
			c.setBody(body)
		}
		return err
	}
	onDisk := c.s.uploads.Charge(intake.Account{Who: strangerAt(c.address())})
	c.spool = &intake.Spool{Disk: &onDisk}
	if err := in.Spool(b, c.spool); err != nil {
		return err
	}
	if text := c.spool.Text(); text != nil {
		c.ctx.Request.SetBodyRaw(text)
		c.spool = nil
	}
	return nil
}

// refuseBody answers a request whose body was not read.
func (c *call) refuseBody(err *translate.Error) {
	if c.front.refuse == nil {
		c.fail(err)
		return
	}
	c.front.refuse(c, err)
}

// refuseUnread is refuseBody for a body of which some may be on its way.
func (c *call) refuseUnread(err *translate.Error) {
	if wire := conn.Of(c.ctx.Conn()); wire != nil {
		wire.Linger()
	}
	c.refuseBody(err)
	c.ctx.SetConnectionClose()
}

// upload begins to charge what the body takes.
func (c *call) upload(coding string) *intake.Upload {
	held := c.s.bodies.Charge(intake.Account{Who: strangerAt(c.address())})
	c.held = &held
	in := &intake.Upload{Coding: coding, Held: c.held, Life: c.s.life, Most: min(strangerBody, c.limit())}
	if in.Most == strangerBody && c.front.token != nil {
		in.Sender = c
	}
	return in
}

// Allowed implements [intake.Sender].
func (c *call) Allowed() (who string, most int, err *translate.Error) {
	caller, err := c.identify(c.front.token(c))
	if err != nil {
		return "", 0, err
	}
	most = c.limit()
	if anonymous := c.s.settings().Callers.Anonymous; caller.Anonymous && anonymous != nil {
		most = min(most, int(anonymous.MaxBody))
	}
	return caller.Name, most, nil
}

// inline unpacks a body that the server has read already.
func (c *call) inline(coding string, handle func(*call)) {
	in := c.upload(coding)
	defer func() { c.held.Release() }()
	body, err := in.Unpack(c.ctx.Request.Body())
	if err != nil {
		c.held.Release()
		c.refuseBody(typed(err))
		return
	}
	c.setBody(body)
	handle(c)
}

// codings are those of a body that are understood, as Accept-Encoding names them (RFC
// 9110 12.5.3).
const codings = "gzip, deflate"

// coding is the Content-Encoding of a request's body: gzip, deflate or empty. ok is false
// for any other.
func (c *call) coding() (coding string, ok bool) {
	given := bytes.ToLower(bytes.TrimSpace(c.ctx.Request.Header.Peek(fasthttp.HeaderContentEncoding)))
	switch string(given) {
	case "", "identity":
		return "", true
	case "gzip", "x-gzip":
		return "gzip", true
	case "deflate":
		return "deflate", true
	}
	return "", false
}

// wrongCoding is the answer to a body in another coding.
func (c *call) wrongCoding() *translate.Error {
	c.ctx.Response.Header.Set(fasthttp.HeaderAcceptEncoding, codings)
	given := c.ctx.Request.Header.Peek(fasthttp.HeaderContentEncoding)
	return &translate.Error{Code: translate.CodeMediaType, Message: "the Content-Encoding " + translate.Printable(string(given)) + " is not understood; the body may be gzip or deflate"}
}
