// Package redis is where several processes count and leave word for each other: a
// Redis or a Valkey.
package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"github.com/dragoman-gateway/dragoman/limiter"
)

const (
	dialTimeout = time.Second
	// hangs is how long a connection may be silent with questions on it.
	hangs       = 2 * time.Second
	bufferSize  = 32 << 10
	ringScale   = 8 // 256 calls in flight on the connection; more wait
	listenAgain = time.Second
	mostKind    = 32

	// A server that does not keep to the protocol is left alone for a while, which
	// doubles as long as it is caught again soon after.
	restFirst = time.Second
	restMost  = 30 * time.Second
)

// Server is a Redis or Valkey that is reached through one connection, made when it is
// needed and made anew when it is lost; where it speaks RESP2 only, a second one listens.
// Several calls at once travel together. It is safe for concurrent use. Its errors name
// neither its address nor what it was sent.
//
// The server is not believed: what it sends takes at most some hundred KiB of memory, and
// where it does not keep to the protocol the connection ends, the call fails with
// [limiter.ErrNonsense], and no other is made for a second, doubling to 30.
type Server struct {
	options rueidis.ClientOption

	mu      sync.Mutex
	client  rueidis.Client // nil: there was no connection yet
	dialing bool
	scripts map[string]*rueidis.Lua
	closed  bool
	rest    time.Duration // the last one
	until   time.Time     // until then the server is left alone
}

var (
	errNoConnection = errors.New("there is no connection")
	errNoAnswer     = errors.New("there was no answer in time")
	errResting      = &protocolError{errors.New("it is left alone for a while")}
	errFault        = errors.New("there is a fault in the gateway")
)

// New returns the server at url: redis://, rediss:// with TLS, valkey:// or valkeys://,
// with a user, a password and the number of a database if need be. Nothing is connected
// yet. The error does not repeat the URL.
func New(url string) (*Server, error) {
	o, err := rueidis.ParseURL(strings.TrimSuffix(url, "/"))
	if err != nil {
		return nil, errors.New("the address of the shared server makes no sense")
	}
	if o.Sentinel.MasterSet != "" || len(o.InitAddress) != 1 {
		return nil, errors.New("the address of the shared server names several")
	}
	o.Dialer.Timeout = dialTimeout
	o.ConnWriteTimeout = hangs
	o.ForceSingleClient = true
	o.DisableCache = true
	o.DisableRetry = true // nobody would know how often something was counted
	o.PipelineMultiplex = -1
	o.ReadBufferEachConn, o.WriteBufferEachConn = bufferSize, bufferSize
	o.RingScaleEachConn = ringScale
	s := &Server{options: o, scripts: map[string]*rueidis.Lua{}}
	s.options.DialCtxFn = s.dial
	return s, nil
}

// dial is the only way to the server, so that a gate is on every connection.
func (s *Server) dial(ctx context.Context, address string, dialer *net.Dialer, secure *tls.Config) (net.Conn, error) {
	if s.resting() {
		return nil, errResting
	}
	var conn net.Conn
	var err error
	if secure != nil {
		conn, err = (&tls.Dialer{NetDialer: dialer, Config: secure}).DialContext(ctx, "tcp", address)
	} else {
		conn, err = dialer.DialContext(ctx, "tcp", address)
	}
	if err != nil {
		return nil, err
	}
	return &gate{Conn: conn, broken: s.caught}, nil
}

func (s *Server) resting() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Before(s.until)
}

// caught notes that the server does not keep to the protocol.
func (s *Server) caught() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if now.Sub(s.until) > restMost {
		s.rest = restFirst / 2
	}
	s.rest = min(2*s.rest, restMost)
	s.until = now.Add(s.rest)
}

// Run runs a Lua script as one step and returns its answer, which must be text. The
// script is sent only where the server does not know it yet.
func (s *Server) Run(ctx context.Context, script string, keys, args []string) (answer string, err error) {
	defer func() {
		if recover() != nil {
			answer, err = "", errFault
		}
	}()
	c, err := s.connected(ctx)
	if err != nil {
		return "", err
	}
	if answer, err = s.script(script).Exec(ctx, c, keys, args).ToString(); err != nil {
		return "", plain(err)
	}
	return answer, nil
}

// Listen calls heard for each message on topic until ctx ends, one after the other. It
// listens again when the connection was lost; what was said meanwhile is lost. Each time
// that it has begun to listen it calls began, which must not wait.
func (s *Server) Listen(ctx context.Context, topic string, began func(), heard func(message string)) {
	hooked := rueidis.WithOnSubscriptionHook(ctx, func(p rueidis.PubSubSubscription) {
		if p.Kind == "subscribe" {
			began()
		}
	})
	for ctx.Err() == nil {
		if c, err := s.connected(ctx); err == nil {
			_ = c.Receive(hooked, c.B().Subscribe().Channel(topic).Build(), func(m rueidis.PubSubMessage) { heard(m.Message) })
		}
		again := time.NewTimer(listenAgain)
		select {
		case <-ctx.Done():
			again.Stop()
		case <-again.C:
		}
	}
}

// Close ends the connection. What runs fails.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	c := s.client
	s.mu.Unlock()
	if c != nil {
		c.Close() // waits for the connection's goroutines, which may just have caught the server
	}
}

// connected returns the client, which makes the first connection when it is made. While
// one call does that the others fail at once.
func (s *Server) connected(ctx context.Context) (rueidis.Client, error) {
	s.mu.Lock()
	c, busy := s.client, s.closed || s.dialing || ctx.Err() != nil
	if s.closed {
		c = nil
	}
	if c != nil || busy {
		s.mu.Unlock()
		if c == nil {
			return nil, errNoConnection
		}
		return c, nil
	}
	s.dialing = true
	s.mu.Unlock()
	c, err := s.connect()
	s.mu.Lock()
	closed := s.closed
	s.dialing = false
	if err == nil && !closed {
		s.client = c
	}
	s.mu.Unlock()
	switch {
	case err != nil:
		return nil, plain(err)
	case closed:
		c.Close()
		return nil, errNoConnection
	}
	return c, nil
}

// connect makes the first connection, with the handshake on this goroutine.
func (s *Server) connect() (c rueidis.Client, err error) {
	defer func() {
		if recover() != nil {
			c, err = nil, errFault
		}
	}()
	return rueidis.NewClient(s.options)
}

func (s *Server) script(text string) *rueidis.Lua {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.scripts[text]
	if l == nil {
		l = rueidis.NewLuaScript(text)
		s.scripts[text] = l
	}
	return l
}

// plain is err without addresses. Of what the server says only the first word is kept,
// which is the kind of the error, where it can be one.
func plain(err error) error {
	var broken *protocolError
	if errors.As(err, &broken) {
		return broken
	}
	if answer, ok := rueidis.IsRedisErr(err); ok && !answer.IsNil() {
		kind, _, _ := strings.Cut(answer.Error(), " ")
		if len(kind) == 0 || len(kind) > mostKind || strings.Trim(kind, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789") != "" {
			kind = "an error"
		}
		return fmt.Errorf("the server refused with %s", kind)
	}
	switch {
	case rueidis.IsRedisNil(err), rueidis.IsParseErr(err):
		return limiter.ErrNonsense
	case errors.Is(err, errFault):
		return errFault
	case errors.Is(err, context.DeadlineExceeded):
		return errNoAnswer
	}
	return errNoConnection
}
