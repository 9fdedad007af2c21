package front

import (
	"bytes"
	"net/netip"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/translate"
)

// pageHeaders are the headers of an answer that a page of another origin may read, and
// those of a request that it may send and that a wildcard does not let in everywhere.
func (s *Server) pageHeaders() (exposed, named string) {
	exposed, named = commonExposed, commonNamed
	for _, f := range s.fronts {
		if f.idHeader != "" {
			exposed += ", " + f.idHeader
		}
		for _, name := range f.headers {
			named += ", " + name
		}
	}
	return exposed, named
}

// commonExposed are those of all fronts.
const commonExposed = "X-Request-Id, Retry-After, X-Should-Retry, RateLimit, RateLimit-Policy, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, Idempotent-Replayed, X-Dragoman-Dropped, X-Dragoman-Channel, X-Dragoman-Attempts, X-Dragoman-Cache, Server-Timing"

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
	h.Set(fasthttp.HeaderAccessControlExposeHeaders, c.s.exposed)
	h.Set(fasthttp.HeaderVary, fasthttp.HeaderOrigin)
}

// preflight lets browsers in from anywhere, as the dialects' own servers do: who may
// ask is decided by key.
func (c *call) preflight() {
	c.ctx.SetStatusCode(fasthttp.StatusOK)
	c.ctx.Response.Header.Del("Allow")
	c.allowAll()
}

// commonNamed are those of all fronts.
const commonNamed = "Authorization, Content-Type, X-API-Key, Api-Key, X-Request-Id, Idempotency-Key"

// allowAll says what a page of another origin may send.
func (c *call) allowAll() {
	h := &c.ctx.Response.Header
	h.Set("Access-Control-Allow-Methods", "GET, POST, DELETE, OPTIONS")
	allowed := "*, " + c.s.named
	if bytes.Contains(bytes.ToLower(c.ctx.Request.Header.Peek("Access-Control-Request-Headers")), []byte("forwarded")) {
		allowed = c.s.named // what proxies say of a client is not a page's to say
	}
	h.Set("Access-Control-Allow-Headers", allowed)
	h.Set("Access-Control-Max-Age", "7200")
}

// identify finds the caller behind token, as [proxy.Gateway.Identify] does. One without
// a credential, whom any page can be where it is opened, must have named this server.
func (c *call) identify(token string) (*proxy.Caller, *translate.Error) {
	caller, err := c.s.g.Identify(token, c.address())
	if err == nil && caller.Anonymous {
		err = c.misnamed()
	}
	if err != nil {
		return nil, err
	}
	return caller, nil
}

// misnamed refuses a request whose Host is no name of this server: that of a page whose
// own name was made to point here after it was loaded (DNS rebinding), which is
// therefore no stranger to its browser. Only the names in hosts have a dot.
func (c *call) misnamed() *translate.Error {
	w := &c.s.settings().web
	if len(w.hosts) == 0 || w.names(c.ctx.Request.Header.Host()) && w.names(c.forwardedHost()) {
		return nil
	}
	return translate.Invalid("the Host header does not name this server: without a key it must be an address, a name without a dot, or one of the configuration's hosts")
}

// forwardedHost is the Host that the nearest proxy says it was asked for, if we trust
// that proxy.
func (c *call) forwardedHost() []byte {
	lines := c.ctx.Request.Header.PeekAll("X-Forwarded-Host")
	if len(lines) == 0 {
		return nil
	}
	if peer, ok := netip.AddrFromSlice(c.ctx.RemoteIP()); !ok || !c.s.trusts(peer.Unmap()) {
		return nil
	}
	last := lines[len(lines)-1]
	return bytes.TrimSpace(last[bytes.LastIndexByte(last, ',')+1:])
}

// foreign reports whether a page asks that comes neither from this server nor from one
// of the configured origins.
func (c *call) foreign() bool {
	lines := c.ctx.Request.Header.PeekAll(fasthttp.HeaderOrigin)
	if len(lines) == 0 || len(lines) == 1 && len(lines[0]) == 0 {
		return false
	}
	if len(lines) > 1 {
		return true // no browser says that
	}
	w := &c.s.settings().web
	origin := config.Origin(string(lines[0]))
	if w.any || w.origins[origin] {
		return false
	}
	scheme, _, ok := strings.Cut(origin, "://")
	own := func(host []byte) bool { return len(host) > 0 && config.Origin(scheme+"://"+string(host)) == origin }
	return !ok || !own(c.ctx.Request.Header.Host()) && !own(c.forwardedHost())
}

// apart reports whether what caller asks has nothing to do with the conversations that
// it has: a page of another origin asks in the name of whoever looks at it.
func (c *call) apart(caller *proxy.Caller) bool { return caller.Anonymous && c.foreign() }

// unseen refuses to show or to change conversations where a caller without a key may be
// somebody else.
func (c *call) unseen(caller *proxy.Caller) *translate.Error {
	switch {
	case c.apart(caller):
		return &translate.Error{Code: translate.CodePermission, Message: "a page of another origin may not see, continue or change conversations without a key, unless the configuration's origins name it"}
	case caller.Anonymous && c.mingled():
		return &translate.Error{Code: translate.CodePermission, Message: "callers without a key cannot be told apart behind this proxy, so that nobody may see or change their conversations: the configuration's trusted_proxies must name it"}
	}
	return nil
}

// ownCaller has handle show or change conversations of the caller of a request.
func ownCaller(handle func(c *call, caller *proxy.Caller)) func(*call) {
	return func(c *call) {
		caller, err := c.identify(c.bearer())
		if err == nil {
			err = c.unseen(caller)
		}
		if err != nil {
			c.fail(err)
			return
		}
		handle(c, caller)
	}
}
