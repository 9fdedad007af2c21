package front

import (
	"bytes"
	"context"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/dragoman-gateway/dragoman/limiter"
	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/translate"
)

// limits says in headers how the limits of an admitted question stand, whatever
// becomes of it (docs/rules/rest.md 2.7).
func (c *call) limits(s limiter.State) { s.Headers(time.Now(), c.setHeader) }

// question completes q, which the call asks, with all that the gateway wants to know of the
// call.
func (c *call) question(q *proxy.Question) *proxy.Question {
	q.ID = c.id
	if c.held != nil {
		c.held.Decoded(q.Request)
		q.Holding = c.held
	}
	if q.Caller.Limited() {
		q.Address = c.address()
	}
	if c.s.g.Tracing() {
		q.Parent = c.parent()
	}
	c.s.g.Capture(q, c.ctx.Request.Body())
	c.capture = q.Capture
	return q
}

// admit has q admitted, which the call asks from then on.
func (c *call) admit(ctx context.Context, q *proxy.Question) (p *proxy.Pending, err error) {
	p, err = c.s.g.Admit(ctx, *q)
	c.pending = p
	return p, err
}

// parent is the span that the client names as that of its request; one that is malformed is
// none. A tracestate may come in several lines.
func (c *call) parent() translate.TraceContext {
	span := c.ctx.Request.Header.Peek("traceparent")
	if len(span) == 0 {
		return translate.TraceContext{} // a tracestate alone means nothing
	}
	state := c.ctx.Request.Header.PeekAll("tracestate")
	parent, _ := translate.ParseTraceContext(span, bytes.Join(state, []byte{','}))
	return parent
}

// open puts q to a channel: p is q as it was admitted, nil if it was not yet. told is told
// how the limits of its caller stand. The timing is that of [proxy.Pending.Timing].
func (c *call) open(ctx context.Context, q *proxy.Question, p *proxy.Pending, told func(limiter.State)) (*proxy.Exchange, proxy.Timing, error) {
	if p == nil {
		var err error
		if p, err = c.admit(ctx, q); err != nil {
			return nil, proxy.Timing{}, err
		}
	}
	if q.Caller.Limited() {
		p.Tell(told)
	}
	x, err := p.Open(ctx)
	return x, p.Timing(), err
}

// answer puts q to the gateway and writes what comes of it, streamed or whole as
// q.Request.Stream says. p is q as it was admitted; nil: that is to be done.
func (c *call) answer(q *proxy.Question, p *proxy.Pending, head translate.Envelope) {
	if !q.Request.Stream {
		c.answerWhole(q, p, head)
		c.once.settle(&c.ctx.Response)
		return
	}
	enc := c.front.dialect.NewEncoder(q.Request, head)
	frames := c.front.framingOf(q.Request)
	if c.once != nil {
		c.once.stream(frames.kind, func() translate.Encoder { return c.front.dialect.NewEncoder(q.Request, head) })
	}
	b := newStream(c, enc, frames)
	if head.Talk != nil {
		b.startsWhen(p.Turn().Named)
	}
	lent := false
	defer func() {
		if !lent {
			b.close()
		}
	}()
	_, late, err := c.openStream(b, q, p)
	if err != nil && !late {
		return
	}
	lent = true
	c.stream(b, err)
}

// openStream opens q, whose answer b is to write. late: the head of b is out already. Where it is
// not, an error was told to the client.
func (c *call) openStream(b *stream, q *proxy.Question, p *proxy.Pending) (x *proxy.Exchange, late bool, err error) {
	x, timing, err := c.open(b.ctx, q, p, func(s limiter.State) {
		c.limits(s)
		b.admitted(s)
	})
	if late = b.opened(x); late {
		return x, true, err
	}
	c.routingHeaders(q.Caller, &timing)
	if err != nil {
		c.failed(err)
		c.once.settle(&c.ctx.Response)
	}
	return x, false, err
}

func (c *call) answerWhole(q *proxy.Question, p *proxy.Pending, head translate.Envelope) {
	ctx, watched := c.watch()
	defer watched.Unwatch()
	x, timing, err := c.open(ctx, q, p, c.limits)
	c.routingHeaders(q.Caller, &timing)
	if err != nil {
		c.failed(err)
		return
	}
	defer func() { _ = x.Close() }()
	a, err := x.Whole()
	if err != nil {
		c.failed(err)
		return
	}
	c.ctx.SetStatusCode(fasthttp.StatusOK)
	c.ctx.SetContentType("application/json; charset=utf-8")
	if x.PassThrough() {
		c.ctx.SetBody(x.Raw())
		c.capture.Told(x.Raw())
		return
	}
	var lent chunk
	defer lent.release()
	body := lent.keep(c.front.dialect.NewEncoder(q.Request, head).AppendWhole(lent.open()[:0], a))
	c.capture.Told(body)
	if cap(body) > keptChunk { // it is not lent again
		c.ctx.Response.SetBodyRaw(body)
		return
	}
	c.ctx.SetBody(body)
}

// routingHeaders says in headers which way the question went, what could not be said there,
// and where its time was spent.
func (c *call) routingHeaders(caller *proxy.Caller, l *proxy.Timing) {
	h := &c.ctx.Response.Header
	var buf [96]byte
	h.SetBytesV("X-Dragoman-Attempts", strconv.AppendInt(buf[:0], int64(l.Attempts), 10))
	if l.Cache != "" {
		h.Set("X-Dragoman-Cache", l.Cache)
	}
	if l.Dropped != "" {
		h.Set("X-Dragoman-Dropped", l.Dropped)
	}
	if l.Attempts == 0 {
		return
	}
	if !caller.Anonymous { // channels have names for those who have keys
		h.Set("X-Dragoman-Channel", l.Channel)
	}
	b := appendTiming(buf[:0], "queue", l.Queue)
	b = appendTiming(append(b, ", "...), "open", l.Open)
	h.SetBytesV("Server-Timing", appendTiming(append(b, ", "...), "first", l.First))
}

// appendTiming appends one metric of a Server-Timing header, in milliseconds.
func appendTiming(b []byte, name string, d time.Duration) []byte {
	b = append(append(b, name...), ";dur="...)
	return strconv.AppendFloat(b, float64(d.Microseconds())/1000, 'f', -1, 64)
}
