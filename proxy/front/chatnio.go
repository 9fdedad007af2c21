package front

import (
	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/translate"
	"github.com/dragoman-gateway/dragoman/translate/chatnio"
)

// chatnioFront is the server side of chatnio's WebSocket and of the REST calls
// that go with it. None of the calls has a HEAD, since some of them change something.
var chatnioFront = Front{
	dialect: chatnio.Dialect,
	routes:  chatnioRoutes,
	entry:   "/chat",
	socket:  true,
	token:   chatnioToken,
	limit:   func(*settings) int { return formLimit },
	refuse:  chatnioRefuse,
}

// chatnioRoutes has each path at the root and under /api (docs/rules/chatnio.md 8.1).
func chatnioRoutes() []Route {
	hello, admin := public(chatnioHello), public(chatnioAdmin)
	routes := []Route{
		{Method: getHead, Path: "/chat", Handle: chatnioSocket}, {Method: getHead, Path: "/api/chat", Handle: chatnioSocket}, {Method: "*", Path: "/chat", Handle: chatnioElse},
		{Method: getHead, Path: "/", Handle: hello}, {Method: getHead, Path: "/api", Handle: hello}, {Method: getHead, Path: "/api/hello", Handle: hello}, {Method: "*", Path: "/", Handle: chatnioElse},
		{Method: "*", Path: "/admin/{path:*}", Handle: admin}, {Method: "*", Path: "/api/admin/{path:*}", Handle: admin},
	}
	seen := make(map[string]bool)
	for _, list := range [][]Route{chatnioCalls, accountCalls} {
		for _, r := range list {
			routes = append(routes, r, Route{Method: r.Method, Path: "/api" + r.Path, Handle: r.Handle})
			if !seen[r.Path] {
				seen[r.Path] = true
				routes = append(routes, Route{Method: "*", Path: r.Path, Handle: chatnioElse}, Route{Method: "*", Path: "/api" + r.Path, Handle: chatnioElse})
			}
		}
	}
	return routes
}

// chatnioRefuse answers a call whose body was not read.
func chatnioRefuse(c *call, err *translate.Error) {
	c.allowAll()
	c.retryAfter(err)
	switch err.Code {
	case translate.CodeTooLarge, translate.CodeUnavailable, translate.CodeValidation, translate.CodeMediaType:
		c.json(err.Status(), chatnio.AppendFail(nil, err.Message))
	default: // of its credential
		c.json(401, chatnio.AppendDenied(nil))
	}
}

// chatnioElse answers a path of the protocol that was asked for with a method it
// does not take: 404, but for browsers that ask what they may do (docs/rules/chatnio.md 2).
func chatnioElse(c *call) {
	if c.ctx.IsOptions() {
		c.preflight()
		return
	}
	public(func(c *call, _ *proxy.Caller) {
		c.json(404, chatnio.AppendFail(nil, "not found or method not allowed"))
	})(c)
}

func chatnioAdmin(c *call, _ *proxy.Caller) {
	if c.ctx.IsOptions() {
		c.preflight()
		return
	}
	c.json(401, chatnio.AppendNoAdmin(nil))
}

// chatnioCalls are the REST calls around the socket (docs/rules/chatnio.md 6), without /api. HEAD
// changes nothing (RFC 9110 9.2.1), so what GET changes has none.
var chatnioCalls = []Route{
	{Method: getHead, Path: "/conversation/list", Handle: signedIn(stored(chatnioList))},
	{Method: getHead, Path: "/conversation/load", Handle: signedIn(stored(chatnioLoad))},
	{Method: getHead, Path: "/conversation", Handle: signedIn(stored(chatnioLoad))}, // docs/rules/chatnio.md 10: the published example
	{Method: "GET", Path: "/conversation/delete", Handle: signedIn(stored(chatnioDelete))},
	{Method: "GET", Path: "/conversation/clean", Handle: signedIn(stored(chatnioClean))},
	{Method: "POST", Path: "/conversation/rename", Handle: signedIn(stored(chatnioRename))},
	{Method: "POST", Path: "/conversation/share", Handle: signedIn(stored(chatnioShare))},
	{Method: getHead, Path: "/conversation/view", Handle: public(stored(chatnioView))},
	{Method: getHead, Path: "/conversation/share/list", Handle: signedIn(stored(chatnioShares))},
	{Method: "GET", Path: "/conversation/share/delete", Handle: signedIn(stored(chatnioUnshare))},
	{Method: getHead, Path: "/conversation/mask/view", Handle: masking(chatnioMasks)},
	{Method: "POST", Path: "/conversation/mask/save", Handle: masking(chatnioSaveMask)},
	{Method: "POST", Path: "/conversation/mask/delete", Handle: masking(chatnioDeleteMask)},
}
