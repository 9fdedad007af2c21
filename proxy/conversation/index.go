package conversation

// unused are those of ids in which no turn of owner runs or waits.
func (r *Registry) unused(owner string, ids []string) (idle []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range ids {
		if t := r.byID[id]; t == nil || t.owner != owner || t.refs == 0 {
			idle = append(idle, id)
		}
	}
	return idle
}

// of returns the conversation id of owner if it is in use or kept, or all of owner's
// that are when id is empty.
func (r *Registry) of(owner, id string) (live []*Thread) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if id != "" {
		if t := r.byID[id]; t != nil && t.owner == owner && !t.ephemeral {
			live = append(live, t)
		}
		return live
	}
	for _, t := range r.byID {
		if t.owner == owner && !t.ephemeral {
			live = append(live, t)
		}
	}
	return live
}

// invalidate discards the results of all turns that were asked in t before now.
func (r *Registry) invalidate(t *Thread) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t.generation++
	t.lengths = lengths{sized: true}
	if t.parked {
		r.forget(t)
	}
}

// drop invalidates a conversation that is gone: what is asked from now on is not asked in t.
func (r *Registry) drop(t *Thread) {
	r.invalidate(t)
	r.unlink(t)
}

// unlink removes t from both indexes; its turns go on.
func (r *Registry) unlink(t *Thread) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forget(t)
}
