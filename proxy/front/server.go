package front

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/internal/certs"
	"github.com/dragoman-gateway/dragoman/internal/conn"
	"github.com/dragoman-gateway/dragoman/internal/ids"
	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/translate"
	"github.com/dragoman-gateway/dragoman/translate/rest"
)

// What bounds a connection, whatever its front.
const (
	headerLimit  = 16 << 10
	readTimeout  = 60 * time.Second // of one request, head and body
	idleTimeout  = 120 * time.Second
	writeTimeout = 30 * time.Second // of one write
)

// Server serves all fronts on one port.
type Server struct {
	conf   *config.Config // that it was made with
	fronts []*Front
	live   atomic.Pointer[settings]
	g      *proxy.Gateway
	log    *slog.Logger
	http   *fasthttp.Server
	ln     *conn.Listener

	// life ends when running answers have to end, with the reason as its cause.
	life context.Context
	kill context.CancelCauseFunc

	once    *idempotency // requests with an Idempotency-Key
	recent  *dedupeCache // messages of the iagent front
	sockets *counts      // its connections, per caller
	chats   *counts      // those of the chatnio front, per caller or address
	bodies  *budget      // what bodies and messages take
	exposed string       // headers of answers that pages may read
	named   string       // headers of requests that pages may send and a wildcard does not let in everywhere
	numbers numbers      // conversations of open chatnio sockets
	mingles atomic.Bool  // it was said that callers cannot be told apart behind a proxy

	sessions sync.WaitGroup // sockets and answers that outlive fasthttp's handler
	mu       sync.Mutex
	open     map[closer]struct{} // sessions
	stopping bool
}

// closer is a session as the server stops it: no new questions, a word of
// farewell, and its end when its answers have ended.
type closer interface{ goAway() }

// newServer returns a server of fronts. It listens nowhere yet.
func newServer(conf *config.Config, g *proxy.Gateway, log *slog.Logger, fronts []*Front) *Server {
	live := settingsOf(conf)
	s := &Server{conf: conf, fronts: fronts, g: g, log: log, open: make(map[closer]struct{}), once: newIdempotency(), recent: newRecent(conf.IAgent.Dedupe), sockets: &counts{of: make(map[string]int)}, chats: &counts{of: make(map[string]int)}}
	s.live.Store(live)
	s.bodies = newBudget(int(conf.Bodies), s.largestBody(live))
	s.exposed, s.named = s.pageHeaders()
	s.life, s.kill = context.WithCancelCause(context.Background())
	s.http = &fasthttp.Server{
		Handler:                       s.route(),
		ErrorHandler:                  s.unreadable,
		Name:                          "dragoman",
		NoDefaultServerHeader:         true,
		DisablePreParseMultipartForm:  true,
		SecureErrorLogMessage:         true,
		CloseOnShutdown:               true,
		ReadBufferSize:                headerLimit,
		ReadTimeout:                   readTimeout,
		IdleTimeout:                   idleTimeout,
		HeaderReceived:                leaveBody,
		MaxRequestBodySize:            inlineBody,
		Logger:                        quiet{log},
		NoDefaultContentType:          true,
		DisableHeaderNamesNormalizing: false,
		// Buffers are held only while they are needed: not between requests, not while
		// an answer is awaited. internal/conn makes that cost no further system call.
		ReduceMemoryUsage: true,
		// A stream leaves its handler behind, whose goroutine then waits with a large
		// stack for another connection.
		MaxIdleWorkerDuration: time.Second,
		// A socket goes on after its handler, see session.go.
		KeepHijackedConns: true,
	}
	return s
}

// quiet puts what fasthttp says into the log, where it is rarely of interest.
type quiet struct{ log *slog.Logger }

// Printf implements fasthttp.Logger.
func (q quiet) Printf(format string, _ ...any) { q.log.Debug("http", "what", format) }

// Serve answers on ln, and on TLS over it when the configuration has a
// certificate, until Shutdown. It then returns nil. Files of the certificate that
// were replaced count from the next handshake on.
func (s *Server) Serve(ln net.Listener) error {
	if s.conf.TLS.Cert != "" {
		files, err := certs.Open(certs.Files{Cert: s.conf.TLS.Cert, Key: s.conf.TLS.Key}, s.log)
		if err != nil {
			return err
		}
		ln = tls.NewListener(ln, files.Config())
	}
	s.mu.Lock()
	if s.stopping {
		s.mu.Unlock()
		return ln.Close()
	}
	s.ln = conn.Listen(ln, s.bounds())
	s.mu.Unlock()
	return s.http.Serve(s.ln)
}

// bounds are those on connections, as the server was made with.
func (s *Server) bounds() conn.Options {
	c := &s.conf.Connections
	total, room := int(c.Total), conn.Room(conn.Descriptors())
	switch {
	case total == 0:
		total = room
	case total > room:
		s.log.Warn("connections.total is more than the limit of descriptors allows for", "total", total, "descriptors", conn.Descriptors())
	}
	each := int(c.PerAddress)
	if each == 0 {
		each = (total + 1) / 2
	}
	// It refuses nothing by itself: those that have just ended count there as well.
	s.http.Concurrency = 2*total + 1024
	busy := &translate.Error{Code: translate.CodeUnavailable, Message: "too many connections are open", Retry: time.Second}
	body := rest.AppendUnknownPath(nil, busy)
	return conn.Options{
		Total: total, PerAddress: each, Exempt: s.trusts, Log: s.log,
		// To any page, as no request was read that names its origin.
		Refusal: fmt.Appendf(nil, "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: %d\r\nRetry-After: 1\r\n"+
			"Access-Control-Allow-Origin: *\r\nAccess-Control-Expose-Headers: Retry-After\r\nConnection: close\r\n\r\n%s", len(body), body),
	}
}

// Shutdown stops accepting, tells sockets that the server goes away, lets running
// answers end until ctx does, ends the rest with CHANNEL_UNAVAILABLE in their own
// dialect, and closes every connection.
func (s *Server) Shutdown(ctx context.Context) {
	s.mu.Lock()
	s.stopping = true
	sessions := make([]closer, 0, len(s.open))
	for one := range s.open {
		sessions = append(sessions, one)
	}
	ln := s.ln
	s.mu.Unlock()
	if ln != nil {
		_ = ln.Close()
	}
	for _, one := range sessions {
		one.goAway()
	}
	if s.g.Drain(ctx) != nil {
		s.kill(&translate.Error{Code: translate.CodeUnavailable, Message: "the gateway is shutting down"})
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		_ = s.g.Drain(last)
		cancel()
	}
	s.kill(&translate.Error{Code: translate.CodeUnavailable, Message: "the gateway is shutting down"})
	brief, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = s.http.ShutdownWithContext(brief)
	// An exchange is closed before its last frame goes out, and a socket has to say
	// farewell after that.
	s.await(brief)
	if ln != nil {
		ln.CloseAll()
	}
	s.sessions.Wait()
}

// await returns when all sessions have ended or ctx has.
func (s *Server) await(ctx context.Context) {
	done := make(chan struct{})
	go func() {
		defer func() { _ = recover() }()
		s.sessions.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// Open returns how many connections of clients are open, and how many sockets and streamed
// answers, each of which has one of them. It is safe for concurrent use.
func (s *Server) Open() (connections, sessions int) {
	s.mu.Lock()
	ln, sessions := s.ln, len(s.open)
	s.mu.Unlock()
	if ln != nil {
		connections = ln.Open()
	}
	return connections, sessions
}

// ending reports whether the server is stopping.
func (s *Server) ending() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopping
}

// enter counts a session, for which exit must be called when it ends. ok is false when
// the server is stopping.
func (s *Server) enter(one closer) (ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return false
	}
	s.open[one] = struct{}{}
	s.sessions.Add(1)
	return true
}

// exit undoes enter, once.
func (s *Server) exit(one closer) {
	s.mu.Lock()
	delete(s.open, one)
	s.mu.Unlock()
	s.sessions.Done()
}

// guard makes a call of each request, gives it an id, and turns a panic into an
// answer: a panic on fasthttp's goroutine would end the process.
func (s *Server) guard(handle func(*call)) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		c := &call{s: s, ctx: ctx, id: requestID(ctx.Request.Header.Peek("X-Request-Id"))}
		defer func() {
			if p := recover(); p != nil {
				c.once.forget()
				s.log.Error("panic", "id", c.id, "what", p, "stack", string(debug.Stack()))
				ctx.Response.Reset()
				ctx.Response.Header.Set("X-Request-Id", c.id)
				c.allowPage()
				c.failPlain(&translate.Error{Code: translate.CodeInternal, Message: "internal error"})
				ctx.SetConnectionClose()
			}
		}()
		ctx.Response.Header.Set("X-Request-Id", c.id)
		c.allowPage()
		handle(c)
	}
}

// requestID takes the client's id where it is harmless, else makes one
// (docs/rules/rest.md 5.2).
func requestID(given []byte) string {
	if len(given) == 0 || len(given) > 128 {
		return ids.New("req_")
	}
	for _, b := range given {
		if !(b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || b == '.' || b == '_' || b == '-') {
			return ids.New("req_")
		}
	}
	return string(given)
}

// unreadable answers what fasthttp could not read as a request.
func (s *Server) unreadable(ctx *fasthttp.RequestCtx, err error) {
	c := &call{s: s, ctx: ctx, id: requestID(ctx.Request.Header.Peek("X-Request-Id"))}
	ctx.Response.Header.Set("X-Request-Id", c.id)
	c.allowPage()
	c.unreadable(err)
	ctx.SetConnectionClose()
}

// unreadable answers a request that came to its end with err.
func (c *call) unreadable(err error) {
	var small *fasthttp.ErrSmallBuffer
	var timeout net.Error
	switch {
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		c.failPlain(&translate.Error{Code: translate.CodeTooLarge, Message: "the body is too large"})
	case errors.As(err, &small):
		c.failPlain(translate.Invalid("the header is too large"))
		c.ctx.SetStatusCode(fasthttp.StatusRequestHeaderFieldsTooLarge)
	case errors.As(err, &timeout) && timeout.Timeout():
		c.failPlain(translate.Invalid("the request took too long"))
		c.ctx.SetStatusCode(fasthttp.StatusRequestTimeout)
	default:
		c.failPlain(translate.Invalid("this is not an HTTP request"))
	}
}

// bearer is the credential of the Authorization header, without its scheme, else that of
// x-api-key or api-key.
func (c *call) bearer() string {
	h := bytes.TrimSpace(c.ctx.Request.Header.Peek("Authorization"))
	if len(h) >= 7 && bytes.EqualFold(h[:7], []byte("Bearer ")) {
		h = bytes.TrimSpace(h[7:])
	}
	if len(h) > 0 {
		return string(h)
	}
	for _, name := range []string{"X-Api-Key", "Api-Key"} {
		if key := bytes.TrimSpace(c.ctx.Request.Header.Peek(name)); len(key) > 0 {
			return string(key)
		}
	}
	return ""
}

// header is the value of a request header.
func (c *call) header(name string) string { return string(c.ctx.Request.Header.Peek(name)) }

// json writes a body with its status.
func (c *call) json(status int, body []byte) {
	c.ctx.SetStatusCode(status)
	c.ctx.SetContentType("application/json; charset=utf-8")
	c.ctx.SetBody(body)
}
