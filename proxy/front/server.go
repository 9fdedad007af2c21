package front

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/internal/conn"
	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/proxy/front/intake"
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
	// StoreUp tells whether the store takes changes, for GET /readyz; nil: it does. It is
	// set before Serve.
	StoreUp func() bool

	conf   *config.Config // that it was made with
	fronts []*Front
	live   atomic.Pointer[settings]
	g      *proxy.Gateway
	log    *slog.Logger
	http   *fasthttp.Server
	ln     *conn.Listener
	own    *ownPort // nil: Ollama's paths have no port of their own

	// life ends when running answers have to end, with the reason as its cause.
	life context.Context
	kill context.CancelCauseFunc

	once    *idempotency   // requests with an Idempotency-Key
	recent  *dedupeCache   // messages of the iagent front
	across  *sharedOnce    // what other processes know of both; nil: there are none
	beating sync.WaitGroup // its goroutine
	sockets *counts        // its connections, per caller
	chats   *counts        // those of the chatnio front, per caller or address
	asking  *counts        // those of the responses front, per caller or address
	bodies  *intake.Budget // what bodies and messages take
	uploads *intake.Budget // what bodies take on the disk
	exposed string         // headers of answers that pages may read
	named   string         // headers of requests that pages may send and a wildcard does not let in everywhere
	numbers numbers        // conversations of open chatnio sockets
	opened  atomic.Uint64  // sockets, ever
	mingles atomic.Bool    // it was said that callers cannot be told apart behind a proxy

	sessions sync.WaitGroup // sockets and answers that outlive fasthttp's handler
	mu       sync.Mutex
	open     map[closer]struct{} // sessions
	stopping bool
	leaving  atomic.Bool // set under mu: nothing is accepted any more, see HandOver and Retire
	retiring atomic.Bool // no other process takes over, see Retire
}

// closer is a session as the server stops it: no new questions, a word of
// farewell, and its end when its answers have ended.
type closer interface{ goAway() }

// Open returns how many connections of clients are open, and how many of them are sockets, or have a
// streamed answer that is going out; one that waits for its next request behind an answer is neither.
// It is safe for concurrent use.
func (s *Server) Open() (connections, sockets, streams int) {
	ln, all := s.sessionsOpen()
	for _, one := range all {
		switch b, ok := one.(*stream); {
		case !ok:
			sockets++
		case !b.rests():
			streams++
		}
	}
	if ln != nil {
		connections = ln.Open()
	}
	return connections, sockets, streams
}

// sessionsOpen are the sessions that the server waits for.
func (s *Server) sessionsOpen() (ln *conn.Listener, all []closer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for one := range s.open {
		all = append(all, one)
	}
	return s.ln, all
}

// Starting reports whether neither Serve nor Shutdown was called yet. It is safe for
// concurrent use.
func (s *Server) Starting() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ln == nil && !s.stopping
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

// settings are the present ones.
func (s *Server) settings() *settings { return s.live.Load() }

// BodiesHeld returns how many bytes the bodies of requests and the messages of sockets
// take that are under way, with what is made of them. It is safe for concurrent use.
func (s *Server) BodiesHeld() int { return s.bodies.Held() }

// UploadsHeld returns how many bytes of the disk the bodies of requests take that are under way. It is
// safe for concurrent use.
func (s *Server) UploadsHeld() int { return s.uploads.Held() }
