package conversation

import (
	"context"
	"time"
)

// Delete removes the conversation id of owner, or all of owner's when id is empty, without
// waiting for the turns in them. The answers to what was asked before are still given, but
// not stored; what is asked from now on begins a new conversation. The errors are those of
// [store.Store].
func (r *Registry) Delete(ctx context.Context, owner, id string) error {
	gate := r.gate(owner)
	gate.Lock()
	defer gate.Unlock()
	if err := r.store.Delete(ctx, owner, id); err != nil {
		return err
	}
	for _, t := range r.of(owner, id) {
		r.drop(t)
	}
	return nil
}

// Clear removes the messages of the conversation id of owner, without waiting for the
// turns in it. The answers to what was asked before are still given, but not stored.
// The errors are those of [store.Store].
func (r *Registry) Clear(ctx context.Context, owner, id string) error {
	gate := r.gate(owner)
	gate.Lock()
	defer gate.Unlock()
	if err := r.store.Clear(ctx, owner, id, time.Now().UnixMilli()); err != nil {
		return err
	}
	for _, t := range r.of(owner, id) {
		r.invalidate(t)
	}
	return nil
}
