package front

import (
	"bytes"
	"strings"

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
	c.failPlain(&translate.Error{Code: translate.CodeNotFound, Message: c.unserved()})
}

// unserved says of an unknown path of the vendors' what is served there, and of any other
// that it is not known.
func (c *call) unserved() string {
	path := string(bytes.TrimPrefix(c.ctx.Path(), []byte(c.s.conf.Prefix)))
	if !strings.HasPrefix(path, "/v1/") {
		return "not found or method not allowed"
	}
	asked := clipMethod(c.ctx.Method()) + " " + translate.Printable(path) + " is not served here"
	switch {
	case strings.HasPrefix(path, "/v1/messages/"):
		return asked + "; use POST /v1/messages or POST /v1/messages/count_tokens"
	case path == "/v1/responses", path == "/v1/completions", strings.HasPrefix(path, "/v1/responses/"), strings.HasPrefix(path, "/v1/chat/"):
		return asked + "; use POST /v1/chat/completions"
	}
	return asked + "; there are POST /v1/chat/completions, POST /v1/messages, POST /v1/messages/count_tokens and GET /v1/models"
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
