package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/dragoman-gateway/dragoman/store/backend"
)

// batch is how many changes one transaction holds at most: they share one round trip and
// one commit.
const batch = 64

// op is one change on its way to a writer: one statement, which may be made twice.
type op struct {
	ctx   context.Context
	query string
	args  []any
	// rank and key order the changes of a batch, so that no two batches wait for each
	// other's rows: those of owners come first.
	rank int
	key  string
	read func(pgx.Rows) error // gets the answer, again where the statement is made again
	err  error                // what read returned
	done chan error           // one result, after the commit
}

// hand gives o to a writer and waits until it is committed.
func (d *database) hand(ctx context.Context, o *op) error {
	o.ctx, o.done = ctx, make(chan error, 1)
	if err := d.enqueue(o); err != nil {
		return err
	}
	select {
	case err := <-o.done:
		return d.fault(ctx, err)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// enqueue holds the lock while it waits for room; the writers take on regardless, so Close
// waits for it no longer than for one batch.
func (d *database) enqueue(o *op) error {
	if err := o.ctx.Err(); err != nil {
		return err
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.closed {
		return backend.ErrClosed
	}
	select {
	case d.ops <- o:
		return nil
	case <-o.ctx.Done():
		return o.ctx.Err()
	}
}

// write is the goroutine of a writer: it ends when ops is closed and empty.
func (d *database) write() {
	for first := range d.ops {
		ops := d.gather(first)
		err := d.commit(ops)
		for _, o := range ops {
			o.done <- cmp.Or(o.err, err)
		}
	}
}

// gather returns first and what else waits already. Before it gives up it lets others run
// once: the callers of the batch before have only just been told.
func (d *database) gather(first *op) []*op {
	ops := append(make([]*op, 0, batch), first)
	yielded := false
	for len(ops) < batch {
		select {
		case o, ok := <-d.ops:
			if !ok {
				return ops
			}
			ops = append(ops, o)
		default:
			if yielded {
				return ops
			}
			runtime.Gosched()
			yielded = true
		}
	}
	return ops
}

// commit makes all changes of ops in one transaction; where the server refuses it each in
// one of its own. What it returns befell all of them; the failure of one is in its op.
func (d *database) commit(ops []*op) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic in a writer: %v", r)
		}
	}()
	live := make([]*op, 0, len(ops))
	for _, o := range ops {
		if o.err = o.ctx.Err(); o.err == nil {
			live = append(live, o)
		}
	}
	if len(live) == 0 {
		return nil
	}
	slices.SortStableFunc(live, func(a, b *op) int { return cmp.Or(a.rank-b.rank, cmp.Compare(a.key, b.key)) })
	err = d.send(live)
	var refused *pgconn.PgError
	if !errors.As(err, &refused) || away(refused) {
		return err
	}
	for i, o := range live {
		for range collisions {
			if o.err = d.send(live[i : i+1]); !collided(o.err) {
				break
			}
		}
	}
	return nil
}

// send makes the changes in one transaction and one round trip. An op may be sent again: it
// finds that it was made.
func (d *database) send(ops []*op) error {
	return d.again(context.Background(), func(ctx context.Context) error {
		b := &pgx.Batch{}
		for _, o := range ops {
			b.Queue(o.query, o.args...)
		}
		results := d.pool.SendBatch(ctx, b)
		for _, o := range ops {
			rows, err := results.Query()
			if err == nil {
				o.err = o.read(rows)
				rows.Close()
				err = rows.Err()
			}
			if err != nil {
				return errors.Join(err, results.Close())
			}
		}
		return results.Close()
	})
}
