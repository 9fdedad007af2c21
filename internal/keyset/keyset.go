// Package keyset keeps the public keys that an endpoint publishes as a JWK set
// (RFC 7517), so that tokens can be verified without asking it each time.
package keyset

import (
	"context"
	"crypto"
	"errors"
	"log/slog"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Algorithms are those whose tokens a key of a set may verify. Symmetric ones, and
// none, are not among them.
func Algorithms() []string {
	return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"}
}

// What Find returns.
var (
	// ErrUnknown: the set has no such key.
	ErrUnknown = errors.New("keyset: the key is not in the set")
	// ErrNone: no set could be fetched yet, so that nothing can be said of a key.
	ErrNone = errors.New("keyset: the key set could not be fetched yet")
)

// Options change when a set is fetched. The zero value is right; tests use others.
type Options struct {
	// Every is how often the set is fetched. Default 15 minutes.
	Every time.Duration
	// Apart is the least time between two fetches, whatever the reason; that is also
	// how soon a failed one is tried again. Default 10 seconds.
	Apart time.Duration
	// Wait is how long Find waits for a fetch that runs. Default 2 seconds.
	Wait time.Duration
	// Most is how long one fetch may take. Default 5 seconds.
	Most time.Duration
	// Proxy is through what the set is fetched: http, https, socks5 or socks5h, with user and
	// password. Default: nothing.
	Proxy *url.URL
	// Setting names in the log where Proxy is configured.
	Setting string
}

func (o *Options) fill() {
	for _, d := range []struct {
		value *time.Duration
		def   time.Duration
	}{{&o.Every, 15 * time.Minute}, {&o.Apart, 10 * time.Second}, {&o.Wait, 2 * time.Second}, {&o.Most, 5 * time.Second}} {
		if *d.value == 0 {
			*d.value = d.def
		}
	}
}

// Set is the key set of one endpoint, as it was when it was last read. What cannot
// be read changes nothing: the last known keys stay. It is safe for concurrent use.
type Set struct {
	url  string
	log  *slog.Logger
	o    Options
	keys atomic.Pointer[[]key] // nil: never fetched
	ask  chan struct{}         // holds one wish for another fetch
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu    sync.Mutex
	round chan struct{} // closed when the fetch that runs or is wished for is over; nil: there is none
	last  time.Time     // when the last one ended
	ended bool          // nobody fetches any more
}

// Open returns the set at address and begins to fetch it in the background. The caller
// closes it.
func Open(address string, log *slog.Logger, o Options) *Set {
	o.fill()
	ctx, stop := context.WithCancel(context.Background())
	s := &Set{url: address, log: log, o: o, ask: make(chan struct{}, 1), stop: stop, round: make(chan struct{})}
	s.wg.Go(func() { s.run(ctx) })
	return s
}

// Close stops fetching, and returns when the goroutine has ended. It may be called
// on a nil set.
func (s *Set) Close() {
	if s == nil {
		return
	}
	s.stop()
	s.wg.Wait()
}

// Find returns the key called id that may verify algorithm. Without an id it is the
// only key for algorithm, if there is but one. A key that is not known has the set
// fetched again, if the last fetch is long enough ago, and is waited for as long as
// [Options.Wait] says; an id that is longer than any key's may be is looked for nowhere.
// The error is ErrUnknown or ErrNone.
func (s *Set) Find(id, algorithm string) (crypto.PublicKey, error) {
	if len(id) > maxID {
		return nil, ErrUnknown
	}
	if public := s.known(id, algorithm); public != nil {
		return public, nil
	}
	if round := s.again(); round != nil {
		wait := time.NewTimer(s.o.Wait)
		defer wait.Stop()
		select {
		case <-round:
		case <-wait.C:
		}
		if public := s.known(id, algorithm); public != nil {
			return public, nil
		}
	}
	if s.keys.Load() == nil {
		return nil, ErrNone
	}
	return nil, ErrUnknown
}

func (s *Set) known(id, algorithm string) (found crypto.PublicKey) {
	keys := s.keys.Load()
	if keys == nil {
		return nil
	}
	for i := range *keys {
		k := &(*keys)[i]
		if id != "" && k.id != id || !slices.Contains(k.algorithms, algorithm) {
			continue
		}
		if found != nil {
			return nil // which of them is meant is anybody's guess
		}
		found = k.public
	}
	return found
}

// again wishes for another fetch, and returns what is closed when it is over; nil
// where it is too early for one.
func (s *Set) again() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.round != nil {
		return s.round
	}
	if s.ended || time.Since(s.last) < s.o.Apart {
		return nil
	}
	s.round = make(chan struct{})
	s.ask <- struct{}{} // there is room: one round, one wish
	return s.round
}

// run owns the fetching.
func (s *Set) run(ctx context.Context) {
	defer func() {
		_ = recover()
		s.over(true)
	}()
	client := newClient(s.o.Most, s.o.Proxy, s.o.Setting)
	failed := false
	next := time.NewTimer(s.o.Every)
	defer next.Stop()
	for {
		err := s.fetch(ctx, client)
		if ctx.Err() != nil {
			return
		}
		wait := s.o.Every
		switch {
		case err != nil:
			wait = min(s.o.Every, max(s.o.Apart, time.Second))
			if !failed {
				s.log.Error("the key set of callers.jwt.jwks could not be fetched; the last known keys stay", "why", err)
			}
		case failed:
			s.log.Info("the key set of callers.jwt.jwks was fetched again")
		}
		failed = err != nil
		s.over(false)
		next.Reset(wait)
		select {
		case <-ctx.Done():
			return
		case <-next.C:
		case <-s.ask:
		}
	}
}

// over ends the round, if there is one; after the last there is no other.
func (s *Set) over(last bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last, s.ended = time.Now(), last
	if s.round != nil {
		close(s.round)
		s.round = nil
	}
}

// fetch reads the set and, where that went well, puts it in the place of the last.
func (s *Set) fetch(ctx context.Context, c *client) (err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("what came cannot be read")
		}
	}()
	text, err := c.get(ctx, s.url)
	if err != nil {
		return err
	}
	keys, err := parse(text)
	if err != nil {
		return err
	}
	s.keys.Store(&keys)
	return nil
}
