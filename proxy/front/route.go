package front

import (
	"bytes"
	"slices"
	"strings"

	"github.com/fasthttp/router"
	"github.com/valyala/fasthttp"
)

// route builds the one handler of all fronts.
func (s *Server) route() fasthttp.RequestHandler {
	r := router.New()
	r.RedirectTrailingSlash, r.RedirectFixedPath, r.HandleOPTIONS = false, false, false
	for _, f := range s.fronts {
		for _, route := range f.routes() {
			handle := s.guard(func(c *call) {
				by := f
				if route.Shared {
					by = s.claimant(c, f)
				}
				c.reaches(by)
				c.withBody(route.Handle)
			})
			for _, method := range strings.Split(route.Method, "+") {
				r.Handle(method, s.conf.Prefix+route.Path, handle)
			}
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
	r.MethodNotAllowed = s.guard(func(c *call) { c.reaches(&stranger); c.withBody(wrongMethod) })
	return s.strictly(r.Handler)
}

// owner is the front that a path belongs to which is not served; nil: none.
func (s *Server) owner(path string) (owner *Front) {
	longest := 0
	for _, f := range s.fronts {
		start := f.owns
		if start == "" && f.base != "" {
			start = f.base + "/"
		}
		if len(start) > longest && strings.HasPrefix(path, start) {
			owner, longest = f, len(start)
		}
	}
	return owner
}

// claimant is the front that a request is for on a path that f shares with others.
func (s *Server) claimant(c *call, f *Front) *Front {
	for _, other := range s.fronts {
		if other.base == f.base && other.claims != nil && other.claims(c) {
			return other
		}
	}
	return f
}

// served names, for a client that asked for something else, what there is below a base:
// first what answers questions.
func (s *Server) served(base string) string {
	var ask, read []string
	for _, f := range s.fronts {
		if f.base != base {
			continue
		}
		for _, path := range f.fixed() {
			if path.Method == fasthttp.MethodPost {
				ask = append(ask, "POST "+path.Path)
			} else {
				read = append(read, "GET "+path.Path)
			}
		}
	}
	all := append(ask, read...)
	last := len(all) - 1
	return strings.Join(all[:last], ", ") + " and " + all[last]
}

// fixed are the paths below the front's base that have no parameter.
func (f *Front) fixed() (routes []Route) {
	for _, r := range f.routes() {
		if strings.HasPrefix(r.Path, f.base+"/") && !strings.Contains(r.Path, "{") {
			routes = append(routes, r)
		}
	}
	return routes
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
