package front

import (
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

// recent remembers the messages of the iagent front for a while, so that a
// repeated one is answered again instead of being asked again (rest_iagent.md
// 8.2, item 6). It is safe for concurrent use.
type recent struct {
	window time.Duration
	mu     sync.Mutex
	byID   map[messageID]*remembered
	oldest []*remembered // those with an answer, in the order of the answers
	bytes  int
}

type messageID struct{ caller, id string }

type remembered struct {
	key   messageID
	body  [sha256.Size]byte
	at    time.Time // of the answer
	done  bool
	frame []byte // the answer
	asker writer // the newest connection that asked; nil once there is an answer
	stop  func() // ends the question
	// forget ends the wait for the asker's end.
	forget func() bool
}

// writer is a connection that an answer can go to.
type writer interface {
	write(frame []byte) error
	// whenGone calls f, on a goroutine of its own, when the connection ends. stop
	// prevents that.
	whenGone(f func()) (stop func() bool)
}

func newRecent(window time.Duration) *recent {
	return &recent{window: window, byID: make(map[messageID]*remembered)}
}

// ask reports whether a message is new; then [recent.answered] must be called. A
// repeated one is answered here as soon as there is an answer. stop is called when
// the newest connection that asked ends before that: nobody waits any more. The
// error says that the same id came with another body.
func (r *recent) ask(caller, id string, body []byte, from writer, now time.Time, stop func()) (first bool, err *translate.Error) {
	sum, key := sha256.Sum256(body), messageID{caller, id}
	r.mu.Lock()
	r.expire(now)
	known := r.byID[key]
	if known == nil {
		one := &remembered{key: key, body: sum, stop: stop}
		one.asked(r, from)
		r.byID[key] = one
		r.mu.Unlock()
		return true, nil
	}
	if known.body != sum {
		r.mu.Unlock()
		return false, translate.Invalid("this msg_id was used for another message")
	}
	done, frame := known.done, known.frame
	if !done {
		known.asked(r, from)
	}
	r.mu.Unlock()
	if done {
		_ = from.write(frame)
	}
	return false, nil
}

// asked makes from the connection that the answer goes to; r.mu is held.
func (m *remembered) asked(r *recent, from writer) {
	if m.forget != nil {
		m.forget()
	}
	m.asker, m.forget = from, from.whenGone(func() { r.left(m, from) })
}

// left notes that the connection from has ended.
func (r *recent) left(one *remembered, from writer) {
	r.mu.Lock()
	alone := one.asker == from
	r.mu.Unlock()
	if alone {
		one.stop()
	}
}

// answered sends frame to whoever asked last. It is kept for repetitions, unless
// the question was abandoned: then it may be asked again.
func (r *recent) answered(caller, id string, frame []byte, keep bool, now time.Time) {
	key := messageID{caller, id}
	r.mu.Lock()
	one := r.byID[key]
	if one == nil {
		r.mu.Unlock()
		return
	}
	to := one.asker
	one.forget()
	one.asker, one.forget = nil, nil
	if keep {
		one.done, one.frame, one.at = true, frame, now
		r.bytes += len(frame)
		r.oldest = append(r.oldest, one)
		r.expire(now)
	} else {
		delete(r.byID, key)
	}
	r.mu.Unlock()
	_ = to.write(frame)
}

// expire forgets what is too old or too much. A question that still runs is not
// among it: its connection bounds how many there are.
func (r *recent) expire(now time.Time) {
	for len(r.oldest) > 0 {
		one := r.oldest[0]
		if now.Sub(one.at) <= r.window && len(r.oldest) <= recentMessages && r.bytes <= recentBytes {
			return
		}
		r.bytes -= len(one.frame)
		delete(r.byID, one.key)
		r.oldest[0] = nil
		r.oldest = r.oldest[1:]
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
