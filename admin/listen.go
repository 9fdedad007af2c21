package admin

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/dragoman-gateway/dragoman/proxy/auth"
	"github.com/dragoman-gateway/dragoman/translate"
)

// New returns a server. It listens nowhere yet.
func New(o Options) *Server {
	s := &Server{g: o.Gateway, book: o.Book, token: sha256.Sum256([]byte(o.Token)), reads: sha256.Sum256([]byte(o.ReadToken)), mayRead: o.ReadToken != "", bad: auth.NewBadKeys(nil), log: o.Log, began: time.Now(), shared: o.Shared,
		clients: o.Clients, health: o.Health, page: o.Console, socketsOf: o.Sockets, playground: o.Playground, spans: o.Spans, boot: newBoot(), stopping: make(chan struct{})}
	if s.health == nil {
		s.health = func() Health { return Health{Store: true} }
	}
	tells := s.health
	s.health = func() Health {
		h := tells()
		h.Stopping = h.Stopping || s.g.Draining()
		return h
	}
	s.name, _, _ = net.SplitHostPort(o.Listen)
	routes := sync.OnceValue(s.Handler) // who asks nothing pays nothing for them
	s.http = &http.Server{
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { routes().ServeHTTP(w, r) }),
		MaxHeaderBytes:    maxHead,
		ReadHeaderTimeout: readTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      mayTake,
		IdleTimeout:       mayIdle,
		// OPTIONS * has its answer from the routes, as everything else.
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
	}
	s.endStreams = sync.OnceFunc(func() { close(s.stopping) })
	s.http.RegisterOnShutdown(s.endStreams)
	return s
}

// Serve answers on ln until Shutdown, and looks at the channels meanwhile, so that it can tell
// how they stood. It then returns nil.
func (s *Server) Serve(ln net.Listener) error {
	ctx, stop := context.WithCancel(context.Background())
	var looks sync.WaitGroup
	looks.Go(func() { s.look(ctx) })
	defer looks.Wait()
	defer stop()
	if err := s.http.Serve(ln); err != http.ErrServerClosed {
		return err
	}
	return nil
}

// Leave ends streams of events and each connection behind its next answer, so that operators
// go to the process that has taken over the listener, which whoever calls it has closed.
func (s *Server) Leave() {
	s.http.SetKeepAlivesEnabled(false)
	s.endStreams()
}

// Shutdown takes no more connections and lets running requests end until ctx does.
func (s *Server) Shutdown(ctx context.Context) {
	if s.http.Shutdown(ctx) != nil {
		_ = s.http.Close()
	}
}

// Handler is all routes with what guards them.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	paths := map[string][]string{}
	for _, r := range routes() {
		mux.HandleFunc(r.method+" "+r.path, s.call(r))
		paths[r.path] = append(paths[r.path], r.method)
	}
	// Less is known of a path without its method, so that these come last.
	for at, methods := range paths {
		mux.HandleFunc(at, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Allow", strings.Join(methods, ", "))
			fail(w, &translate.Error{Code: translate.CodeMethod, Message: "this path wants " + strings.Join(methods, " or ")})
		})
	}
	if s.page != nil {
		mux.Handle("GET /{$}", s.page)
		mux.Handle("GET /console/", s.page)
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		fail(w, &translate.Error{Code: translate.CodeNotFound, Message: "there is nothing here"})
	})
	return s.guarded(mux)
}

// call is r behind the token.
func (s *Server) call(r route) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		may := s.authorized(req)
		if may < r.needs {
			if may == mayNothing {
				w.Header().Set("WWW-Authenticate", "Bearer")
				fail(w, s.refusal(req))
				return
			}
			fail(w, &translate.Error{Code: translate.CodePermission, Message: "admin.read_token may not do that: this call wants the operator's token"})
			return
		}
		err := r.handle(s, w, req)
		if r.needs == mayAll {
			s.standing.acted()
		}
		if err == nil {
			return
		}
		e, no := (*translate.Error)(nil), (*refusedError)(nil)
		if !errors.As(err, &e) && !errors.As(err, &no) && req.Context().Err() == nil {
			s.log.Error("an operator's call failed", "call", r.method+" "+r.path, "err", err)
		}
		fail(w, err)
	}
}
