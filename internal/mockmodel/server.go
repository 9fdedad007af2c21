package mockmodel

import (
	"errors"
	"net"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// Options are the settings of a [Server]. The zero value accepts any key, logs
// nothing and records what it sees.
type Options struct {
	Keys     []string                         // accepted; empty: any key, and none
	Log      func(format string, args ...any) // told of panics and failed connections; nil: nobody
	NoRecord bool                             // Seen stays empty, for benchmarks
}

// Server is the scripted model behind a port, in all five dialects at once. Its
// methods are safe for concurrent use.
type Server struct {
	opts    Options
	http    *fasthttp.Server
	count   counter
	record  record
	chats   chatStore
	rest    restStore
	agents  agentStore
	ids     atomic.Int64
	total   atomic.Int64
	active  atomic.Int64
	gone    atomic.Int64
	closing chan struct{}

	throttle atomic.Pointer[Throttle]

	mu     sync.Mutex
	shut   bool
	lns    []net.Listener
	conns  map[*conn]struct{}
	served sync.WaitGroup // Serve calls and connections
}

// quiet passes fasthttp's log on, except for what was scripted or is closing.
type quiet struct{ s *Server }

// Printf implements fasthttp.Logger.
func (q quiet) Printf(format string, args ...any) {
	if q.s.stopping() {
		return
	}
	for _, a := range args {
		if err, ok := a.(error); ok && (errors.Is(err, errCut) || errors.Is(err, net.ErrClosed)) {
			return
		}
	}
	q.s.opts.Log(format, args...)
}

// Serve answers on ln until Close, and then returns nil. It takes ln over.
func (s *Server) Serve(ln net.Listener) error {
	s.mu.Lock()
	if s.shut {
		s.mu.Unlock()
		return ln.Close()
	}
	s.lns = append(s.lns, ln)
	s.served.Add(1)
	s.mu.Unlock()
	defer s.served.Done()
	err := s.http.Serve(listener{ln, s})
	if s.stopping() {
		return nil
	}
	return err
}

// Close stops listening, cuts every connection and returns when nothing runs
// any more. A second call only waits.
func (s *Server) Close() {
	s.mu.Lock()
	if !s.shut {
		s.shut = true
		close(s.closing)
	}
	for _, ln := range s.lns {
		_ = ln.Close()
	}
	for c := range s.conns {
		c.cut()
	}
	s.mu.Unlock()
	s.served.Wait()
}

func (s *Server) stopping() bool {
	select {
	case <-s.closing:
		return true
	default:
		return false
	}
}

func (s *Server) register(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shut {
		return false
	}
	s.conns[c] = struct{}{}
	s.served.Add(1)
	return true
}

func (s *Server) forget(c *conn) {
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
	s.served.Done()
}

// Requests returns how many questions have come in.
func (s *Server) Requests() int64 { return s.total.Load() }

// Active returns how many answers are under way.
func (s *Server) Active() int64 { return s.active.Load() }

// Left returns how many clients left before the end of their answer.
func (s *Server) Left() int64 { return s.gone.Load() }

// Conns returns how many connections are open.
func (s *Server) Conns() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// accepts reports whether key is one of the server's.
func (s *Server) accepts(key string) bool {
	return len(s.opts.Keys) == 0 || slices.Contains(s.opts.Keys, key)
}

// id returns a new identifier.
func (s *Server) id(prefix string) string {
	return prefix + strconv.FormatInt(s.ids.Add(1), 10)
}

// begin counts a question; finish must follow.
func (s *Server) begin(seen Seen) {
	s.total.Add(1)
	s.active.Add(1)
	if !s.opts.NoRecord {
		s.record.add(seen)
	}
}

// finish ends what begin began. left: the client did not wait for the end.
func (s *Server) finish(left bool) {
	if left && !s.stopping() {
		s.gone.Add(1)
	}
	s.active.Add(-1)
}

// survive is deferred at every entry: a defect here must not end the process.
func (s *Server) survive() {
	if r := recover(); r != nil {
		s.opts.Log("mockmodel: panic: %v\n%s", r, debug.Stack())
	}
}

// Seen is one question as it came in.
type Seen struct {
	At       time.Time
	Dialect  string // one of Dialects
	Path     string
	Model    string
	Key      string
	Stream   bool
	Messages []Turn // all that the model was given, remembered ones included
	Tools    []string
	Body     string // the request body or the frame, as it came
}

// maxSeen bounds the record.
const maxSeen = 1000

type record struct {
	mu   sync.Mutex
	seen []Seen
}

func (r *record) add(s Seen) {
	s.At = time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.seen) == maxSeen {
		r.seen = append(r.seen[:0], r.seen[1:]...)
	}
	r.seen = append(r.seen, s)
}

// Seen returns the newest questions, at most 1000, oldest first.
func (s *Server) Seen() []Seen {
	s.record.mu.Lock()
	defer s.record.mu.Unlock()
	return slices.Clone(s.record.seen)
}
