package proxy

import (
	"context"
	"errors"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dragoman-gateway/dragoman/internal/ids"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Identity says which conversation of its owner a question belongs to.
type Identity struct {
	// Find is how the conversation is looked for. Its zero value finds none.
	Find store.Ref
	// Else is tried when Find finds nothing.
	Else store.Ref
	// Make is what a new conversation is called; nil: there must be one already.
	Make *store.Conversation
}

// Thread is one conversation while it is in use: the place in its queue, and
// what is known of it. Turns of one thread run one after the other, in the order
// in which they were enqueued.
type Thread struct {
	id    string
	owner string
	key   threadKey // under which it is also found; zero: none
	// made is what the conversation is created as with its first turn, or as it is
	// stored, with as many of its messages as the last turn needed. Only the holder of
	// the turn uses it.
	made *store.Conversation
	// kept is a conversation that is not stored anywhere, if unkept.
	kept   unstored
	unkept bool
	ended  bool // of what is unkept: nobody asks in it any more; the registry's lock guards it
	// known says that made is what the store said of the conversation as it was after
	// knownAt cuts; its messages weigh weight. Only the holder of the turn uses them.
	known   bool
	knownAt uint64
	weight  int
	asked   asked
	quieter quieter
	// cut counts the deletions and clears of the conversation while it was in use.
	// What was asked before the latest of them is not stored. It is guarded by the
	// registry's lock.
	cut uint64

	lengths lengths

	refs  int             // turns that hold or wait
	queue []chan struct{} // those that wait, oldest first
	busy  bool

	rests        bool // it is among those that are kept while nobody uses them
	newer, older *Thread
	charged      int // bytes that it is counted with in the registry; its lock guards it
}

// threadKey is a conversation's key or number with its owner, whose keys and
// numbers are its own.
type threadKey struct {
	owner, key string
	num        int64
}

// threads is the registry of the conversations in use. It is safe for
// concurrent use.
type threads struct {
	mu    sync.Mutex
	byID  map[string]*Thread
	byKey map[threadKey]*Thread
	rest  resting
	held  int    // bytes of all of them, and of those that are not stored
	loose int    // of these, of those that are not stored
	left  uint64 // how many were given up since the beginning
	// leftAt is left when the latest thread of each shard was given up.
	leftAt [256]uint64
	seed   maphash.Seed
	// gates part deletions and clears of an owner's conversations, which hold one
	// for writing, from look-ups and stores of turns, which hold it for reading. So
	// each of those is before or after the other as a whole.
	gates [64]sync.RWMutex
}

func newThreads() *threads {
	return &threads{byID: make(map[string]*Thread), byKey: make(map[threadKey]*Thread), seed: maphash.MakeSeed()}
}

func (r *threads) shard(s string) uint64 { return maphash.String(r.seed, s) }

// gate is the one of owner's conversations.
func (r *threads) gate(owner string) *sync.RWMutex {
	return &r.gates[r.shard(owner)%uint64(len(r.gates))]
}

// Turn is a place in the queue of a conversation. It must be given back with
// Done exactly once, whether or not Wait was called or succeeded.
type Turn struct {
	thread *Thread
	all    *threads
	ready  chan struct{} // nil: it is our turn already
	cut    uint64        // the thread's when it was asked
	listed bool          // its question is stored already, as the newest message
	begun  int           // bytes that it was stored with, if it began its conversation
	holds  atomic.Int32  // calls of Done that only end a Hold
}

// Hold keeps the place beyond its exchange: Done must be called once more.
func (u *Turn) Hold() { u.holds.Add(1) }

// enqueue takes the next place of t, which join has counted already.
func (r *threads) enqueue(t *Thread) *Turn {
	turn := &Turn{thread: t, all: r, cut: t.cut}
	if t.busy {
		turn.ready = make(chan struct{})
		t.queue = append(t.queue, turn.ready)
	}
	t.busy = true
	return turn
}

// Wait returns when the turns before this one are over, or ctx has ended.
func (u *Turn) Wait(ctx context.Context) error {
	if u.ready == nil {
		return nil
	}
	select {
	case <-u.ready:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Done gives the place back and lets the next turn run.
func (u *Turn) Done() {
	if u.holds.Add(-1) >= 0 {
		return
	}
	r, t := u.all, u.thread
	r.mu.Lock()
	defer r.mu.Unlock()
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
		if !r.lay(t) {
			r.forget(t)
		}
	}
}

// forget makes that t is not found any more.
func (r *threads) forget(t *Thread) {
	r.rest.remove(t)
	if t.refs == 0 && !t.unkept {
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

// live returns a place in the thread that is in use or kept under key, or kept under
// owner's id, else nil and how many threads have been given up so far. rested tells
// that nobody used it: what it knows may not be so any more, and the place is the
// first one.
func (r *threads) live(key threadKey, owner, id string) (turn *Turn, rested bool, left uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var t *Thread
	if key != (threadKey{}) {
		t = r.byKey[key]
	} else if kept := r.byID[id]; kept != nil && kept.rests && kept.owner == owner {
		t = kept
	}
	if t == nil {
		return nil, false, r.left
	}
	rested = t.rests
	return r.enter(t), rested, r.left
}

// enter takes the next place of t.
func (r *threads) enter(t *Thread) *Turn {
	r.rest.remove(t)
	if t.refs++; t.refs == 1 && t.charged == 0 {
		r.charge(t)
	}
	return r.enqueue(t)
}

// joinNew is join for a conversation that was not in the store. It returns nil when
// threads were given up since left was read: one of them may have stored it.
func (r *threads) joinNew(t *Thread, left uint64) *Turn {
	r.mu.Lock()
	defer r.mu.Unlock()
	if t.key != (threadKey{}) && r.left != left && r.byID[t.id] == nil && r.byKey[t.key] == nil {
		return nil
	}
	return r.joinLocked(t)
}

// join returns a place in t, which was looked up when left threads had been given
// up, or in the thread that is in use under the same id or key.
func (r *threads) join(t *Thread, left uint64) *Turn {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.leftAt[r.shard(t.id)%uint64(len(r.leftAt))] > left {
		t.known = false // somebody may have added to it since
	}
	return r.joinLocked(t)
}

func (r *threads) joinLocked(t *Thread) *Turn {
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

// Enqueue finds or prepares the conversation that id names for c and takes a
// place in its queue. Questions that are enqueued one after the other are
// answered in that order. The error is a *translate.Error: there is no such
// conversation and none may be made, or the store failed.
func (g *Gateway) Enqueue(ctx context.Context, c *Caller, id Identity) (*Turn, error) {
	var key threadKey
	switch {
	case id.Find.Key != "":
		key = threadKey{owner: c.Name, key: id.Find.Key}
	case id.Find.ID == "" && id.Find.Num > 0:
		key = threadKey{owner: c.Name, num: id.Find.Num}
	}
	gate := g.threads.gate(c.Name)
	gate.RLock()
	defer gate.RUnlock()
	for {
		turn, rested, left := g.threads.live(key, c.Name, id.Find.ID)
		if turn != nil {
			there, err := g.recall(ctx, c, turn, rested)
			if err != nil {
				return nil, err
			}
			if there {
				return turn, nil
			}
			continue
		}
		conv, err := g.find(ctx, c, id)
		if err != nil && ctx.Err() != nil {
			return nil, translate.Gone(context.Cause(ctx))
		}
		if err != nil {
			return nil, err
		}
		if conv != nil {
			t := &Thread{id: conv.ID, owner: c.Name, key: key, made: conv, known: true, weight: weigh(conv.Messages)}
			t.lengths.of(conv.Messages, conv.Head, conv.Skipped, 0)
			if g.estimates(c) {
				t.lengths.guess()
			}
			return g.threads.join(t, left), nil
		}
		if id.Make == nil {
			return nil, &translate.Error{Code: translate.CodeConversation, Message: "no such conversation"}
		}
		made := *id.Make
		made.Owner = c.Name
		if made.ID == "" {
			made.ID = ids.New("conv_")
		}
		t := &Thread{id: made.ID, owner: c.Name, key: key, made: &made, weight: weigh(made.Messages)}
		t.lengths.of(sent(made.Messages), 0, 0, 0)
		if turn := g.threads.joinNew(t, left); turn != nil {
			return turn, nil
		}
	}
}

// lookAgain is how long a conversation that nobody used is believed to be as it was,
// where no other process works on the store.
const lookAgain = time.Minute

// recall makes sure that what is known of a conversation that nobody used still is
// what the store says: another process may share it. It reports whether the
// conversation is there; if not, or with an error, the place is given back.
func (g *Gateway) recall(ctx context.Context, c *Caller, u *Turn, rested bool) (there bool, err error) {
	t := u.thread
	if rested && (!g.sole.Load() || time.Since(time.UnixMilli(t.made.Updated)) >= lookAgain) {
		version, err := g.store.Version(ctx, t.owner, t.id)
		switch {
		case errors.Is(err, store.ErrNotFound):
			t.known = false // who came behind us is to find it out too
			g.threads.lose(t)
			u.Done()
			return false, nil
		case err != nil:
			u.Done()
			return false, lost(ctx, err)
		}
		if version != t.made.Version {
			t.known = false
			g.threads.unmeasure(t)
		}
	}
	if t.unkept || !g.estimates(c) || u.sized() {
		return true, nil
	}
	conv, err := g.store.Load(ctx, t.owner, store.Ref{ID: t.id}, store.Window{Messages: firstLook, Bytes: restingMost, View: store.ViewSent})
	switch {
	case err == nil:
		g.threads.measure(t, conv)
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

// estimates reports whether what c asks is weighed before it is asked.
func (g *Gateway) estimates(c *Caller) bool {
	return c.CountsTokens() || g.plan.Load().budgets[c.Limits] != nil
}

// Unstored takes the next place of a conversation that lives only in memory, as
// long as kept, whose zero value is a new one, is kept by its front. The front must call
// [Gateway.Leave] in the end.
func (g *Gateway) Unstored(kept *Thread) *Turn {
	kept.unkept = true
	if kept.id == "" {
		kept.id = ids.New("tmp_")
	}
	return g.threads.join(kept, 0)
}

// Leave ends a conversation that was not stored.
func (g *Gateway) Leave(kept *Thread) {
	r := g.threads
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held -= kept.charged
	r.loose -= kept.charged
	kept.charged, kept.ended = 0, true
}

// firstLook is how many messages a look-up reads: all of most conversations, which
// need no second read when their turn has come, and few enough for a caller who may
// still be refused.
const firstLook = 64

func (g *Gateway) find(ctx context.Context, c *Caller, id Identity) (*store.Conversation, error) {
	for _, ref := range [...]store.Ref{id.Find, id.Else} {
		if ref == (store.Ref{}) {
			continue
		}
		look := store.Window{Messages: firstLook, Bytes: restingMost, View: store.ViewSent}
		conv, err := g.store.Load(ctx, c.Name, ref, look)
		if err == nil {
			return conv, nil
		}
		if !errors.Is(err, store.ErrNotFound) {
			return nil, store.Failed(err)
		}
	}
	return nil, nil
}
