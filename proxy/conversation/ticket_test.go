package conversation

import (
	"context"
	"sync"
	"testing"

	"github.com/dragoman-gateway/dragoman/store"
)

// noLeases gives none.
type noLeases struct{ store.Leaser }

func (noLeases) Lease(context.Context, string, string, string) (*store.Lease, error) {
	return nil, store.ErrNotFound
}

// A turn ends while the next one looks at its ticket; the race detector looks on.
func TestATicketIsLookedAtWhileItsTurnEnds(t *testing.T) {
	t.Parallel()
	first := &ticket{asked: make(chan struct{})}
	first.close()
	next := &Turn{registry: &Registry{leases: noLeases{}}, thread: &Thread{}, ticket: &ticket{before: first, asked: make(chan struct{})}}
	var both sync.WaitGroup
	both.Go(first.end)
	both.Go(func() { next.take(t.Context()) })
	both.Wait()
	if next.ticket.passed || first.passed {
		t.Error("a ticket that was asked for was not")
	}
}
