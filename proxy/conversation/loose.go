package conversation

import "github.com/dragoman-gateway/dragoman/internal/ids"

// addLoose adds a turn to t, which is not stored.
func (r *Registry) addLoose(t *Thread, c *Change, window int) {
	t.buffer.add(&c.Turn, window, r.mostLoose(), c.quiet())
	r.noteLoose(t)
}

// mostLoose is how many bytes a conversation that is not stored may have now.
func (r *Registry) mostLoose() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.loose > bufferAll {
		return bufferLeast
	}
	return bufferBytes
}

func (r *Registry) noteLoose(t *Thread) {
	r.mu.Lock()
	defer r.mu.Unlock()
	said := sent(t.buffer.messages)
	t.lengths.of(said, leading(said), 0, 0)
	r.charge(t)
}

// Unstored takes the next place of a conversation that lives only in memory, as
// long as kept, whose zero value is a new one, is kept by its front. The front must call
// [Registry.Leave] in the end.
func (r *Registry) Unstored(kept *Thread) *Turn {
	kept.ephemeral = true
	if kept.id == "" {
		kept.id = ids.New("tmp_")
	}
	return r.join(kept, 0)
}

// Leave ends a conversation that was not stored.
func (r *Registry) Leave(kept *Thread) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held -= kept.charged
	r.loose -= kept.charged
	kept.charged, kept.ended = 0, true
}
