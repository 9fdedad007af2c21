package front

import (
	"bytes"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/dragoman-gateway/dragoman/internal/conn"
	"github.com/dragoman-gateway/dragoman/proxy/front/intake"
	"github.com/dragoman-gateway/dragoman/translate"
)

// strictly lets handle see only requests that every HTTP server reads alike, and
// refuses those that fasthttp takes though another server may find their end, their
// headers or their target elsewhere (RFC 9112 2.2, 2.3, 3.2, 5.2, 6.1 and 6.3). The
// connection of a refused one is closed: what follows on it means nothing.
func (s *Server) strictly(handle fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		if uri := ctx.Request.Header.RequestURI(); len(uri) > 1 && uri[0] == '/' && uri[1] == '/' {
			// Else what follows would be taken for the name of a host.
			ctx.Request.SetRequestURIBytes(append([]byte{'/'}, bytes.TrimLeft(uri, "/")...))
		}
		framing, why := intake.Examine(ctx)
		if why == "" {
			framing.Leave(ctx)
			handle(ctx)
			if !intake.LeftOf(ctx).There() {
				ctx.SetConnectionClose() // or the body would be taken for a request
			}
			if s.leaving.Load() && !ctx.Hijacked() {
				ctx.SetConnectionClose()
			}
			boundWrite(ctx)
			return
		}
		s.guard(func(c *call) {
			c.failPlain(translate.Invalid(why))
			c.ctx.SetConnectionClose()
		})(ctx)
	}
}

// boundWrite gives a client a time to take an answer in one piece: writeTimeout, and
// a second more for each 64 KiB. Streams and sockets bound their writes one by one.
func boundWrite(ctx *fasthttp.RequestCtx) {
	if ctx.Response.IsBodyStream() || ctx.Hijacked() {
		return
	}
	wait := writeTimeout + time.Duration(len(ctx.Response.Body())>>16)*time.Second
	if c := conn.Of(ctx.Conn()); c != nil {
		c.BoundWrite(wait)
	}
}
