package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

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
	if err := d.ops.Put(ctx, o); err != nil {
		return err
	}
	select {
	case err := <-o.done:
		return d.fault(ctx, err)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// write is the goroutine of a writer: it ends when ops is closed and empty.
func (d *database) write() {
	for first := range d.ops.Out() {
		ops := d.ops.Gather(first)
		err := d.commit(ops)
		for _, o := range ops {
			o.done <- cmp.Or(o.err, err)
		}
	}
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
