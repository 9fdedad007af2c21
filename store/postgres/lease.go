package postgres

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/dragoman-gateway/dragoman/store"
)

// Bounds of a lease. A process is taken for dead when nothing was heard of it for the six
// seconds that alive names, by the clock of the server; whoever waits looks every lookEvery, so
// that a lease passes on within 10 s.
const (
	beatEvery = 2 * time.Second
	lookEvery = 2 * time.Second
	// lookOften is how often whoever waits looks where no word of the server comes through.
	lookOften = 200 * time.Millisecond
	leaseMost = 5 * time.Second // one call of the server
)

// alive are the processes that hold what they have.
const alive = `SELECT replica FROM dragoman.replicas WHERE seen > clock_timestamp() - interval '6 seconds'`

// lockName lets those who take and give back tickets of one conversation do so one after the
// other. It is a statement of its own: the next one sees what was done before.
const lockName = `SELECT pg_advisory_xact_lock(hashtextextended($1, 7367266))`

// conversation shows the one with the id $3 of the owner $2 or, where $4 is not empty, with
// this key: no row, or one.
const conversation = `SELECT id, version FROM dragoman.conversations WHERE $4::text = '' AND id = $3 AND owner = $2
	UNION ALL SELECT id, version FROM dragoman.conversations WHERE $4::text <> '' AND owner = $2 AND key = $4 AND key <> ''`

// takeTicket makes the newest ticket, and reports whether no other process has one: the
// process itself keeps its own in order.
const takeTicket = `WITH ` + newTicket

const newTicket = `t AS (INSERT INTO dragoman.tickets (name, nonce, replica) VALUES ($1, $5, $6) RETURNING ticket)
	SELECT t.ticket, NOT EXISTS (SELECT FROM dragoman.tickets WHERE name = $1 AND replica <> $6 AND replica IN (` + alive + `)), c.id, c.version
	FROM t LEFT JOIN (` + conversation + `) c ON true`

// retakeTicket removes the tickets of the process as well, whose turns are behind this one:
// each finds that out when it is their turn.
const retakeTicket = `WITH gone AS (DELETE FROM dragoman.tickets WHERE name = $1 AND replica = $6), ` + newTicket

// lookAtTicket reports whether the ticket $5 is there, and no older one of another process.
const lookAtTicket = `SELECT EXISTS (SELECT FROM dragoman.tickets WHERE name = $1 AND ticket = $5 AND nonce = $6),
		NOT EXISTS (SELECT FROM dragoman.tickets WHERE name = $1 AND ticket < $5 AND replica <> $7 AND replica IN (` + alive + `)), c.id, c.version
	FROM (SELECT) t LEFT JOIN (` + conversation + `) c ON true`

// lease is the place of one turn among those of all processes in its conversation.
type lease struct {
	all            *leases
	name           string
	owner, id, key string
	nonce          int64
	ticket         int64
	first          bool // it is its turn, and what is below is of then
	found          string
	version        int64
	woken          chan struct{}
}

// Lease implements [store.Leaser]. A process that was taken for dead may go on beside the
// next one.
func (d *database) Lease(ctx context.Context, owner, id, key string) (*store.Lease, error) {
	if err := d.open(ctx); err != nil {
		return nil, err
	}
	all, err := d.leasing(ctx)
	if err != nil {
		return nil, d.fault(ctx, err)
	}
	l := &lease{all: all, name: nameOf(owner, id, key), owner: text(owner), id: text(id), key: text(key), woken: make(chan struct{}, 1)}
	all.await(l)
	if err := l.take(ctx, takeTicket); err != nil {
		l.end()
		return nil, d.fault(ctx, err)
	}
	made := &store.Lease{ID: l.found, Version: l.version, End: l.end}
	if !l.first {
		made.Wait = l.wait
	}
	return made, nil
}

// nameOf stands for a conversation. It says nothing about it.
func nameOf(owner, id, key string) string {
	h := sha256.New()
	for _, s := range []string{owner, key} {
		h.Write([]byte(s))
		h.Write([]byte{0})
	}
	if key == "" {
		h.Write([]byte(id))
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// take makes the ticket.
func (l *lease) take(ctx context.Context, statement string) error {
	bounded, cancel := context.WithTimeout(ctx, leaseMost)
	defer cancel()
	l.nonce = rand.Int64()
	b := &pgx.Batch{}
	b.Queue(lockName, l.name)
	b.Queue(statement, l.name, l.owner, l.id, l.key, l.nonce, l.all.replica).QueryRow(func(row pgx.Row) error {
		return l.scan(row, &l.ticket)
	})
	return l.all.d.pool.SendBatch(bounded, b).Close()
}

// scan reads an answer, of which more is the first column.
func (l *lease) scan(row pgx.Row, more any) error {
	var id *string
	var version *int64
	if err := row.Scan(more, &l.first, &id, &version); err != nil {
		return err
	}
	l.found, l.version = "", 0
	if id != nil && version != nil {
		l.found, l.version = plain(*id), *version
	}
	return nil
}

// wait is Wait of a [store.Lease].
func (l *lease) wait(ctx context.Context) (id string, version int64, err error) {
	for {
		if err := l.look(ctx); err != nil {
			return "", 0, l.all.d.fault(ctx, err)
		}
		if l.first {
			return l.found, l.version, nil
		}
		pause := time.NewTimer(l.all.pause())
		select {
		case <-l.woken:
		case <-pause.C:
		case <-ctx.Done():
		case <-l.all.stop.Done():
		}
		pause.Stop()
		if err := cmp.Or(ctx.Err(), l.all.stop.Err()); err != nil {
			return "", 0, err
		}
	}
}

// look asks whether it is the lease's turn. A ticket that is gone, since the server forgot it
// or took this process for dead, is taken anew.
func (l *lease) look(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(ctx, leaseMost)
	defer cancel()
	var there bool
	row := l.all.d.pool.QueryRow(bounded, lookAtTicket, l.name, l.owner, l.id, l.key, l.ticket, l.nonce, l.all.replica)
	if err := l.scan(row, &there); err != nil || there {
		return err
	}
	return l.take(ctx, retakeTicket)
}

// end is End of a [store.Lease].
func (l *lease) end() { l.all.giveBack(l) }
