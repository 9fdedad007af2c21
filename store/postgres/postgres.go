// Package postgres keeps conversations in a PostgreSQL, on which any number of processes
// work at once.
package postgres

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/store/backend"
)

const form = "postgres://USER:PASSWORD@HOST:PORT/DATABASE"

// Postgres and PostgreSQL are the kinds of store that are here: one, by its two names.
var (
	Postgres   = store.Kind{Scheme: "postgres", Form: form, Check: check, Open: Open}
	PostgreSQL = store.Kind{Scheme: "postgresql", Check: check, Open: Open}
)

// Bounds of what is waited for.
const (
	callMost   = 40 * time.Second // one call of the server, which itself ends a statement after statementMost
	patience   = 5 * time.Second  // a server that cannot be reached
	againFirst = 20 * time.Millisecond
	againMost  = 500 * time.Millisecond
)

// writers is how many turns, or batches of them, are written at once.
const writers = 4

// database is a store in one database of a server.
type database struct {
	pool   *pgxpool.Pool
	ops    *backend.Queue[*op]
	pooled bool // a pooler stands before the server

	clock clock
	calls atomic.Int64 // of Reserve

	done sync.WaitGroup
	once sync.Once

	log     *slog.Logger // nil: it says nothing
	leaseMu sync.Mutex
	leases  *leases // nil: none was taken
}

// Close implements [store.Store]: what was handed to the writers is still written.
func (d *database) Close() error {
	d.once.Do(func() {
		d.ops.Close()
		d.done.Wait()
		d.leaseMu.Lock()
		defer d.leaseMu.Unlock()
		if d.leases != nil {
			d.leases.close()
		}
		d.pool.Close()
	})
	return nil
}

// open reports why the store may not be used.
func (d *database) open(ctx context.Context) error { return d.ops.Open(ctx) }

// read does a thing that may be done twice. While the server cannot be reached it is tried
// again for as long as patience.
func (d *database) read(ctx context.Context, do func(context.Context) error) error {
	if err := d.open(ctx); err != nil {
		return err
	}
	return d.fault(ctx, d.again(ctx, do))
}

// again calls do until it meets a server.
func (d *database) again(ctx context.Context, do func(context.Context) error) error {
	until, wait := time.Now().Add(patience), againFirst
	for {
		bounded, cancel := context.WithTimeout(ctx, callMost)
		err := do(bounded)
		cancel()
		if err == nil || !lost(err) || ctx.Err() != nil {
			return err
		}
		d.pool.Reset() // the other connections lead to where this one did
		if time.Now().Add(wait).After(until) {
			return err
		}
		pause := time.NewTimer(wait)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return err
		}
		wait = min(2*wait, againMost)
	}
}

// change does a thing as one transaction, which is begun again where it met another one in
// a way that only the server sees. It is not done twice where it may have been done.
func (d *database) change(ctx context.Context, do func(context.Context, pgx.Tx) error) error {
	if err := d.open(ctx); err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, callMost)
	defer cancel()
	var err error
	for range collisions {
		err = pgx.BeginFunc(bounded, d.pool, func(tx pgx.Tx) error { return do(bounded, tx) })
		if !collided(err) {
			break
		}
	}
	if lost(err) {
		d.pool.Reset()
	}
	return d.fault(ctx, err)
}

// collisions is how often a transaction is tried that the server ends because of another
// one.
const collisions = 5

// one reads the row of a query into to; no row is store.ErrNotFound.
func (d *database) one(ctx context.Context, to []any, query string, args ...any) error {
	return d.read(ctx, func(ctx context.Context) error { return d.pool.QueryRow(ctx, query, args...).Scan(to...) })
}

// all calls scan for each row of a query; begin is called before the first, and again where
// the query is made again.
func (d *database) all(ctx context.Context, begin func(), scan func(pgx.Rows) error, query string, args ...any) error {
	return d.read(ctx, func(ctx context.Context) error {
		begin()
		rows, err := d.pool.Query(ctx, query, args...)
		if err != nil {
			return err
		}
		return each(rows, scan)
	})
}

// each calls scan for each of rows, and closes them.
func each(rows pgx.Rows, scan func(pgx.Rows) error) error {
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// exec changes rows; none is store.ErrNotFound.
func (d *database) exec(ctx context.Context, query string, args ...any) error {
	return d.change(ctx, func(ctx context.Context, tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, query, args...)
		if err == nil && tag.RowsAffected() == 0 {
			return store.ErrNotFound
		}
		return err
	})
}

var errForeign = errors.New("the schema dragoman of the database belongs to another program")
