package front

import (
	"bytes"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/dragoman-gateway/dragoman/limiter"
	"github.com/dragoman-gateway/dragoman/translate"
	"github.com/dragoman-gateway/dragoman/translate/rest"
)

// fail answers err in the front's own form.
func (c *call) fail(err *translate.Error) {
	c.retryAfter(err)
	if over, ok := err.Cause.(*limiter.Exceeded); ok {
		over.Headers(time.Now(), c.setHeader)
	}
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

// statusOf is the status of a refusal.
func (f *Front) statusOf(err *translate.Error) int {
	if f.status == nil {
		return err.Status()
	}
	return f.status(err)
}

// hopeless reports whether the same question would be refused again. Clients that
// repeat ask it again all the same after some of these statuses, unless X-Should-Retry forbids
// that, and forget any Retry-After above a minute.
func (f *Front) hopeless(status int, err *translate.Error) bool {
	if !f.repeats {
		return false
	}
	switch status {
	case fasthttp.StatusUnauthorized, fasthttp.StatusForbidden, fasthttp.StatusNotFound, fasthttp.StatusUnprocessableEntity:
		return true
	}
	return err.Spent != nil
}

func (c *call) retryAfter(err *translate.Error) {
	if n := err.RetrySeconds(); n > 0 && (err.Code == translate.CodeRateLimited || err.Code == translate.CodeUnavailable) {
		c.ctx.Response.Header.Set("Retry-After", strconv.Itoa(n))
	}
}

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

// path is that of the request behind the configured prefix.
func (c *call) path() string {
	return string(bytes.TrimPrefix(c.ctx.Path(), []byte(c.s.conf.Prefix)))
}

func notFound(c *call) {
	if c.ctx.IsOptions() {
		c.preflight()
		return
	}
	c.failPlain(&translate.Error{Code: translate.CodeNotFound, Message: c.unserved()})
}

// unserved says of an unknown path that belongs to a front what is served there, and of any
// other that it is not known.
func (c *call) unserved() string {
	path := c.path()
	owner := c.s.owner(path)
	if owner == nil {
		return "not found or method not allowed"
	}
	asked := clipMethod(c.ctx.Method()) + " " + translate.Printable(path) + " is not served here"
	if owner.instead != nil {
		if use := owner.instead(path); use != "" {
			return asked + "; use " + use
		}
	}
	return asked + "; there are " + c.s.served(owner.base)
}

// wrongMethod answers a path that exists for other methods; the router has set
// Allow.
func wrongMethod(c *call) {
	if c.ctx.IsOptions() {
		c.preflight()
		return
	}
	c.failPlain(&translate.Error{Code: translate.CodeMethod, Message: "this path does not take the method " + clipMethod(c.ctx.Method())})
}

func clipMethod(m []byte) string { return string(m[:min(len(m), 20)]) }

// checkBody says what is wrong with a body that is too large or not JSON.
func (c *call) checkBody() *translate.Error {
	if len(c.ctx.Request.Body()) > c.front.limit(c.s.settings()) {
		return &translate.Error{Code: translate.CodeTooLarge, Message: "the body is too large"}
	}
	kind, _, _ := bytes.Cut(c.ctx.Request.Header.ContentType(), []byte(";"))
	if kind = bytes.TrimSpace(kind); len(kind) == 0 || len(c.ctx.Request.Body()) == 0 || bytes.HasSuffix(bytes.ToLower(kind), []byte("json")) {
		return nil
	}
	return &translate.Error{Code: translate.CodeMediaType, Message: "the body must be application/json"}
}
