// Package redis is where several processes count and leave word for each other: a
// Redis or a Valkey.
package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/redis/rueidis"
)

const (
	dialTimeout = time.Second
	// hangs is how long a connection may be silent with questions on it.
	hangs       = 2 * time.Second
	bufferSize  = 32 << 10
	ringScale   = 8 // 256 calls in flight on the connection; more wait
	listenAgain = time.Second
)

// Server is a Redis or Valkey that is reached through one connection, made when it is
// needed and made anew when it is lost. Several calls at once travel together. It is
// safe for concurrent use. Its errors name neither its address nor what it was sent.
type Server struct {
	options rueidis.ClientOption

	mu      sync.Mutex
	client  rueidis.Client // nil: there was no connection yet
	dialing bool
	scripts map[string]*rueidis.Lua
	closed  bool
}

var (
	errNoConnection = errors.New("there is no connection")
	errNoAnswer     = errors.New("there was no answer in time")
)

// New returns the server at url: redis://, rediss:// with TLS, valkey:// or valkeys://,
// with a user, a password and the number of a database if need be. Nothing is connected
// yet. The error does not repeat the URL.
func New(url string) (*Server, error) {
	o, err := rueidis.ParseURL(strings.TrimSuffix(url, "/"))
	if err != nil {
		return nil, errors.New("the address of the shared server makes no sense")
	}
	o.Dialer.Timeout = dialTimeout
	o.ConnWriteTimeout = hangs
	o.ForceSingleClient = true
	o.DisableCache = true
	o.DisableRetry = true // nobody would know how often something was counted
	o.PipelineMultiplex = -1
	o.ReadBufferEachConn, o.WriteBufferEachConn = bufferSize, bufferSize
	o.RingScaleEachConn = ringScale
	return &Server{options: o, scripts: map[string]*rueidis.Lua{}}, nil
}

// Run runs a Lua script as one step and returns its answer, which must be text. The
// script is sent only where the server does not know it yet.
func (s *Server) Run(ctx context.Context, script string, keys, args []string) (string, error) {
	c, err := s.connected(ctx)
	if err != nil {
		return "", err
	}
	answer, err := s.script(script).Exec(ctx, c, keys, args).ToString()
	if err != nil {
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
	defer s.mu.Unlock()
	s.closed = true
	if s.client != nil {
		s.client.Close()
	}
}

// connected returns the client, which makes the first connection when it is made. While
// one call does that the others fail at once.
func (s *Server) connected(ctx context.Context) (rueidis.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client != nil || s.closed || s.dialing || ctx.Err() != nil {
		if s.client == nil || s.closed {
			return nil, errNoConnection
		}
		return s.client, nil
	}
	s.dialing = true
	s.mu.Unlock()
	c, err := rueidis.NewClient(s.options)
	s.mu.Lock()
	s.dialing = false
	switch {
	case err != nil:
		return nil, plain(err)
	case s.closed:
		c.Close()
		return nil, errNoConnection
	}
	s.client = c
	return c, nil
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
// which is the kind of the error.
func plain(err error) error {
	if answer, ok := rueidis.IsRedisErr(err); ok {
		kind, _, _ := strings.Cut(answer.Error(), " ")
		return fmt.Errorf("the server refused with %s", kind)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return errNoAnswer
	}
	return errNoConnection
}
