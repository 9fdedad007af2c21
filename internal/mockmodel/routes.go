package mockmodel

import (
	"strings"

	"github.com/valyala/fasthttp"
)

// New returns a server that does not listen yet.
func New(opts Options) *Server {
	if opts.Log == nil {
		opts.Log = func(string, ...any) {}
	}
	s := &Server{opts: opts, closing: make(chan struct{}), conns: make(map[*conn]struct{})}
	s.http = &fasthttp.Server{
		Handler:                      s.handle,
		Logger:                       quiet{s},
		Concurrency:                  1 << 20,
		MaxRequestBodySize:           64 << 20,
		ReadBufferSize:               16 << 10,
		NoDefaultServerHeader:        true,
		DisablePreParseMultipartForm: true,
		SecureErrorLogMessage:        true,
	}
	return s
}

func (s *Server) handle(ctx *fasthttp.RequestCtx) {
	defer s.survive()
	path := string(ctx.Path())
	switch path {
	case "/v1/chat/completions":
		s.openaiChat(ctx)
	case "/v1/responses":
		s.responsesChat(ctx)
	case "/v1/messages":
		s.anthropicChat(ctx, false)
	case "/v1/messages/count_tokens":
		s.anthropicChat(ctx, true)
	case "/api/chat/stream":
		s.restChat(ctx, true)
	case "/api/generate":
		s.ollamaChat(ctx, true)
	case "/api/tags":
		s.ollamaTags(ctx)
	case "/ws/v1/chat":
		s.agentSocket(ctx)
	case "/chat", "/api/chat":
		switch post := path == "/api/chat" && ctx.IsPost(); {
		case post && ollamaBody(ctx.PostBody()):
			s.ollamaChat(ctx, false)
			return
		case post:
			s.restChat(ctx, false)
			return
		}
		s.chatSocket(ctx)
	default:
		if target, ok := strings.CutPrefix(path, "/v1beta/models"); ok {
			s.geminiChat(ctx, strings.TrimPrefix(target, "/"))
			return
		}
		if !s.besideChat(ctx, path) {
			s.side(ctx, path)
		}
	}
}
