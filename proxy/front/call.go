package front

import (
	"bytes"
	"log/slog"

	"github.com/valyala/fasthttp"

	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/proxy/capture"
	"github.com/dragoman-gateway/dragoman/proxy/front/intake"
)

// call is one HTTP request on its way through a front.
type call struct {
	s       *Server
	ctx     *fasthttp.RequestCtx
	front   *Front         // that it has reached
	id      string         // request id
	pending *proxy.Pending // its question; nil: none was admitted yet
	// once is set while a request with an Idempotency-Key is answered.
	once *idempotentRequest
	// held is what its body takes of the server's budget; nil: too little to count.
	held *intake.Charge
	// capture keeps what is said; nil: nobody does.
	capture *capture.Exchange
	// forms: its body may be a form with files; spool: it is one, and was read into it. nil: it
	// is the request's.
	forms bool
	spool *intake.Spool
}

// log is for lines about the call: they have its request id and, where its question has a
// trace, the id of that.
func (c *call) log() *slog.Logger {
	if c.pending != nil {
		return c.pending.Logger(c.s.log)
	}
	return c.s.log.With("id", c.id)
}

// reaches says which front answers the call.
func (c *call) reaches(f *Front) {
	c.front = f
	if f.idHeader != "" {
		c.ctx.Response.Header.Set(f.idHeader, c.id)
	}
}

// path is that of the request behind the configured prefix.
func (c *call) path() string {
	return string(bytes.TrimPrefix(c.ctx.Path(), []byte(c.s.conf.Prefix)))
}

// header is the value of a request header.
func (c *call) header(name string) string { return string(c.ctx.Request.Header.Peek(name)) }

// bearer is the credential of the Authorization header, without its scheme, else that of
// x-api-key, api-key or x-goog-api-key.
func (c *call) bearer() string {
	for _, name := range []string{"Authorization", "X-Api-Key", "Api-Key", "X-Goog-Api-Key"} {
		if key := asTyped(c.ctx.Request.Header.Peek(name)); len(key) > 0 {
			return string(key)
		}
	}
	return ""
}

// asTyped is a credential without what people leave around it: its scheme, once or again where they pasted
// that too, quotes, white space.
func asTyped(h []byte) []byte {
	for h = bytes.TrimSpace(h); ; h = bytes.TrimSpace(h[len("Bearer"):]) {
		if n := len(h); n >= 2 && (h[0] == '"' || h[0] == '\'') && h[n-1] == h[0] {
			h = bytes.TrimSpace(h[1 : n-1])
		}
		if len(h) < len("Bearer") || !bytes.EqualFold(h[:len("Bearer")], []byte("Bearer")) || len(h) > len("Bearer") && h[len("Bearer")] != ' ' && h[len("Bearer")] != '\t' {
			return h
		}
	}
}

// setHeader sets one header of the answer; value may change afterwards.
func (c *call) setHeader(name string, value []byte) { c.ctx.Response.Header.SetBytesV(name, value) }

// json writes a body with its status.
func (c *call) json(status int, body []byte) {
	c.ctx.SetStatusCode(status)
	c.ctx.SetContentType("application/json; charset=utf-8")
	c.ctx.SetBody(body)
	c.capture.Told(body)
}
