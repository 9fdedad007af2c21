package front

import (
	"strings"

	"github.com/valyala/fasthttp"
)

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
