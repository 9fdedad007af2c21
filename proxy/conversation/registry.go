package conversation

import (
	"context"
	"errors"
	"hash/maphash"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dragoman-gateway/dragoman/internal/ids"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Registry is the registry of the conversations in use. It is safe for
// concurrent use.
type Registry struct {
	mu    sync.Mutex
	byID  map[string]*Thread
	byKey map[threadKey]*Thread
	idle  idleList
	held  int    // bytes of all of them, and of those that are not stored
	loose int    // of these, of those that are not stored
	left  uint64 // how many were given up since the beginning
	// leftAt is left when the latest thread of each shard was given up.
	leftAt [256]uint64
	seed   maphash.Seed
	store  store.Store
	log    *slog.Logger
	sole   atomic.Bool // no other process works on the store, but for one that shared allows
	shared atomic.Bool // see Share
	// era counts how often another process ceased to work on the store beside this one.
	era    atomic.Uint64
	leases store.Leaser // nil: turns are in the order of this process
	quotas quotas
	// gates part deletions and clears of an owner's conversations, which hold one
	// for writing, from look-ups and stores of turns, which hold it for reading. So
	// each of those is before or after the other as a whole.
	gates [64]sync.RWMutex
}

// New returns the registry of the conversations in st. sole says that no other process works
// on st, as whoever holds its lock knows: a conversation that was used in the last minute is
// then taken to be as it was. Where sole is false, or turns out not to be so, each
// conversation is looked at before its turn. Either way no turn is stored in a conversation
// that it does not answer.
func New(st store.Store, log *slog.Logger, sole bool) *Registry {
	r := &Registry{byID: make(map[string]*Thread), byKey: make(map[threadKey]*Thread), seed: maphash.MakeSeed(), store: st, log: log}
	r.sole.Store(sole)
	if leases, ok := st.(store.Leaser); ok && !sole {
		r.leases = leases
	}
	return r
}

// Stats is how many conversations there are, and what they take.
type Stats struct {
	InUse int
	Idle  int // held, although nobody uses them
	Bytes int // of all of them, about
	Loose int // of these, of those that are not stored
}

// Stats returns the state of the registry now.
func (r *Registry) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := Stats{Idle: r.idle.n, Bytes: r.held, Loose: r.loose}
	for _, t := range r.byID {
		if !t.parked {
			s.InUse++
		}
	}
	for _, t := range r.byKey {
		if r.byID[t.id] != t {
			s.InUse++
		}
	}
	return s
}

func (r *Registry) shard(s string) uint64 { return maphash.String(r.seed, s) }

// gate is the one of owner's conversations.
func (r *Registry) gate(owner string) *sync.RWMutex {
	return &r.gates[r.shard(owner)%uint64(len(r.gates))]
}

// enqueue takes the next place of t, which join has counted already.
func (r *Registry) enqueue(t *Thread) *Turn {
	turn := &Turn{thread: t, registry: r, generation: t.generation, ticket: r.newTicket(t)}
	if t.busy {
		turn.ready = make(chan struct{})
		t.queue = append(t.queue, turn.ready)
	}
	t.busy = true
	return turn
}

// forget removes t from both indexes. r.mu is held.
func (r *Registry) forget(t *Thread) {
	r.idle.remove(t)
	if t.refs == 0 && !t.ephemeral {
		r.held -= t.charged
		t.charged = 0
	}
	if r.byID[t.id] == t {
		delete(r.byID, t.id)
	}
	if r.byKey[t.key] == t {
		delete(r.byKey, t.key)
	}
}

// live returns a place in the thread that is in use or kept under key, or kept under
// owner's id, else nil and how many threads have been given up so far. rested tells
// that nobody used it: what it knows may not be so any more, and the place is the
// first one.
func (r *Registry) live(key threadKey, owner, id string) (turn *Turn, rested bool, left uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var t *Thread
	if key != (threadKey{}) {
		t = r.byKey[key]
	} else if kept := r.byID[id]; kept != nil && kept.parked && kept.owner == owner {
		t = kept
	}
	if t == nil {
		return nil, false, r.left
	}
	rested = t.parked
	return r.enter(t), rested, r.left
}

// enter takes the next place of t.
func (r *Registry) enter(t *Thread) *Turn {
	r.idle.remove(t)
	if t.refs++; t.refs == 1 && t.charged == 0 {
		r.charge(t)
	}
	return r.enqueue(t)
}

// joinNew is join for a conversation that was not in the store. It returns nil when
// threads were given up since left was read: one of them may have stored it.
func (r *Registry) joinNew(t *Thread, left uint64) *Turn {
	r.mu.Lock()
	defer r.mu.Unlock()
	if t.key != (threadKey{}) && r.left != left && r.byID[t.id] == nil && r.byKey[t.key] == nil {
		return nil
	}
	return r.joinLocked(t)
}

// join returns a place in t, which was looked up when left threads had been given
// up, or in the thread that is in use under the same id or key.
func (r *Registry) join(t *Thread, left uint64) *Turn {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.leftAt[r.shard(t.id)%uint64(len(r.leftAt))] > left {
		t.loaded = false // somebody may have added to it since
	}
	return r.joinLocked(t)
}

func (r *Registry) joinLocked(t *Thread) *Turn {
	keyed := t.key != (threadKey{})
	if known := r.byID[t.id]; known != nil {
		t = known
	} else if known := r.byKey[t.key]; keyed && known != nil {
		t = known
	} else {
		r.byID[t.id] = t
		if keyed {
			r.byKey[t.key] = t
		}
	}
	return r.enter(t)
}

// Identity says which conversation of its owner a question belongs to.
type Identity struct {
	// Find is how the conversation is looked for. Its zero value finds none.
	Find store.Ref
	// Else is tried when Find finds nothing.
	Else store.Ref
	// Make is what a new conversation is called; nil: there must be one already.
	Make *store.Conversation
}

// Enqueue finds or prepares the conversation of owner that id names and takes a place in
// its queue. Questions that are enqueued one after the other are answered in that order.
// measure says that the length of the whole conversation is to be known, see
// [Turn.SentLength]. The error is a *translate.Error: there is no such conversation and none
// may be made, or the store failed.
//
// Where other processes work on the store, the turn has its place among theirs as well.
func (r *Registry) Enqueue(ctx context.Context, owner string, id Identity, measure bool) (*Turn, error) {
	turn, err := r.place(ctx, owner, id, measure)
	if err != nil {
		return nil, err
	}
	turn.make = id.Make
	turn.take(ctx)
	if k := turn.ticket; k != nil && turn.ready == nil && k.lease != nil && k.lease.Wait == nil {
		if err := turn.waitForLease(ctx); err != nil { // it is its turn: its conversation is known now
			turn.Done()
			return nil, translate.Gone(err)
		}
	}
	return turn, nil
}

// place is Enqueue among the turns of this process.
func (r *Registry) place(ctx context.Context, owner string, id Identity, measure bool) (*Turn, error) {
	var key threadKey
	switch {
	case id.Find.Key != "":
		key = threadKey{owner: owner, key: id.Find.Key}
	case id.Find.ID == "" && id.Find.Num > 0:
		key = threadKey{owner: owner, num: id.Find.Num}
	}
	gate := r.gate(owner)
	gate.RLock()
	defer gate.RUnlock()
	for {
		era := r.era.Load()
		turn, idle, left := r.live(key, owner, id.Find.ID)
		if turn != nil {
			there, err := r.recall(ctx, turn, idle, measure)
			if err != nil {
				return nil, err
			}
			if there {
				return turn, nil
			}
			continue
		}
		conv, err := r.find(ctx, owner, id)
		if err != nil && ctx.Err() != nil {
			return nil, translate.Gone(context.Cause(ctx))
		}
		if err != nil {
			return nil, err
		}
		if conv != nil {
			t := &Thread{id: conv.ID, owner: owner, key: key, conv: conv, loaded: true, weight: weigh(conv.Messages), era: era}
			t.leased.id, t.leased.key = conv.ID, conv.Key
			t.lengths.of(conv.Messages, conv.Head, conv.Skipped, 0)
			if measure {
				t.lengths.guess()
			}
			return r.join(t, left), nil
		}
		if id.Make == nil {
			return nil, noConversation()
		}
		made := *id.Make
		made.Owner = owner
		if made.ID == "" {
			made.ID = ids.New("conv_")
		}
		t := &Thread{id: made.ID, owner: owner, key: key, conv: &made, weight: weigh(made.Messages), era: era}
		t.leased.id, t.leased.key = made.ID, made.Key
		t.lengths.of(sent(made.Messages), 0, 0, 0)
		if turn := r.joinNew(t, left); turn != nil {
			return turn, nil
		}
	}
}

func noConversation() *translate.Error {
	return &translate.Error{Code: translate.CodeConversation, Message: "no such conversation"}
}

// firstLook is how many messages a look-up reads: all of most conversations, which
// need no second read when their turn has come, and few enough for a caller who may
// still be refused.
const firstLook = 64

func (r *Registry) find(ctx context.Context, owner string, id Identity) (*store.Conversation, error) {
	for _, ref := range [...]store.Ref{id.Find, id.Else} {
		if ref == (store.Ref{}) {
			continue
		}
		look := store.Window{Messages: firstLook, Bytes: parkedMost, View: store.ViewSent}
		conv, err := r.store.Load(ctx, owner, ref, look)
		if err == nil {
			return conv, nil
		}
		if !errors.Is(err, store.ErrNotFound) {
			return nil, store.Failed(err)
		}
	}
	return nil, nil
}

// lookAgain is how long a conversation that nobody used is believed to be as it was,
// where no other process works on the store.
const lookAgain = time.Minute

// recall makes sure that an idle conversation still is as the store has it: another
// process may share it. It reports whether the conversation is there; if not, or with an
// error, the place is given back.
func (r *Registry) recall(ctx context.Context, u *Turn, idle, measure bool) (there bool, err error) {
	t := u.thread
	era := r.era.Load()
	if idle && r.leases == nil && (t.era != era || !r.sole.Load() || r.shared.Load() || time.Since(time.UnixMilli(t.conv.Updated)) >= lookAgain) {
		version, err := r.store.Version(ctx, t.owner, t.id)
		switch {
		case errors.Is(err, store.ErrNotFound):
			t.loaded = false // who came behind us is to find it out too
			r.unlink(t)
			u.Done()
			return false, nil
		case err != nil:
			u.Done()
			return false, lost(ctx, err)
		}
		if version != t.conv.Version {
			t.loaded = false
			r.unmeasure(t)
		}
		t.era = era
	}
	if t.ephemeral || !measure || u.measured() {
		return true, nil
	}
	r.mu.Lock()
	id := t.id // another turn may find that the conversation has another one
	r.mu.Unlock()
	conv, err := r.store.Load(ctx, t.owner, store.Ref{ID: id}, store.Window{Messages: firstLook, Bytes: parkedMost, View: store.ViewSent})
	switch {
	case err == nil:
		r.measure(t, conv)
	case !errors.Is(err, store.ErrNotFound):
		u.Done()
		return false, lost(ctx, err)
	}
	return true, nil
}

// lost is why a look-up did not succeed.
func lost(ctx context.Context, err error) *translate.Error {
	if ctx.Err() != nil {
		return translate.Gone(context.Cause(ctx))
	}
	return store.Failed(err)
}

// Share says whether another process works on the store beside this one for now, as one does
// that hands over to it, or takes over from it: each conversation is looked at before its
// turn meanwhile, and once more behind it.
func (r *Registry) Share(with bool) {
	if r.shared.Swap(with) && !with {
		r.era.Add(1)
	}
}

// notSole notes that somebody else works on the store.
func (r *Registry) notSole() {
	if !r.shared.Load() && r.sole.Swap(false) {
		r.log.Error("another process writes to the store, which only this one should: each conversation is looked at before its turn from now on")
	}
}
