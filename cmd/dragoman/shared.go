package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"sync"
	"time"

	"github.com/dragoman-gateway/dragoman/limiter"
	"github.com/dragoman-gateway/dragoman/limiter/redis"
	"github.com/dragoman-gateway/dragoman/proxy"
)

// hintTopic is where gateways tell each other which channels to leave alone.
const hintTopic = "{dragoman}:hints"

const (
	hintsQueued = 256
	hintLongest = 512 // bytes
	hintWait    = time.Second
)

// shared is what this process has in common with others, while it serves. The nil one
// has nothing in common.
type shared struct {
	server *redis.Server
	limits *limiter.Joint
	self   string
	words  chan proxy.Hint
	stop   context.CancelFunc
	ctx    context.Context
	run    sync.WaitGroup
}

// word is a hint on its way.
type word struct {
	From string `json:"from"`
	Cell string `json:"cell"`
	Open int64  `json:"open_ms"`
	Cool int64  `json:"cool_ms"`
}

// openShared reaches for the server at url; nil for none. A server that cannot be
// reached is a line in the log: it is used once it is there.
func openShared(url string, log *slog.Logger) (*shared, error) {
	if url == "" {
		return nil, nil
	}
	server, err := redis.New(url)
	if err != nil {
		return nil, err
	}
	s := &shared{server: server, self: rand.Text(), words: make(chan proxy.Hint, hintsQueued)}
	s.limits = limiter.StartJoint(server, limiter.JointOptions{Log: log})
	s.ctx, s.stop = context.WithCancel(context.Background())
	return s, nil
}

// options are what the gateway takes of it.
func (s *shared) options() proxy.Options {
	if s == nil {
		return proxy.Options{}
	}
	return proxy.Options{Limiter: s.limits, Tell: s.tell}
}

// stats is how it stands; nil where there is nothing to tell of.
func (s *shared) stats() func() limiter.JointStats {
	if s == nil {
		return nil
	}
	return s.limits.Stats
}

// start lets g hear what others say, and others what g does, until close.
func (s *shared) start(g *proxy.Gateway) {
	if s == nil {
		return
	}
	s.run.Go(func() {
		defer func() { _ = recover() }()
		s.server.Listen(s.ctx, hintTopic, func(message string) { s.heard(g, message) })
	})
	s.run.Go(func() {
		defer func() { _ = recover() }()
		s.talk()
	})
}

// tell is called by the gateway and never waits: a hint that finds no room is lost.
func (s *shared) tell(h proxy.Hint) {
	select {
	case s.words <- h:
	default:
	}
}

func (s *shared) talk() {
	for {
		select {
		case <-s.ctx.Done():
			return
		case h := <-s.words:
			text, err := json.Marshal(word{s.self, h.Cell, h.Open.Milliseconds(), h.Cool.Milliseconds()})
			if err != nil {
				continue
			}
			ctx, cancel := context.WithTimeout(s.ctx, hintWait)
			_ = s.server.Publish(ctx, hintTopic, string(text)) // only a hint
			cancel()
		}
	}
}

// heard hands a hint to g. Whatever else is said there is nothing.
func (s *shared) heard(g *proxy.Gateway, message string) {
	var w word
	if len(message) > hintLongest || json.Unmarshal([]byte(message), &w) != nil || w.From == s.self {
		return
	}
	const most = int64(24 * time.Hour / time.Millisecond)
	g.Hint(proxy.Hint{
		Cell: w.Cell,
		Open: time.Duration(min(max(w.Open, 0), most)) * time.Millisecond,
		Cool: time.Duration(min(max(w.Cool, 0), most)) * time.Millisecond,
	})
}

// close tells what is still to be told of limits, and ends everything.
func (s *shared) close() {
	if s == nil {
		return
	}
	s.stop()
	s.limits.Close()
	s.server.Close()
	s.run.Wait()
}
