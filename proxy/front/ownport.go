package front

import (
	"net"
	"strings"

	"github.com/valyala/fasthttp"
)

// ollamaBase is what the paths of Ollama's API are below on every port. On a port of their own
// they are where Ollama has them, and some of them are there on the shared port too.
const ollamaBase = "/ollama"

// ownPort is a listener on whose connections Ollama's paths are where Ollama has them; nil: there
// is none.
type ownPort struct {
	ln   net.Listener
	port int
}

func newOwnPort(ln net.Listener) *ownPort {
	p := &ownPort{ln: ln}
	if at, ok := ln.Addr().(*net.TCPAddr); ok {
		p.port = at.Port
	}
	return p
}

// move puts the path of a request that came to the port below prefix and ollamaBase, if it is one of
// Ollama's.
func (p *ownPort) move(ctx *fasthttp.RequestCtx, prefix string) {
	if p == nil {
		return
	}
	at, ok := ctx.LocalAddr().(*net.TCPAddr)
	if !ok || at.Port != p.port {
		return
	}
	switch uri := string(ctx.Request.Header.RequestURI()); {
	case uri == "/":
		ctx.Request.SetRequestURI(prefix + ollamaBase)
	case strings.HasPrefix(uri, "/api/"):
		ctx.Request.SetRequestURI(prefix + ollamaBase + uri)
	}
}
