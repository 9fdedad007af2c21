// Package front is the server side: how clients reach the gateway. Each dialect's
// front is one file; they share one port, the way in which an answer is written
// (answer.go) and the life of a WebSocket (session.go).
package front

import "github.com/valyala/fasthttp"

// Front is one dialect's server side: its paths and what answers on them.
type Front interface {
	// Routes returns the front's paths. It is called once, when the server is
	// made.
	Routes(s *Server) []Route
	// Bodies returns the rule of the bodies of their requests.
	Bodies() bodyRule
}

// Route is one path of a front. Path is as fasthttp/router takes it, without a
// trailing slash; the server adds the configured prefix and also takes the path
// with a slash. Handle runs on the connection's goroutine and may not keep the
// context after it returned.
type Route struct {
	Method string
	Path   string
	Handle func(c *call)
}

// All is every front that the server has.
var All = []Front{
	openaiFront{},
	anthropicFront{},
	chatnioFront{},
	restFront{},
	iagentFront{},
}

// call is one HTTP request on its way through a front.
type call struct {
	s   *Server
	ctx *fasthttp.RequestCtx
	id  string // request id
	// once is set while a request with an Idempotency-Key is answered.
	once *once
	// held is what its body takes of the server's budget; nil: too little to count.
	held *charge
}
