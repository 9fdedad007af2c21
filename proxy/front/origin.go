package front

import "github.com/valyala/fasthttp"

// exposed are the headers of an answer that a page of another origin may read.
const exposed = "X-Request-Id, Request-Id, Retry-After, RateLimit, RateLimit-Policy, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, Idempotent-Replayed, X-Dragoman-Dropped, X-Dragoman-Channel, X-Dragoman-Attempts, X-Dragoman-Cache, Server-Timing"

// allowPage lets a page of any origin read the answer and the headers that matter,
// whatever the answer is: a browser keeps even a refusal from a page that was not let
// in. Cookies are none of ours, so Access-Control-Allow-Credentials stays away.
func (c *call) allowPage() {
	origin := c.ctx.Request.Header.Peek(fasthttp.HeaderOrigin)
	if len(origin) == 0 {
		return
	}
	h := &c.ctx.Response.Header
	h.SetBytesV(fasthttp.HeaderAccessControlAllowOrigin, origin)
	h.Set(fasthttp.HeaderAccessControlExposeHeaders, exposed)
	h.Set(fasthttp.HeaderVary, fasthttp.HeaderOrigin)
}

// preflight lets browsers in from anywhere, as the dialects' own servers do: who may
// ask is decided by key.
func (c *call) preflight() {
	c.ctx.SetStatusCode(fasthttp.StatusOK)
	c.ctx.Response.Header.Del("Allow")
	c.allowAll()
}

// allowAll says what a page of another origin may send.
func (c *call) allowAll() {
	h := &c.ctx.Response.Header
	h.Set("Access-Control-Allow-Methods", "GET, POST, DELETE, OPTIONS")
	h.Set("Access-Control-Allow-Headers", "*, Authorization, Content-Type, X-API-Key, X-Request-Id, Idempotency-Key, anthropic-version, anthropic-beta")
	h.Set("Access-Control-Max-Age", "7200")
}
