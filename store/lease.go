package store

import "context"

// Lease is the place of one turn among those of all processes in its conversation. It is for
// the order of turns only, and may pass on while it is used: a turn is stored where its
// conversation has the version that it answers, and nowhere else.
type Lease struct {
	// Wait returns when the turns before this one are over, with the id and the version of the
	// stored conversation; an empty id: there is none. Any error but that of ctx says that the
	// order is not known. nil: no turn of another process was before this one.
	Wait func(ctx context.Context) (id string, version int64, err error)
	// ID and Version are those of the stored conversation when the lease was taken; an empty ID:
	// there was none.
	ID      string
	Version int64
	// End gives the place to the next turn, and waits for nothing. It is called once.
	End func()
}

// Leaser puts the turns of a conversation into one order over all processes that work on a
// store. Stores on which one process works need none.
type Leaser interface {
	// Lease takes the next place in owner's conversation with this key or, where key is
	// empty, with this id, whether it is stored yet or not. One process takes its places in a
	// conversation one after the other, and uses them in this order.
	Lease(ctx context.Context, owner, id, key string) (*Lease, error)
}
