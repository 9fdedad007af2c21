package front

import (
	"bytes"
	"slices"
	"strings"

	"github.com/fasthttp/router"
	"github.com/valyala/fasthttp"

	"github.com/dragoman-gateway/dragoman/translate"
)

// route builds the one handler of all fronts.
func (s *Server) route() fasthttp.RequestHandler {
	r := router.New()
	r.RedirectTrailingSlash, r.RedirectFixedPath, r.HandleOPTIONS = false, false, false
	for _, f := range s.fronts {
		for _, route := range f.routes() {
			answer := inUTF8(route.Handle)
			handle := s.guard(func(c *call) {
				by := f
				if route.Shared {
					by = s.claimant(c, f)
				}
				c.reaches(by)
				c.forms = route.Forms && translate.IsForm(c.header(fasthttp.HeaderContentType))
				if c.oneCredential() {
					c.withBody(answer)
				}
			})
			for _, method := range strings.Split(route.Method, "+") {
				r.Handle(method, s.conf.Prefix+route.Path, handle)
			}
		}
	}
	for path, handle := range map[string]func(*call){readyPath: (*call).ready, alivePath: (*call).alive} {
		for _, method := range strings.Split(getHead, "+") {
			r.Handle(method, path, s.guard(func(c *call) { c.reaches(&stranger); handle(c) }))
		}
	}
	unknown := s.guard(func(c *call) { c.reaches(&stranger); c.withBody(notFound) })
	r.NotFound = func(ctx *fasthttp.RequestCtx) {
		if !trimSlash(ctx) && !s.meant(ctx) {
			unknown(ctx)
			return
		}
		r.Handler(ctx)
	}
	otherwise := s.guard(func(c *call) { c.reaches(&stranger); c.withBody(wrongMethod) })
	r.MethodNotAllowed = func(ctx *fasthttp.RequestCtx) {
		if !trimSlash(ctx) {
			otherwise(ctx)
			return
		}
		ctx.Response.Header.Del(fasthttp.HeaderAllow) // of the path with the slash
		r.Handler(ctx)
	}
	return s.strictly(func(ctx *fasthttp.RequestCtx) {
		s.own.move(ctx, s.conf.Prefix)
		r.Handler(ctx)
	})
}

// under is the path of f that path means, which has its base any number of times; empty:
// none.
func (f *Front) under(path []byte) string {
	if f.base == "" {
		return ""
	}
	name := path
	for _, before := range []string{"/api" + f.base + "/", f.base + "/"} {
		for bytes.HasPrefix(name, []byte(before)) {
			name = name[len(before)-1:]
		}
	}
	full := f.base + string(name)
	if slices.ContainsFunc(f.fixed(), func(r Route) bool { return r.Path == full }) {
		return full
	}
	return ""
}

// meant gives a request whose path is known to nobody the one that its client means, and reports
// whether there is one: without doubled slashes, and with the base of a front once before what that
// has there, since clients are given addresses with and without it.
func (s *Server) meant(ctx *fasthttp.RequestCtx) bool {
	path, query, asked := bytes.Cut(ctx.Request.Header.RequestURI(), []byte("?"))
	rest, ok := bytes.CutPrefix(path, []byte(s.conf.Prefix))
	if !ok || len(rest) == 0 || rest[0] != '/' {
		return false
	}
	single := make([]byte, 0, len(rest)+8)
	for _, c := range rest {
		if c != '/' || len(single) == 0 || single[len(single)-1] != '/' {
			single = append(single, c)
		}
	}
	for _, f := range s.fronts {
		if known := f.under(single); known != "" {
			single = []byte(known)
			break
		}
	}
	if bytes.Equal(single, rest) {
		return false
	}
	uri := append([]byte(s.conf.Prefix), single...)
	if asked {
		uri = append(append(uri, '?'), query...)
	}
	ctx.Request.SetRequestURIBytes(uri)
	return true
}

// trimSlash takes a slash off the end of the path, and reports whether there was
// one: some clients write it, and do not follow a redirect (docs/rules/chatnio.md 7).
func trimSlash(ctx *fasthttp.RequestCtx) bool {
	path := ctx.URI().PathOriginal()
	trimmed := bytes.TrimRight(path, "/")
	if len(trimmed) == len(path) || len(trimmed) == 0 {
		return false
	}
	uri := append([]byte(nil), trimmed...)
	if query := ctx.URI().QueryString(); len(query) > 0 {
		uri = append(append(uri, '?'), query...)
	}
	ctx.Request.SetRequestURIBytes(uri)
	return true
}

// stranger is in the place of a front where a request has reached none.
var stranger = Front{
	limit:  func(*settings) int { return strangerBody },
	refuse: (*call).failPlain,
}

func notFound(c *call) {
	if c.ctx.IsOptions() {
		c.preflight()
		return
	}
	c.failPlain(&translate.Error{Code: translate.CodeNotFound, Message: c.unserved()})
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

// unserved says of an unknown path that belongs to a front what is served there, and of any
// other that it is not known.
func (c *call) unserved() string {
	path := c.path()
	owner := c.s.owner(path)
	asked := clipMethod(c.ctx.Method()) + " " + translate.PrintablePath(path) + " is not served here"
	if uri := c.ctx.URI(); !bytes.Equal(uri.Path(), uri.PathOriginal()) {
		asked += " as it was written, with escapes, dots or slashes too many" // it may look like one that is
	}
	if owner == nil {
		if use := besideOllama(path); use != "" {
			return asked + "; " + use
		}
		return "not found or method not allowed"
	}
	if owner.instead != nil {
		if use := owner.instead(path); use != "" {
			return asked + "; use " + use
		}
	}
	return asked + "; there are " + c.s.served(owner.base)
}

func clipMethod(m []byte) string { return string(m[:min(len(m), 20)]) }
