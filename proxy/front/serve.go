package front

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/internal/certs"
	"github.com/dragoman-gateway/dragoman/internal/conn"
	"github.com/dragoman-gateway/dragoman/limiter"
	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/proxy/front/intake"
	"github.com/dragoman-gateway/dragoman/translate"
	"github.com/dragoman-gateway/dragoman/translate/rest"
)

// newServer returns a server of fronts. It listens nowhere yet.
func newServer(conf *config.Config, g *proxy.Gateway, log *slog.Logger, fronts []*Front) *Server {
	live := settingsOf(conf)
	s := &Server{conf: conf, fronts: fronts, g: g, log: log, open: make(map[closer]struct{}), once: newIdempotency(), recent: newRecent(conf.IAgent.Dedupe), sockets: &counts{of: make(map[string]int)}, chats: &counts{of: make(map[string]int)}, asking: &counts{of: make(map[string]int)}}
	s.live.Store(live)
	s.bodies = intake.NewBudget(int(conf.Bodies), s.largestBody(live))
	s.uploads = intake.NewBudget(int(conf.Uploads), int(conf.OpenAI.MaxUpload))
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
		HeaderReceived:                intake.Leave,
		MaxRequestBodySize:            intake.Inline,
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

// Share has requests with an Idempotency-Key, and messages of the iagent front, known to all
// processes that work on server. A call of it may take wait, and 250 ms in any case. It is called
// before Serve, at most once; Shutdown ends it.
func (s *Server) Share(server limiter.Counts, wait time.Duration) {
	s.across = &sharedOnce{server: server, wait: max(wait, sharedWait)}
	s.beating.Go(func() {
		defer s.recovered("requests that other processes know")
		s.across.beats(s.life)
	})
}

func (s *Server) recovered(where string) {
	if bug := recover(); bug != nil {
		s.log.Error("panic", "where", where, "what", bug, "stack", string(debug.Stack()))
	}
}

// Serve is Listen, and then Accept.
func (s *Server) Serve(ln net.Listener) error {
	if err := s.Listen(ln); err != nil {
		return err
	}
	return s.Accept()
}

// ListenOllama has the server answer on ln as well, where Ollama's paths are below /api. It is
// called before Listen, once at most; the listener is the server's from then on.
func (s *Server) ListenOllama(ln net.Listener) { s.own = newOwnPort(ln) }

// Listen makes ready to answer on ln, and on TLS over it when the configuration has a
// certificate: its error says that the certificate cannot be used. Files of it that were
// replaced count from the next handshake on. It is called once.
func (s *Server) Listen(ln net.Listener) error {
	if s.own != nil {
		ln = conn.Join(ln, s.own.ln)
	}
	if s.conf.TLS.Cert != "" {
		files, err := certs.Open(certs.Files{Cert: s.conf.TLS.Cert, Key: s.conf.TLS.Key}, s.log)
		if err != nil {
			return err
		}
		ln = tls.NewListener(ln, files.Config())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ln = conn.Listen(ln, s.bounds())
	if s.stopping {
		return s.ln.Close()
	}
	return nil
}

// Accept answers, behind Listen, until Shutdown or HandOver. It then returns nil.
func (s *Server) Accept() error { return s.http.Serve(s.ln) }

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
	s.beating.Wait()
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
