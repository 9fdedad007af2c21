package proxy

import (
	"context"
	"errors"
	"math"
	"sync"
	"sync/atomic"

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
	// made is what the conversation is created as with its first turn; nil once
	// it is stored. Only the holder of the turn uses it.
	made *store.Conversation
	// kept holds the messages of a thread that is not stored anywhere else.
	kept   []store.Message
	unkept bool

	// sizes are the bytes of text of each stored message, oldest first, as far as
	// they are known: of a conversation whose owner has limits of tokens.
	sizes []int32

	refs  int             // turns that hold or wait
	queue []chan struct{} // those that wait, oldest first
	busy  bool
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
	left  uint64 // how many were given up since the beginning
}

func newThreads() *threads {
	return &threads{byID: make(map[string]*Thread), byKey: make(map[threadKey]*Thread)}
}

// Turn is a place in the queue of a conversation. It must be given back with
// Done exactly once, whether or not Wait was called or succeeded.
type Turn struct {
	thread *Thread
	all    *threads
	ready  chan struct{} // nil: it is our turn already
	holds  atomic.Int32  // calls of Done that only end a Hold
}

// Hold keeps the place beyond its exchange: Done must be called once more.
func (u *Turn) Hold() { u.holds.Add(1) }

// enqueue takes the next place of t, which join has counted already.
func (r *threads) enqueue(t *Thread) *Turn {
	turn := &Turn{thread: t, all: r}
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
		delete(r.byID, t.id)
		if r.byKey[t.key] == t {
			delete(r.byKey, t.key)
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

// live returns a place in the thread that is in use under key, or nil and how many
// threads have been given up so far.
func (r *threads) live(key threadKey) (*Turn, uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.byKey[key]
	if t == nil || key == (threadKey{}) {
		return nil, r.left
	}
	t.refs++
	return r.enqueue(t), r.left
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

// join returns a place in t, or in the thread that is in use under the same id
// or key.
func (r *threads) join(t *Thread) *Turn {
	r.mu.Lock()
	defer r.mu.Unlock()
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
	t.refs++
	return r.enqueue(t)
}

// textBytes is how much text the newest messages of the conversation hold, as far
// as that is known: so many messages, or all of them if last is negative.
func (u *Turn) textBytes(last int) (n int) {
	u.all.mu.Lock()
	defer u.all.mu.Unlock()
	sizes := u.thread.sizes
	if last >= 0 && last < len(sizes) {
		sizes = sizes[len(sizes)-last:]
	}
	for _, size := range sizes {
		n += int(size)
	}
	return n
}

func sizesOf(messages []store.Message) []int32 {
	sizes := make([]int32, len(messages))
	for i := range messages {
		sizes[i] = int32(min(textBytes([]translate.Message{messages[i].Message}), math.MaxInt32))
	}
	return sizes
}

// resize notes that t holds messages.
func (r *threads) resize(t *Thread, messages []store.Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t.sizes = sizesOf(messages)
}

// grow notes what turn did to the length of t.
func (r *threads) grow(t *Thread, turn *store.Turn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	left := max(0, len(t.sizes)-turn.Replace)
	t.sizes = append(t.sizes[:left:left], sizesOf(turn.Messages)...)
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
	for {
		turn, left := g.threads.live(key)
		if turn != nil {
			return turn, nil
		}
		conv, err := g.find(ctx, c, id)
		if err != nil && ctx.Err() != nil {
			return nil, gone(ctx)
		}
		if err != nil {
			return nil, err
		}
		if conv != nil {
			return g.threads.join(&Thread{id: conv.ID, owner: c.Name, key: key, made: conv, sizes: sizesOf(conv.Messages)}), nil
		}
		if id.Make == nil {
			return nil, &translate.Error{Code: translate.CodeConversation, Message: "no such conversation"}
		}
		made := *id.Make
		made.Owner = c.Name
		if made.ID == "" {
			made.ID = NewID("conv_")
		}
		if turn := g.threads.joinNew(&Thread{id: made.ID, owner: c.Name, key: key, made: &made, sizes: sizesOf(made.Messages)}, left); turn != nil {
			return turn, nil
		}
	}
}

// Unstored takes the next place of a conversation that lives only in memory, as
// long as kept, whose zero value is a new one, is kept by its front.
func (g *Gateway) Unstored(kept *Thread) *Turn {
	kept.unkept = true
	if kept.id == "" {
		kept.id = NewID("tmp_")
	}
	return g.threads.join(kept)
}

func (g *Gateway) find(ctx context.Context, c *Caller, id Identity) (*store.Conversation, error) {
	for _, ref := range [...]store.Ref{id.Find, id.Else} {
		if ref == (store.Ref{}) {
			continue
		}
		last := 1
		if c.countsTokens() {
			last = 0 // the estimate of what the question needs counts them all
		}
		conv, err := g.store.Load(ctx, c.Name, ref, last)
		if err == nil {
			return conv, nil
		}
		if !errors.Is(err, store.ErrNotFound) {
			return nil, storeFailed(err)
		}
	}
	return nil, nil
}

func storeFailed(err error) *translate.Error {
	var known *translate.Error
	if errors.As(err, &known) {
		return known
	}
	return &translate.Error{Code: translate.CodeInternal, Message: "the conversation store failed", Cause: err}
}

// history returns the messages before the newest one.
func (g *Gateway) history(ctx context.Context, t *Thread) ([]store.Message, error) {
	if t.unkept {
		return t.kept, nil
	}
	if t.made.Created == 0 {
		return t.made.Messages, nil
	}
	conv, err := g.store.Load(ctx, t.owner, store.Ref{ID: t.id}, 0)
	if errors.Is(err, store.ErrNotFound) {
		// Deleted while this turn waited: it begins a conversation under the number
		// and the key that its client knows. Its id is a new one, since whoever
		// deleted the old one must not find that alive.
		fresh := *t.made
		fresh.ID, fresh.Created, fresh.Messages = NewID("conv_"), 0, nil
		t.made = &fresh
		g.threads.rename(t, fresh.ID)
		return nil, nil
	}
	if err != nil {
		return nil, storeFailed(err)
	}
	t.made = conv
	return conv.Messages, nil
}

// keep stores a turn that ended.
func (g *Gateway) keep(ctx context.Context, t *Thread, turn store.Turn) error {
	if t.unkept {
		t.kept = newest(append(t.kept[:max(0, len(t.kept)-turn.Replace):len(t.kept)], turn.Messages...))
		g.threads.resize(t, t.kept)
		return nil
	}
	grown := turn
	if t.made.Created == 0 {
		turn.Messages = append(t.made.Messages[:len(t.made.Messages):len(t.made.Messages)], turn.Messages...)
	}
	err := g.store.Append(ctx, t.made, turn)
	if errors.Is(err, store.ErrNotFound) {
		// Its owner deleted it while the answer was on its way.
		return nil
	}
	if err != nil {
		return storeFailed(err)
	}
	g.threads.grow(t, &grown)
	return nil
}

// ID returns the id of the turn's conversation. It is that of a new one from the
// moment on at which the turn comes up and finds the old one deleted.
func (u *Turn) ID() string {
	u.all.mu.Lock()
	defer u.all.mu.Unlock()
	return u.thread.id
}

// rename gives t another id, under which it is found from now on.
func (r *threads) rename(t *Thread, id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.byID, t.id)
	t.id = id
	r.byID[id] = t
}
