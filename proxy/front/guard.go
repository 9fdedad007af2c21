package front

import (
	"runtime/debug"

	"github.com/valyala/fasthttp"

	"github.com/dragoman-gateway/dragoman/internal/ids"
	"github.com/dragoman-gateway/dragoman/translate"
)

// guard makes a call of each request, gives it an id, and turns a panic into an
// answer: a panic on fasthttp's goroutine would end the process.
func (s *Server) guard(handle func(*call)) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		c := &call{s: s, ctx: ctx, id: requestID(ctx.Request.Header.Peek("X-Request-Id"))}
		defer func() {
			if p := recover(); p != nil {
				c.once.forget()
				c.log().Error("panic", "what", p, "stack", string(debug.Stack()))
				ctx.Response.Reset()
				ctx.Response.Header.Set("X-Request-Id", c.id)
				c.allowPage()
				c.failPlain(&translate.Error{Code: translate.CodeInternal, Message: "internal error"})
				ctx.SetConnectionClose()
			}
		}()
		ctx.Response.Header.Set("X-Request-Id", c.id)
		c.allowPage()
		handle(c)
	}
}

// requestID takes the client's id where it is harmless, else makes one
// (docs/rules/rest.md 5.2).
func requestID(given []byte) string {
	if len(given) == 0 || len(given) > 128 {
		return ids.New("req_")
	}
	for _, b := range given {
		if !(b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || b == '.' || b == '_' || b == '-') {
			return ids.New("req_")
		}
	}
	return string(given)
}

// unreadable answers what fasthttp could not read as a request.
func (s *Server) unreadable(ctx *fasthttp.RequestCtx, err error) {
	c := &call{s: s, ctx: ctx, id: requestID(ctx.Request.Header.Peek("X-Request-Id"))}
	ctx.Response.Header.Set("X-Request-Id", c.id)
	c.allowPage()
	c.unreadable(err)
	ctx.SetConnectionClose()
}
