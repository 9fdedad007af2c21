package front

import (
	"bytes"
	"errors"
	"net"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/dragoman-gateway/dragoman/limiter"
	"github.com/dragoman-gateway/dragoman/translate"
	"github.com/dragoman-gateway/dragoman/translate/rest"
)

// fail answers err in the front's own form.
func (c *call) fail(err *translate.Error) {
	refusalHeaders(err, c.setHeader)
	form := c.front.refusals
	if form == nil {
		form = c.front.dialect
	}
	enc := form.NewEncoder(&translate.Request{}, translate.Envelope{RequestID: c.id})
	status := c.front.statusOf(err)
	if status == fasthttp.StatusUnauthorized {
		c.ctx.Response.Header.Set("WWW-Authenticate", "Bearer")
	}
	if c.front.hopeless(status, err) {
		c.ctx.Response.Header.Set("X-Should-Retry", "false")
	}
	c.json(status, enc.AppendError(nil, err, false))
}

// refusalHeaders sets the headers that say when a question may come again that got err, and how the limits
// stand that it was refused under.
func refusalHeaders(err *translate.Error, set func(name string, value []byte)) {
	retryAfter(err, set)
	if over, ok := err.Cause.(*limiter.Exceeded); ok {
		over.Headers(time.Now(), set)
	}
}

func retryAfter(err *translate.Error, set func(name string, value []byte)) {
	if n := err.RetrySeconds(); n > 0 && (err.Code == translate.CodeRateLimited || err.Code == translate.CodeUnavailable) {
		set("Retry-After", strconv.AppendInt(nil, int64(n), 10))
	}
}

func (c *call) retryAfter(err *translate.Error) { retryAfter(err, c.setHeader) }

// failed answers a question that got no answer.
func (c *call) failed(err error) {
	e := typed(err)
	if e.Fault == translate.FaultGone {
		// Nobody is there to read it.
		c.ctx.SetConnectionClose()
	}
	c.fail(e)
}

func typed(err error) *translate.Error {
	return translate.AsError(err, translate.Error{Code: translate.CodeInternal, Message: "internal error"})
}

// failPlain answers a request that reached no front, or not far enough to have
// one: in the dialect that its path belongs to.
func (c *call) failPlain(err *translate.Error) {
	f := c.s.owner(c.path())
	if f == nil {
		c.json(err.Status(), rest.AppendUnknownPath(nil, err))
		return
	}
	c.reaches(c.s.claimant(c, f))
	c.fail(err)
}

// limit is how many bytes the body may have, if its caller is known.
func (c *call) limit() int {
	live := c.s.settings()
	if c.forms {
		return int(live.OpenAI.MaxUpload)
	}
	return c.front.limit(live)
}

// checkBody says what is wrong with a body that is too large or not JSON.
func (c *call) checkBody() *translate.Error {
	if len(c.ctx.Request.Body()) > c.limit() {
		return &translate.Error{Code: translate.CodeTooLarge, Message: "the body is too large"}
	}
	if c.forms || c.front.anyType {
		return nil
	}
	kind, _, _ := bytes.Cut(c.ctx.Request.Header.ContentType(), []byte(";"))
	if kind = bytes.TrimSpace(kind); len(kind) == 0 || len(c.ctx.Request.Body()) == 0 || bytes.EqualFold(kind[max(0, len(kind)-len("json")):], []byte("json")) {
		return nil
	}
	return &translate.Error{Code: translate.CodeMediaType, Message: "the body must be application/json"}
}

// unreadable answers a request that came to its end with err.
func (c *call) unreadable(err error) {
	var small *fasthttp.ErrSmallBuffer
	var timeout net.Error
	switch {
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		c.failPlain(&translate.Error{Code: translate.CodeTooLarge, Message: "the body is too large"})
	case errors.As(err, &small):
		c.failPlain(translate.Invalid("the header is too large"))
		c.ctx.SetStatusCode(fasthttp.StatusRequestHeaderFieldsTooLarge)
	case errors.As(err, &timeout) && timeout.Timeout():
		c.failPlain(translate.Invalid("the request took too long"))
		c.ctx.SetStatusCode(fasthttp.StatusRequestTimeout)
	default:
		c.failPlain(translate.Invalid("this is not an HTTP request"))
	}
}
