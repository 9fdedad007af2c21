package upstream

import (
	"container/list"
	"sync"
	"time"
)

// Bounds of idle sessions.
const (
	maxKept = 256
	keptFor = 10 * time.Minute
)

// idleSessions holds the idle sockets of conversations, one for each, and those whose memory
// is nobody's, for questions that stand alone. It has no
// goroutine: what is too old goes when another one comes, and whoever takes a
// socket looks whether it is alive. Safe for concurrent use.
type idleSessions struct {
	mu     sync.Mutex
	closed bool
	byName map[string]*list.Element
	order  list.List // of *socket, the one used last in front
	spare  int       // of them, without a name
}

// shut reports whether close was called.
func (h *idleSessions) shut() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.closed
}

// take removes and returns the socket of a conversation, or nil.
func (h *idleSessions) take(name string) *socket {
	if name == "" {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	e := h.byName[name]
	if e == nil {
		return nil
	}
	return h.remove(e)
}

// takeAny removes and returns a socket for a question that stands alone: one without a
// name, else the one that was not used for longest, which loses its own. nil: there is
// none.
func (h *idleSessions) takeAny() *socket {
	h.mu.Lock()
	defer h.mu.Unlock()
	e := h.order.Back()
	if e == nil {
		return nil
	}
	for f := h.order.Front(); f != nil && h.spare > 0; f = f.Next() {
		if f.Value.(*socket).name == "" {
			e = f
			break
		}
	}
	s := h.remove(e)
	s.name = ""
	return s
}

// has reports whether the socket of a conversation is there; any, if name is empty.
func (h *idleSessions) has(name string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if name == "" {
		return h.order.Len() > 0
	}
	return h.byName[name] != nil
}

func (h *idleSessions) remove(e *list.Element) *socket {
	s := h.order.Remove(e).(*socket)
	if s.name == "" {
		h.spare--
	} else {
		delete(h.byName, s.name)
	}
	return s
}

// put keeps s, in the place of another socket of its conversation if it has a name.
func (h *idleSessions) put(s *socket) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		s.end()
		return
	}
	if old := h.byName[s.name]; old != nil {
		h.remove(old).end()
	}
	if h.byName == nil {
		h.byName = make(map[string]*list.Element)
	}
	s.since = time.Now()
	if e := h.order.PushFront(s); s.name == "" {
		h.spare++
	} else {
		h.byName[s.name] = e
	}
	for e := h.order.Back(); e != nil; e = h.order.Back() {
		if h.order.Len() <= maxKept && s.since.Sub(e.Value.(*socket).since) <= keptFor {
			break
		}
		h.remove(e).end()
	}
}

// close ends all sockets, and those that are put later.
func (h *idleSessions) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for e := h.order.Front(); e != nil; e = h.order.Front() {
		h.remove(e).end()
	}
}
