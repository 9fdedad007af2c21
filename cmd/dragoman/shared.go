package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/limiter"
	"github.com/dragoman-gateway/dragoman/limiter/redis"
	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/proxy/auth"
	"github.com/dragoman-gateway/dragoman/proxy/channel"
	"github.com/dragoman-gateway/dragoman/proxy/front"
)

// Gateways tell each other on hintTopic which channels to leave alone. For those that
// begin to listen later it is kept under two keys for each record, for as long as it
// is to be believed.
const (
	hintTopic = "{dragoman}:hints"
	hintOpen  = "{dragoman}:open:"
	hintCool  = "{dragoman}:cool:"
)

const (
	hintsQueued = 256
	hintLongest = 512 // bytes
	hintWait    = time.Second
	hintsAtOnce = 256 // records that are asked for in one call
	hintsAgain  = time.Second
)

// scriptTell says ARGV[1] on the topic ARGV[2] and keeps the keys for as many
// milliseconds as follow, unless they are kept longer already.
const scriptTell = `
for i = 1, #KEYS do
  local ms = tonumber(ARGV[2 + i])
  if ms > 0 and redis.call('PTTL', KEYS[i]) < ms then redis.call('SET', KEYS[i], '', 'PX', ms) end
end
redis.call('PUBLISH', ARGV[2], ARGV[1])
return ''
`

// scriptRecall returns for how many milliseconds each key is still kept; 0: it is not.
const scriptRecall = `
local out = {}
for i = 1, #KEYS do out[i] = string.format('%d', math.max(redis.call('PTTL', KEYS[i]), 0)) end
return table.concat(out, ' ')
`

// shared is what this process has in common with others, while it serves. The nil one
// has nothing in common.
type shared struct {
	server  *redis.Server
	wait    time.Duration // of a question, for the server
	limits  *limiter.Joint
	guesses *limiter.Joint // with a table of its own: whoever guesses cannot fill that of limits
	self    string
	words   chan channel.Hint
	began   chan struct{} // once, when it listens: it has to ask for what was said before
	log     *slog.Logger
	stop    context.CancelFunc
	ctx     context.Context
	run     sync.WaitGroup
	differ  atomic.Int64 // how many others have another configuration
	warned  bool         // of them; of talk
}

// word is a hint on its way.
type word struct {
	From string `json:"from"`
	Cell string `json:"cell"`
	Open int64  `json:"open_ms"`
	Cool int64  `json:"cool_ms"`
}

// openShared reaches for the server of conf; nil for none. A server that cannot be
// reached is a line in the log: it is used once it is there.
func openShared(conf config.Shared, log *slog.Logger) (*shared, error) {
	if conf.URL == "" {
		return nil, nil
	}
	server, err := redis.New(conf.URL)
	if err != nil {
		return nil, err
	}
	s := &shared{server: server, wait: conf.Wait, self: rand.Text(), words: make(chan channel.Hint, hintsQueued), began: make(chan struct{}, 1), log: log}
	s.limits = limiter.StartJoint(server, limiter.JointOptions{Log: log, Deadline: conf.Wait})
	s.guesses = limiter.StartJoint(server, limiter.JointOptions{Deadline: conf.Wait, Local: limiter.Options{Keys: auth.GuessesKept}})
	s.ctx, s.stop = context.WithCancel(context.Background())
	return s, nil
}

// options are what the gateway takes of it.
func (s *shared) options() proxy.Options {
	if s == nil {
		return proxy.Options{}
	}
	return proxy.Options{Limiter: s.limits, Guesses: s.guesses, Tell: s.tell, Proofs: s.server, ProofsWait: s.wait}
}

// stats is how it stands; nil where there is nothing to tell of.
func (s *shared) stats() func() limiter.JointStats {
	if s == nil {
		return nil
	}
	return s.limits.Stats
}

// start lets g hear what others say, and others what g does and which configuration it has,
// until close.
func (s *shared) start(g *proxy.Gateway, d *digest) {
	if s == nil {
		return
	}
	first := sync.OnceFunc(func() { s.began <- struct{}{} })
	s.run.Go(func() {
		defer func() { _ = recover() }() // keep goes on after a fault
		s.keep(func() { s.server.Listen(s.ctx, hintTopic, first, func(message string) { s.heard(g, message) }) })
	})
	s.run.Go(func() {
		defer func() { _ = recover() }()
		s.keep(func() { s.talk(g, d) })
	})
}

// serve has fronts know what other processes were asked.
func (s *shared) serve(fronts *front.Server) {
	if s != nil {
		fronts.Share(s.server, s.wait)
	}
}

// keep runs f until the process stops; after a fault in it once more, a second later.
func (s *shared) keep(f func()) {
	for s.ctx.Err() == nil {
		s.guard(f)
		again := time.NewTimer(hintsAgain)
		select {
		case <-s.ctx.Done():
			again.Stop()
		case <-again.C:
		}
	}
}

func (s *shared) guard(f func()) {
	defer func() {
		if bug := recover(); bug != nil {
			s.log.Error("panic", "where", "hints", "what", bug, "stack", string(debug.Stack()))
		}
	}()
	f()
}

// tell is called by the gateway and never waits: a hint that finds no room is lost.
func (s *shared) tell(h channel.Hint) {
	select {
	case s.words <- h:
	default:
	}
}

// talk tells others what is in words and which configuration this process has, and asks for
// what they said before it listened.
func (s *shared) talk(g *proxy.Gateway, d *digest) {
	every := time.NewTicker(agreeEvery)
	defer every.Stop()
	s.agree(d)
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-s.began:
			for cells := range slices.Chunk(g.HintCells(), hintsAtOnce) {
				s.recall(g, cells)
			}
		case h := <-s.words:
			s.say(h)
		case <-every.C:
			s.agree(d)
		}
	}
}

// say tells h. It is only a hint: what goes wrong is not said.
func (s *shared) say(h channel.Hint) {
	w := word{s.self, h.Cell, h.Open.Milliseconds(), h.Cool.Milliseconds()}
	text, err := json.Marshal(w)
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(s.ctx, hintWait)
	defer cancel()
	open, cool := min(w.Open, channel.HintOpenMost.Milliseconds()), min(w.Cool, channel.HintCoolMost.Milliseconds())
	args := []string{string(text), hintTopic, strconv.FormatInt(open, 10), strconv.FormatInt(cool, 10)}
	_, _ = s.server.Run(ctx, scriptTell, []string{hintOpen + h.Cell, hintCool + h.Cell}, args)
}

// recall hands g what is kept about cells.
func (s *shared) recall(g *proxy.Gateway, cells []string) {
	keys := make([]string, 0, 2*len(cells))
	for _, c := range cells {
		keys = append(keys, hintOpen+c, hintCool+c)
	}
	ctx, cancel := context.WithTimeout(s.ctx, hintWait)
	defer cancel()
	answer, err := s.server.Run(ctx, scriptRecall, keys, nil)
	left := strings.Fields(answer)
	if err != nil || len(left) != len(keys) {
		return
	}
	for i, c := range cells {
		if h := (channel.Hint{Cell: c, Open: millis(left[2*i]), Cool: millis(left[2*i+1])}); h.Open > 0 || h.Cool > 0 {
			g.Hint(h)
		}
	}
}

func millis(text string) time.Duration {
	ms, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return 0
	}
	return time.Duration(ms) * time.Millisecond
}

// heard hands a hint to g. Whatever else is said there is nothing.
func (s *shared) heard(g *proxy.Gateway, message string) {
	var w word
	if len(message) > hintLongest || json.Unmarshal([]byte(message), &w) != nil || w.From == s.self {
		return
	}
	const most = int64(24 * time.Hour / time.Millisecond)
	g.Hint(channel.Hint{
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
	s.guesses.Close()
	s.leave()
	s.server.Close()
	s.run.Wait()
}
