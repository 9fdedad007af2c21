package front

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"

	"github.com/dragoman-gateway/dragoman/translate"
)

// Bounds of the window in which a repeated message is recognized.
const (
	recentMessages = 100_000
	recentBytes    = 64 << 20
)

// dedupeCache remembers the messages of the iagent front for a while, so that a
// repeated one is answered again instead of being asked again (docs/rules/iagent.md
// 4.6). It is safe for concurrent use.
type dedupeCache struct {
	mu     sync.Mutex
	window resultCache[messageID, remembered]
}

type messageID struct{ caller, id string }

type remembered struct {
	frame []byte                  // the answer
	asker writer                  // the newest connection that asked; nil once there is an answer
	stop  context.CancelCauseFunc // ends the question
	claim *claim                  // how other processes know it; nil: they do not
}

// writer is a connection that an answer can go to.
type writer interface {
	write(frame []byte) error
	// await notes that the connection waits for the answer to m: when it ends before
	// forget, [recent.left] is to be called. It reports false when it has ended.
	await(m *remembered) bool
	forget(m *remembered)
}

// awaited are the answers that one connection waits for. It is safe for concurrent
// use.
type awaited struct {
	mu    sync.Mutex
	ended bool
	all   map[*remembered]struct{}
}

// add is [writer.await].
func (a *awaited) add(m *remembered) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ended {
		return false
	}
	if a.all == nil {
		a.all = make(map[*remembered]struct{})
	}
	a.all[m] = struct{}{}
	return true
}

// remove is [writer.forget].
func (a *awaited) remove(m *remembered) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.all, m)
}

// end returns what was awaited; nothing is from now on.
func (a *awaited) end() map[*remembered]struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := a.all
	a.ended, a.all = true, nil
	return all
}

func newRecent(keep time.Duration) *dedupeCache {
	return &dedupeCache{window: newWindow[messageID, remembered](keep, recentMessages, recentBytes)}
}

// ask reports whether a message is new; then [recent.answered] must be called. A
// repeated one is answered here as soon as there is an answer. stop is called when
// the newest connection that asked ends before that: nobody waits any more. The
// error says that the same id came with another body.
func (r *dedupeCache) ask(caller, id string, body []byte, from writer, now time.Time, stop context.CancelCauseFunc) (first bool, err *translate.Error) {
	sum := sha256.Sum256(body)
	r.mu.Lock()
	one, fresh := r.window.ask(messageID{caller, id}, sum, now)
	if one.body != sum {
		r.mu.Unlock()
		return false, translate.Invalid("this msg_id was used for another message")
	}
	if fresh {
		one.result.stop = stop
	}
	done, frame, here, known := one.done, one.result.frame, true, one.result.claim
	if !done {
		here = r.asked(&one.result, from)
	}
	r.mu.Unlock()
	if !done {
		known.again() // where another process was asked later, this one is now
	}
	if done {
		_ = from.write(frame)
	}
	if !here {
		r.left(&one.result, from)
	}
	return fresh, nil
}

// asked makes from the connection that the answer goes to, and reports whether it is
// still there; r.mu is held.
func (r *dedupeCache) asked(m *remembered, from writer) bool {
	if m.asker != nil {
		m.asker.forget(m)
	}
	m.asker = from
	return from.await(m)
}

// left notes that the connection from has ended.
func (r *dedupeCache) left(m *remembered, from writer) {
	r.mu.Lock()
	alone, stop, known := m.asker == from, m.stop, m.claim
	r.mu.Unlock()
	if alone && stop != nil && known.leave() {
		stop(errClientGone)
	}
}

// claimed notes how other processes know a message that is new here.
func (r *dedupeCache) claimed(caller, id string, k *claim) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if one := r.window.byKey[messageID{caller, id}]; one != nil {
		one.result.claim = k
	}
}

// answered sends frame to whoever asked last, if that is mine: else another process was asked later,
// and sends it. It is kept for repetitions, unless the question was abandoned: then it may be asked again.
func (r *dedupeCache) answered(caller, id string, frame []byte, keep, mine bool, now time.Time) {
	r.mu.Lock()
	one := r.window.byKey[messageID{caller, id}]
	if one == nil || one.done {
		r.mu.Unlock()
		return
	}
	to := one.result.asker
	to.forget(&one.result)
	one.result.asker, one.result.stop, one.result.claim = nil, nil, nil
	if keep {
		one.result.frame = frame
		r.window.finish(one, len(caller)+len(id)+cap(frame), now)
	} else {
		r.window.forget(one)
	}
	r.mu.Unlock()
	if mine {
		_ = to.write(frame)
	}
}

// counts is a number per name, bounded. It is safe for concurrent use.
type counts struct {
	mu sync.Mutex
	of map[string]int
}

// take adds one for name unless it has limit already.
func (c *counts) take(name string, limit int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of[name] >= limit {
		return false
	}
	c.of[name]++
	return true
}

// give takes one back.
func (c *counts) give(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of[name]--; c.of[name] == 0 {
		delete(c.of, name)
	}
}
