package front

import (
	"bytes"
	"io"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/proxy/front/intake"
	"github.com/dragoman-gateway/dragoman/translate"
	"github.com/dragoman-gateway/dragoman/translate/openai"
)

// endpointRoutes are the paths beside chat of OpenAI's dialect.
func endpointRoutes() (routes []Route) {
	for i := range openai.Endpoints {
		e := &openai.Endpoints[i]
		routes = append(routes, Route{Method: "POST", Path: e.Route(), Forms: e.Form, Handle: func(c *call) { c.pass(e) }})
	}
	return routes
}

// pass puts a question of an endpoint to a channel as it is, and passes on what comes of it.
func (c *call) pass(e *translate.Endpoint) {
	now := time.Now()
	req := &translate.Request{Dialect: c.front.Name(), Opaque: &translate.Opaque{Endpoint: e, Type: c.header(fasthttp.HeaderContentType)}}
	caller, model, err := c.asked(req, func() *translate.Error {
		if c.forms {
			return c.readForm(req)
		}
		if e.OnlyForm {
			return &translate.Error{Code: translate.CodeMediaType, Message: "the body must be multipart/form-data"}
		}
		if err := openai.Beside.DecodeRequest(req, c.ctx.Request.Body()); err != nil {
			return typed(err)
		}
		return nil
	})
	if err == nil && model.Preset != nil {
		err = translate.InvalidAt("model", "a preset is for chats: name a model")
	}
	if err != nil {
		c.fail(err)
		return
	}
	if !c.unique(caller) {
		return
	}
	c.relay(c.question(&proxy.Question{Front: c.front.Name(), Caller: caller, Model: model, Received: now, Request: req, User: req.User}))
}

// readForm reads what must be known of a form.
func (c *call) readForm(req *translate.Request) *translate.Error {
	o, body := req.Opaque, io.ReaderAt(c.spool)
	if o.Size = 0; c.spool != nil {
		o.Size, o.File = c.spool.Size(), c.spool
	} else {
		req.Raw = c.ctx.Request.Body()
		o.Size, body = int64(len(req.Raw)), bytes.NewReader(req.Raw)
	}
	form, err := intake.ScanForm(body, o.Size, o.Type)
	if err != nil {
		return typed(err)
	}
	model, wrong := form.Find("model")
	if wrong != nil {
		return wrong
	}
	if model == nil || model.End == model.Start {
		return translate.InvalidAt("model", "you must provide a model parameter")
	}
	if model.Value == "" { // too long to be read
		return translate.Over("model", translate.MaxModel)
	}
	if err := translate.Bound("model", model.Value, translate.MaxModel); err != nil {
		return typed(err)
	}
	stream, wrong := form.Find("stream")
	if wrong != nil {
		return wrong
	}
	if o.Images {
		o.Pictures = pictures(form)
	}
	req.Model, o.Start, o.End, o.Length = model.Value, model.Start, model.End, form.Text
	req.Stream = stream != nil && stream.Value == "true"
	return nil
}

// pictures is how many pictures a form asks for. What is no number is its channel's to judge.
func pictures(form *intake.Form) int {
	n, _ := form.Find("n")
	if n == nil {
		return 1
	}
	many, err := strconv.Atoi(n.Value)
	if err != nil {
		return 1
	}
	return translate.PicturesOf(many)
}

// relay puts q to the gateway and writes what comes of it: as one body where all of it was there at
// the commit point, else as it comes.
func (c *call) relay(q *proxy.Question) {
	enc := openai.Beside.NewEncoder(q.Request, translate.Envelope{RequestID: c.id})
	frames := &framing{mute: true}
	if q.Request.Stream {
		frames = eventStream
	}
	b := newStream(c, enc, frames)
	lent := false
	defer func() {
		if !lent {
			b.close()
		}
	}()
	x, late, err := c.openStream(b, q, nil)
	if err != nil && !late {
		return
	}
	if err == nil && !late {
		if body, ok := x.Entire(); ok {
			c.entire(x, body)
			return
		}
		b.relays(x.ContentType(), q.Request.Opaque)
	}
	if c.once != nil {
		c.once.stream(b.frames.kind, func() translate.Encoder { return enc })
	}
	lent = true
	c.stream(b, err)
}

// entire answers with a body that has come as a whole.
func (c *call) entire(x *proxy.Exchange, body []byte) {
	c.ctx.SetStatusCode(fasthttp.StatusOK)
	c.ctx.Response.Header.SetContentType(x.ContentType())
	c.ctx.SetBody(body)
	c.once.settle(&c.ctx.Response)
}

// relays has b write an answer to o that its channel has labelled so: events as usual, anything else
// without a byte that is not the channel's.
func (b *stream) relays(label string, o *translate.Opaque) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.marked = o.Answer == 0 // no end mark is known, so that none is missing
	if b.frames.mute || !translate.IsEvents(label) {
		b.frames = &framing{kind: label, mute: true}
	}
}
