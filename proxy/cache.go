package proxy

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/dgraph-io/ristretto/v2"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/translate"
)

// What the answers of presets with a cache may take.
const (
	cacheSize   = 64 << 20 // bytes of all, unless the configuration says otherwise
	cacheShare  = 16       // one answer takes at most this part of it
	answerBytes = 512      // of an answer without its texts
)

// answers keeps whole answers for a while, for questions that are exactly the same.
// What identical questions that come at once cost is asked once. It is safe for
// concurrent use.
type answers struct {
	size int

	mu      sync.Mutex
	kept    *ristretto.Cache[string, *kept] // made when it is first needed
	closed  bool
	flights map[[sha256.Size]byte]*flight
}

// kept is one answer. It is never changed.
type kept struct {
	key     [sha256.Size]byte
	events  []translate.Event
	answer  translate.Answer
	dropped string
}

// flight is a question that is under way.
type flight struct {
	key  [sha256.Size]byte
	life time.Duration
	done chan struct{} // closed when the rest is set
	kept *kept         // nil: nothing came of it that others may have
	left bool          // only because its client has left
}

// find returns the answer to the question with key, or the flight that is to bring
// it; lead says that it is the caller's own, which must end it.
func (a *answers) find(key [sha256.Size]byte, life time.Duration) (k *kept, f *flight, lead bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.kept == nil && !a.closed {
		a.make()
	}
	if a.kept != nil {
		if k, ok := a.kept.Get(string(key[:])); ok && k.key == key {
			return k, nil, false
		}
	}
	if f := a.flights[key]; f != nil {
		return nil, f, false
	}
	f = &flight{key: key, life: life, done: make(chan struct{})}
	if a.flights == nil {
		a.flights = make(map[[sha256.Size]byte]*flight)
	}
	a.flights[key] = f
	return nil, f, true
}

func (a *answers) make() {
	if a.size <= 0 {
		a.size = cacheSize
	}
	// Without it nothing is kept, and all else goes on.
	a.kept, _ = ristretto.NewCache(&ristretto.Config[string, *kept]{
		NumCounters: int64(max(a.size/answerBytes, 1000)), MaxCost: int64(a.size), BufferItems: 64,
	})
}

// land ends the flight f, with what others may have.
func (a *answers) land(f *flight, k *kept, left bool) {
	f.kept, f.left = k, left
	a.mu.Lock()
	cache := a.kept
	a.mu.Unlock()
	if k != nil && cache != nil {
		if n := k.bytes(); n <= a.size/cacheShare {
			cache.SetWithTTL(string(f.key[:]), k, int64(n), f.life)
			cache.Wait() // so that whoever asks after the flight finds it
		}
	}
	a.mu.Lock()
	delete(a.flights, f.key)
	a.mu.Unlock()
	close(f.done)
}

func (a *answers) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	if a.kept != nil {
		a.kept.Close()
		a.kept = nil
	}
}

// bytes is what k takes of the memory, about; its texts are there twice.
func (k *kept) bytes() int {
	n := answerBytes
	for i := range k.answer.Parts {
		p := &k.answer.Parts[i]
		n += answerBytes + 2*(len(p.Text)+len(p.Signature))
	}
	return n
}

// asks is what makes two questions the same.
type asks struct {
	Scope    string
	Model    string
	Messages []translate.Message
	Tools    []translate.Tool
	Choice   translate.ToolChoice
	Params   translate.Params
	Web      bool
}

// cacheKey names the question; ok is false for one that has no exact name.
func (x *Exchange) cacheKey(p *config.Preset) (key [sha256.Size]byte, ok bool) {
	scope := "caller " + x.q.Caller.Name
	if p.CacheShared {
		scope = "all"
	}
	text, err := json.Marshal(asks{
		Scope: scope, Model: x.q.Model.Name, Messages: window(x.prompt.req.Messages, x.prompt.window), Tools: x.prompt.req.Tools,
		Choice: x.prompt.req.ToolChoice, Params: x.prompt.req.Params, Web: x.prompt.req.Web,
	})
	// What is no UTF-8 would look like other text that is none.
	if err != nil || bytes.Contains(text, []byte(`\ufffd`)) {
		return key, false
	}
	return sha256.Sum256(text), true
}

// mayBeKept reports whether there may be a kept answer to q.
func (q *Question) mayBeKept() bool {
	return q.Model.preset != nil && q.Model.preset.Cache > 0 && !q.Restart
}

// recalls looks for a kept answer, or waits for the one of the same question that is
// under way. It reports whether there is one, with which the exchange then goes on.
func (x *Exchange) recalls() (bool, *translate.Error) {
	if !x.q.mayBeKept() {
		return false, nil
	}
	p := x.q.Model.preset
	key, ok := x.cacheKey(p)
	if !ok {
		return false, nil
	}
	x.q.Ledger.Cache = "miss"
	for {
		k, f, lead := x.g.answers.find(key, p.Cache)
		switch {
		case k != nil:
			x.replays(k)
			return true, nil
		case lead:
			x.answer.flight = f
			return false, nil
		}
		select {
		case <-f.done:
		case <-x.ctx.Done():
			return false, gone(x.ctx)
		}
		if f.kept != nil {
			x.replays(f.kept)
			return true, nil
		}
		if !f.left {
			return false, nil // it went wrong: this one is asked by itself
		}
	}
}

// replays makes k the answer.
func (x *Exchange) replays(k *kept) {
	x.answer.cached, x.q.Ledger.Cache = true, "hit"
	ch := &Channel{ID: "cache", conf: &config.Channel{Kind: "cache"}, kind: config.KindOf("cache"), meter: x.g.meters.channel("cache")}
	x.attempt.lease, x.q.Ledger.Dropped = Lease{candidate: candidate{ch: ch}}, k.dropped
	if x.whole {
		x.answer.collected, x.finished = k.answer, true
		x.answer.collected.Parts = slices.Clone(k.answer.Parts)
		return
	}
	x.attempt.clock = &x.attempt.early
	x.attempt.clock.start(func(error) {}, time.Hour, time.Hour)
	x.attempt.stream = &replay{events: k.events}
}

// land ends the flight of the exchange, if it has one: others get a whole answer that
// ended by itself and calls no tool, and nothing else.
func (x *Exchange) land(err *translate.Error) {
	f := x.answer.flight
	if f == nil {
		return
	}
	x.answer.flight = nil
	var k *kept
	if a := &x.answer.collected; err == nil && x.finished && a.Finish == translate.FinishStop && !a.Empty() && !slices.ContainsFunc(a.Parts, isCall) {
		k = &kept{key: f.key, dropped: x.q.Ledger.Dropped, answer: translate.Answer{
			ID: a.ID, Model: a.Model, Parts: slices.Clone(a.Parts), Finish: a.Finish, Sequence: a.Sequence, Keyword: a.Keyword, Usage: a.Usage,
		}}
		for ev := range k.answer.Events {
			k.events = append(k.events, ev)
		}
	}
	x.g.answers.land(f, k, err != nil && err.Fault == translate.FaultGone)
}

func isCall(p translate.Part) bool { return p.Kind == translate.PartToolCall }

// replay is a kept answer as a stream.
type replay struct {
	events []translate.Event
	next   int
}

// Next implements [translate.Stream].
func (r *replay) Next() (translate.Event, error) {
	if r.next == len(r.events) {
		return translate.Event{}, io.EOF
	}
	r.next++
	return r.events[r.next-1], nil
}

// Ready implements [translate.Stream].
func (r *replay) Ready() bool { return true }

// Close implements [translate.Stream].
func (r *replay) Close() error { return nil }
