package backend

import (
	"context"
	"runtime"
	"sync"
)

// Batch is how many changes one transaction holds at most: they share one commit. As many
// callers that write all the time fill it.
const Batch = 64

// Queue holds the changes on their way to the writers of a store, and knows whether it is
// closed. It is safe for concurrent use.
type Queue[T any] struct {
	mu     sync.RWMutex // held for reading while a change is put in
	closed bool
	in     chan T
}

// NewQueue returns a Queue with room for four batches. It must be closed.
func NewQueue[T any]() *Queue[T] { return &Queue[T]{in: make(chan T, 4*Batch)} }

// Open returns the error of ctx, or [ErrClosed] after Close, else nil.
func (q *Queue[T]) Open(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	q.mu.RLock()
	defer q.mu.RUnlock()
	if q.closed {
		return ErrClosed
	}
	return nil
}

// Put adds one, or returns what Open would. It holds the lock while it waits for room; the
// writers take on regardless, so Close waits for it no longer than for one batch.
func (q *Queue[T]) Put(ctx context.Context, one T) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	q.mu.RLock()
	defer q.mu.RUnlock()
	if q.closed {
		return ErrClosed
	}
	select {
	case q.in <- one:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Out brings what was put in, and is closed after Close when all of it was taken.
func (q *Queue[T]) Out() <-chan T { return q.in }

// Gather returns first and what else waits already, at most a Batch. Before it gives up it
// lets others run once: the callers of the batch before have only just been told, and on few
// cores none of them would have come back yet (64 callers, 2 cores: 1,000 turns/s without it).
func (q *Queue[T]) Gather(first T) []T {
	all := append(make([]T, 0, Batch), first)
	yielded := false
	for len(all) < Batch {
		select {
		case one, ok := <-q.in:
			if !ok {
				return all
			}
			all = append(all, one)
		default:
			if yielded {
				return all
			}
			runtime.Gosched()
			yielded = true
		}
	}
	return all
}

// Close lets nothing more in. It is called once.
func (q *Queue[T]) Close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	close(q.in)
}
