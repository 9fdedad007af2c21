package intake

import "github.com/valyala/fasthttp"

// Inline is up to which length fasthttp reads a body, along with its head: so much a
// connection takes anyway. It makes room for all of it at once.
const Inline = 16 << 10

// unknown is what fasthttp says of a body whose length is not known.
const unknown = -1

// Leave has fasthttp leave a body alone that is longer than [Inline], or of unknown
// length: what it would make room for at once is as much as the client says. Whoever
// handles the request reads it as an [Upload], or closes the connection.
func Leave(h *fasthttp.RequestHeader) (none fasthttp.RequestConfig) {
	if n := h.ContentLength(); n > Inline || n == unknown {
		h.SetContentLength(0)
		h.Del(fasthttp.HeaderExpect)
	}
	return none
}

// Left is a body that [Leave] has left, as the head told of it.
type Left struct {
	length  int  // unknown, or what the head says
	expects bool // the client waits for 100 Continue
	read    bool
}

// leftKey is where a request's Left lies.
type leftKey struct{}

// LeftOf is the body of a request that was left; nil: there is none.
func LeftOf(ctx *fasthttp.RequestCtx) *Left {
	b, _ := ctx.UserValue(leftKey{}).(*Left)
	return b
}

// There reports whether nothing of the body is still to be read off the connection.
func (b *Left) There() bool { return b == nil || b.read }

// Leave notes the body that the function Leave has left.
func (f *Framing) Leave(ctx *fasthttp.RequestCtx) {
	expects := f.expects && ctx.Request.Header.IsHTTP11()
	switch {
	case f.encoded:
		ctx.SetUserValue(leftKey{}, &Left{length: unknown, expects: expects})
	case f.size > Inline:
		ctx.SetUserValue(leftKey{}, &Left{length: f.size, expects: expects})
	}
}
