package conversation

import (
	"context"
	"errors"
	"time"

	"github.com/dragoman-gateway/dragoman/internal/ids"
	"github.com/dragoman-gateway/dragoman/store"
)

// ticket is the place of a turn among those of all processes. Where it could not be had the
// turn goes on without one: that no turn is stored in a conversation which it does not answer
// rests on versions alone.
type ticket struct {
	lease   *store.Lease  // nil: it was not had
	before  *ticket       // of the turn before it in this process; nil: there is none
	asked   chan struct{} // closed when the ticket was had, or will not be
	passed  bool          // it was not asked for: whoever comes next waits for the one before
	closed  bool          // asked is; of the turn's own goroutine
	waited  bool          // it is the turn's place now
	id, key string        // of the conversation, when the turn was enqueued
}

// newTicket makes the ticket of the next turn in t, if there are leases. r.mu is held.
func (r *Registry) newTicket(t *Thread) *ticket {
	if r.leases == nil || t.ephemeral {
		return nil
	}
	t.tickets = &ticket{before: t.tickets, asked: make(chan struct{}), id: t.leased.id, key: t.leased.key}
	return t.tickets
}

// take takes u's ticket, behind those of the turns before it in this process: the order of
// both is the same.
func (u *Turn) take(ctx context.Context) {
	k := u.ticket
	if k == nil {
		return
	}
	defer k.close()
	for b := k.before; b != nil; b = b.before {
		select {
		case <-b.asked:
		case <-ctx.Done():
			k.passed = true
			return
		}
		if !b.passed {
			break
		}
	}
	k.before = nil
	if lease, err := u.registry.leases.Lease(ctx, u.thread.owner, k.id, k.key); err == nil {
		k.lease = lease
	}
}

func (k *ticket) close() {
	if !k.closed {
		k.closed = true
		close(k.asked)
	}
}

// end gives the ticket back; nil may be.
func (k *ticket) end() {
	if k == nil {
		return
	}
	if !k.closed { // else whoever comes next may look at it now
		k.passed = true
		k.close()
	}
	if k.lease != nil {
		k.lease.End()
	}
}

// lingers is how long the place of a turn that is over may still be taken for other processes.
const lingers = time.Second

// Begins reports whether no turn is before u, here or in another process, and the store has
// its conversation in version. A turn of another process that is just over is waited for.
func (u *Turn) Begins(ctx context.Context, version int64) bool {
	k := u.ticket
	switch {
	case u.Waits():
		return false
	case k == nil || k.lease == nil:
		return u.Version() == version
	case k.lease.Wait == nil:
		return k.lease.Version == version
	}
	ctx, cancel := context.WithTimeout(ctx, lingers)
	defer cancel()
	_, now, err := k.lease.Wait(ctx)
	return err == nil && now == version
}

// waitForLease returns when it is u's turn among all processes, or ctx has ended. What is
// held of the conversation is then as the store has it, or is read anew. The turn is the next
// one of this process.
func (u *Turn) waitForLease(ctx context.Context) error {
	k, t := u.ticket, u.thread
	if k == nil || k.waited {
		return nil
	}
	id, version, known := u.comesUp(ctx)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	k.waited = true
	defer u.named.Store(true)
	if k.key == "" && k.id != t.id {
		known = false // the conversation was begun anew since
	}
	u.there = known && id != ""
	switch stored := t.conv.Created != 0; {
	case known && k.lease.ID != "" && id != k.lease.ID:
		u.gone, t.loaded = true, false // another process has deleted it since it was asked
	case known && id != "" && (!stored || id != t.id):
		u.adopt(ctx, id)
	case known && stored && id == "" && u.make != nil && !u.begun:
		u.beginAnew()
	case stored && (!known || version != t.conv.Version):
		t.loaded = false
		u.registry.unmeasure(t)
	}
	return nil
}

// comesUp returns, when it is u's turn among all processes, how the store has its conversation;
// known is false where nobody can tell.
func (u *Turn) comesUp(ctx context.Context) (id string, version int64, known bool) {
	k, t := u.ticket, u.thread
	switch {
	case k.lease == nil:
		return "", 0, false
	case k.lease.Wait != nil:
		id, version, err := k.lease.Wait(ctx)
		return id, version, err == nil
	case u.ready == nil || t.conv.Created == 0:
		return k.lease.ID, k.lease.Version, true
	case k.lease.ID != "" && (k.key == "" || k.lease.ID == t.id):
		return t.id, t.conv.Version, true // only the turns before it in this process were there
	case k.lease.ID != "":
		return k.lease.ID, k.lease.Version, true // another process has begun it anew
	}
	// When it was asked there was none: a turn before it in this process has begun it since, or
	// another process had deleted it.
	version, err := u.registry.store.Version(ctx, t.owner, t.id)
	switch {
	case err == nil:
		return t.id, version, true
	case errors.Is(err, store.ErrNotFound):
		return "", 0, true
	}
	return "", 0, false
}

// adopt makes u's conversation, which is not stored any more or not yet, the one that another
// process has begun meanwhile under the same key. Where that cannot be read the turn finds out when it is to be
// stored.
func (u *Turn) adopt(ctx context.Context, id string) {
	t, r := u.thread, u.registry
	conv, err := r.store.Load(ctx, t.owner, store.Ref{ID: id}, store.Window{Messages: firstLook, Bytes: parkedMost, View: store.ViewSent})
	if err != nil {
		return
	}
	r.mu.Lock()
	if r.byID[t.id] == t {
		delete(r.byID, t.id)
		if r.byID[id] == nil {
			r.byID[id] = t
		}
	}
	t.id, t.leased.id = id, id
	t.conv, t.loaded, t.loadedAt, t.weight = conv, true, u.generation, weigh(conv.Messages)
	r.mu.Unlock()
	r.note(t, len(t.conv.Messages), 0)
}

// beginAnew makes u's conversation, which another process has deleted, the new one that its
// question is to begin.
func (u *Turn) beginAnew() {
	t, r := u.thread, u.registry
	made := *u.make
	made.Owner = t.owner
	if made.ID == "" {
		made.ID = ids.New("conv_")
	}
	r.mu.Lock()
	if r.byID[t.id] == t {
		delete(r.byID, t.id)
	}
	if r.byID[made.ID] == nil {
		r.byID[made.ID] = t
	}
	t.id, t.leased.id, t.leased.key = made.ID, made.ID, made.Key
	t.conv, t.loaded, t.weight = &made, false, weigh(made.Messages)
	r.mu.Unlock()
	r.note(t, len(t.conv.Messages), 0)
}
