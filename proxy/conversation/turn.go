package conversation

import (
	"context"
	"sync/atomic"

	"github.com/dragoman-gateway/dragoman/store"
)

// Turn is a place in the queue of a conversation. It must be given back with
// Done exactly once, whether or not Wait was called or succeeded.
type Turn struct {
	thread     *Thread
	registry   *Registry
	ready      chan struct{} // nil: it is our turn already
	generation uint64        // the thread's when it was asked
	begun      bool          // its question is stored already, as the newest message
	first      int           // bytes that it was stored with, if it began its conversation
	holds      atomic.Int32  // calls of Done that only end a Hold
	ticket     *ticket       // nil: there are no other processes
	named      atomic.Bool   // the place in the order of all processes was waited for
	// there says that its conversation was stored when it was asked or came up, and gone that
	// another process has deleted or cleared it since: what is said in it is not stored.
	there, gone bool
	// make is what the question begins where its conversation is not there; nil: nothing.
	make *store.Conversation
}

// Hold keeps the place beyond its exchange: Done must be called once more.
func (u *Turn) Hold() { u.holds.Add(1) }

// Wait returns when the turns before this one are over, here and in other processes, or ctx
// has ended.
func (u *Turn) Wait(ctx context.Context) error {
	if u.ready == nil {
		return u.waitForLease(ctx)
	}
	select {
	case <-u.ready:
		return u.waitForLease(ctx)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Done gives the place back and lets the next turn run.
func (u *Turn) Done() {
	if u.holds.Add(-1) >= 0 {
		return
	}
	r, t := u.registry, u.thread
	r.mu.Lock()
	defer r.mu.Unlock()
	u.ticket.end()
	if !u.leaveQueue() {
		if len(t.queue) > 0 {
			close(t.queue[0])
			t.queue = t.queue[1:]
		} else {
			t.busy = false
		}
	}
	if t.refs--; t.refs == 0 {
		r.left++
		r.leftAt[r.shard(t.id)%uint64(len(r.leftAt))] = r.left
		if !r.park(t) {
			r.forget(t)
		}
	}
}

// leaveQueue removes a turn that never came up, and reports whether it did.
func (u *Turn) leaveQueue() bool {
	for i, waiting := range u.thread.queue {
		if waiting == u.ready {
			u.thread.queue = append(u.thread.queue[:i:i], u.thread.queue[i+1:]...)
			return true
		}
	}
	return false
}

// stale reports whether the conversation was deleted or cleared since u was asked. The holder of
// the turn may call it.
func (u *Turn) stale() bool {
	u.registry.mu.Lock()
	defer u.registry.mu.Unlock()
	return u.gone || u.generation != u.thread.generation
}

// Ephemeral reports whether the turn's conversation lives only in memory.
func (u *Turn) Ephemeral() bool { return u.thread.ephemeral }

// Begun reports whether the question is stored already, see [Turn.Begin].
func (u *Turn) Begun() bool { return u.begun }

// Waits reports whether other turns were before this one when it was taken.
func (u *Turn) Waits() bool { return u.ready != nil }

// Version names what models were told in the conversation up to now, for a [Fingerprint]; 0:
// nothing, or it was deleted or cleared since the turn was asked. Whoever has waited for the turn
// may ask.
func (u *Turn) Version() int64 {
	if u.stale() {
		return 0
	}
	return u.thread.version()
}

// Asked returns the versions before the newest question and after the answer to it; 0:
// they are not known. Whoever has waited for the turn may ask.
func (u *Turn) Asked() (before, after int64) { return u.thread.asked.before, u.thread.asked.after }

// Named reports whether ID is final: no other process can delete the conversation before it is
// the turn's time any more. Any goroutine may call it.
func (u *Turn) Named() bool { return u.ticket == nil || u.named.Load() }

// ID returns the id of the turn's conversation. Until the turn was waited for it is the one
// that the conversation had when the turn was enqueued: another process may delete it.
func (u *Turn) ID() string {
	u.registry.mu.Lock()
	defer u.registry.mu.Unlock()
	return u.thread.id
}

// Number is the number of the turn's conversation; 0: it has none yet.
func (u *Turn) Number() int64 {
	if u.thread.ephemeral {
		return 0
	}
	u.registry.mu.Lock()
	defer u.registry.mu.Unlock()
	return u.thread.key.num
}

// number adds t, whose turn the caller holds, to the index by the number that the store gave
// it.
func (r *Registry) number(t *Thread) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if t.key != (threadKey{}) || t.conv.Created == 0 || r.byID[t.id] != t {
		return
	}
	key := threadKey{owner: t.owner, num: t.conv.Num}
	if r.byKey[key] == nil {
		t.key, r.byKey[key] = key, t
	}
}
