package front

import (
	"bytes"

	"github.com/dragoman-gateway/dragoman/translate"
	"github.com/dragoman-gateway/dragoman/translate/rest"
)

// failPlain answers a request that reached no front, or not far enough to have
// one: in the dialect that its path belongs to.
func (c *call) failPlain(err *translate.Error) {
	path := c.ctx.Path()
	path = bytes.TrimPrefix(path, []byte(c.s.conf.Prefix))
	switch {
	case bytes.HasPrefix(path, []byte("/v1/messages")), bytes.HasPrefix(path, []byte("/v1/")) && isAnthropic(c):
		c.fail(&anthropicWire, err)
	case bytes.HasPrefix(path, []byte("/v1/")):
		c.fail(&openaiWire, err)
	default:
		c.json(err.Status(), rest.AppendUnknownPath(nil, err))
	}
}

func notFound(c *call) {
	if c.ctx.IsOptions() {
		c.preflight()
		return
	}
	c.failPlain(&translate.Error{Code: translate.CodeNotFound, Message: "not found or method not allowed"})
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
func (c *call) checkBody(limit int) *translate.Error {
	if len(c.ctx.Request.Body()) > limit {
		return &translate.Error{Code: translate.CodeTooLarge, Message: "the body is too large"}
	}
	kind, _, _ := bytes.Cut(c.ctx.Request.Header.ContentType(), []byte(";"))
	if kind = bytes.TrimSpace(kind); len(kind) == 0 || len(c.ctx.Request.Body()) == 0 || bytes.HasSuffix(bytes.ToLower(kind), []byte("json")) {
		return nil
	}
	return &translate.Error{Code: translate.CodeMediaType, Message: "the body must be application/json"}
}
