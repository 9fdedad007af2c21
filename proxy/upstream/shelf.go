package upstream

import (
	"container/list"
	"sync"
	"time"
)

// Bounds of a shelf.
const (
	maxKept = 256
	keptFor = 10 * time.Minute
)

// shelf holds the idle sockets of conversations, one for each. It has no
// goroutine: what is too old goes when another one comes, and whoever takes a
// socket looks whether it is alive. Safe for concurrent use.
type shelf struct {
	mu     sync.Mutex
	closed bool
	byName map[string]*list.Element
	order  list.List // of *socket, the one used last in front
}

// shut reports whether close was called.
func (h *shelf) shut() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.closed
}

// take removes and returns the socket of a conversation, or nil.
func (h *shelf) take(name string) *socket {
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

func (h *shelf) remove(e *list.Element) *socket {
	s := h.order.Remove(e).(*socket)
	delete(h.byName, s.name)
	return s
}

// put keeps s, in the place of another socket of the conversation.
func (h *shelf) put(s *socket) {
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
	h.byName[s.name] = h.order.PushFront(s)
	for e := h.order.Back(); e != nil; e = h.order.Back() {
		if h.order.Len() <= maxKept && s.since.Sub(e.Value.(*socket).since) <= keptFor {
			break
		}
		h.remove(e).end()
	}
}

// close ends all sockets, and those that are put later.
func (h *shelf) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for e := h.order.Front(); e != nil; e = h.order.Front() {
		h.remove(e).end()
	}
}
