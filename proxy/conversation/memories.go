package conversation

import "sync"

// maxMemories bounds how many remote memories are known at once. One that was
// forgotten costs a replay, nothing else.
const maxMemories = 100_000

// Memories knows which stateful back end, H, remembers which conversation, and under what
// name. It is safe for concurrent use. A memory is taken out while an attempt uses it and put
// back only when that ended well, so one that failed or was abandoned is gone.
type Memories[H comparable] struct {
	mu sync.Mutex
	at map[Position]memory[H]
}

// memory is what one back end remembers of one conversation.
type memory[H comparable] struct {
	holder H
	remote string
}

// NewMemories returns an empty one.
func NewMemories[H comparable]() *Memories[H] {
	return &Memories[H]{at: make(map[Position]memory[H])}
}

// Holder returns who remembers p; the zero H: nobody. A memory that lives no more, as
// alive says, is forgotten.
func (m *Memories[H]) Holder(p Position, alive func(holder H, remote string) bool) (holder H) {
	m.mu.Lock()
	defer m.mu.Unlock()
	held, known := m.at[p]
	if known && !alive(held.holder, held.remote) {
		delete(m.at, p)
		return holder
	}
	return held.holder
}

// Remote is the name under which holder remembers p; "": it does not.
func (m *Memories[H]) Remote(p Position, holder H) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if held := m.at[p]; held.holder == holder {
		return held.remote
	}
	return ""
}

// Take removes and returns the name under which holder remembers p; "": it does not.
func (m *Memories[H]) Take(p Position, holder H) (remote string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if held := m.at[p]; held.holder == holder {
		delete(m.at, p)
		return held.remote
	}
	return ""
}

// Put notes that holder remembers p under remote.
func (m *Memories[H]) Put(p Position, holder H, remote string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.at) >= maxMemories {
		for some := range m.at {
			delete(m.at, some)
			break
		}
	}
	m.at[p] = memory[H]{holder: holder, remote: remote}
}
