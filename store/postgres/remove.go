package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/dragoman-gateway/dragoman/store"
)

// The row of an owner is locked before those of its conversations, as where one is made.
const lockOwner = `SELECT FROM dragoman.owners WHERE owner = $1 FOR UPDATE`

// expireAtOnce is after how many messages Expire takes no further conversation, so that
// those who write wait for no longer than a moment.
const expireAtOnce = 2000

// removeMost is how long the server may take to remove all conversations of an owner.
const removeMost = `SET LOCAL statement_timeout = '10min'`

// Delete implements [store.Store].
func (d *database) Delete(ctx context.Context, owner, id string) error {
	if id == "" {
		return d.deleteAll(ctx, owner)
	}
	return d.change(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var cid int64
		b := &pgx.Batch{}
		b.Queue(lockOwner, text(owner))
		b.Queue(`SELECT cid FROM dragoman.conversations WHERE id = $1 AND owner = $2 FOR UPDATE`, text(id), text(owner)).
			QueryRow(func(row pgx.Row) error { return row.Scan(&cid) })
		if err := tx.SendBatch(ctx, b).Close(); err != nil {
			return err
		}
		return drop(ctx, tx, owner, []int64{cid})
	})
}

// drop removes conversations of an owner, whose rows are locked.
func drop(ctx context.Context, tx pgx.Tx, owner string, cids []int64) error {
	b := &pgx.Batch{}
	b.Queue(`DELETE FROM dragoman.messages WHERE conv = ANY ($1)`, cids)
	b.Queue(`DELETE FROM dragoman.conversations WHERE cid = ANY ($1)`, cids)
	b.Queue(`UPDATE dragoman.owners SET live = live - $2::bigint WHERE owner = $1`, text(owner), int64(len(cids)))
	return tx.SendBatch(ctx, b).Close()
}

func (d *database) deleteAll(ctx context.Context, owner string) error {
	if err := d.open(ctx); err != nil {
		return err
	}
	var err error
	for range collisions {
		err = pgx.BeginFunc(ctx, d.pool, func(tx pgx.Tx) error {
			b := &pgx.Batch{}
			b.Queue(removeMost)
			b.Queue(lockOwner, text(owner))
			b.Queue(`SELECT count(*) FROM (SELECT FROM dragoman.conversations WHERE owner = $1 ORDER BY id FOR UPDATE) locked`, text(owner))
			b.Queue(`DELETE FROM dragoman.messages WHERE conv IN (SELECT cid FROM dragoman.conversations WHERE owner = $1)`, text(owner))
			b.Queue(`DELETE FROM dragoman.conversations WHERE owner = $1`, text(owner))
			b.Queue(`UPDATE dragoman.owners SET live = 0 WHERE owner = $1`, text(owner))
			return tx.SendBatch(ctx, b).Close()
		})
		if !collided(err) {
			break
		}
	}
	return d.fault(ctx, err)
}

// Stale implements [store.Expirer]. An owner without any costs one look into an index.
func (d *database) Stale(ctx context.Context, before int64, after string, limit int) (found []store.Owned, err error) {
	begin := func() { found = nil }
	err = d.all(ctx, begin, func(rows pgx.Rows) error {
		var o store.Owned
		err := rows.Scan(&o.Owner, &o.ID)
		plains(&o.Owner, &o.ID)
		found = append(found, o)
		return err
	}, `SELECT o.owner, c.id FROM dragoman.owners o CROSS JOIN LATERAL (
			SELECT id FROM dragoman.conversations WHERE owner = o.owner AND updated < $1 ORDER BY updated, id DESC LIMIT $3::bigint
		) c WHERE o.owner > $2 AND o.live > 0 ORDER BY o.owner LIMIT $3::bigint`, d.clock.at(before), text(after), int64(limit))
	return found, err
}

// Expire implements [store.Expirer].
func (d *database) Expire(ctx context.Context, owner string, ids []string, before int64) (gone []string, err error) {
	kept := make([]string, len(ids))
	for i, id := range ids {
		kept[i] = text(id)
	}
	err = d.change(ctx, func(ctx context.Context, tx pgx.Tx) error {
		gone = nil
		if _, err := tx.Exec(ctx, lockOwner, text(owner)); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `SELECT cid, id, count FROM dragoman.conversations
			WHERE owner = $1 AND id = ANY ($2::text[]) AND updated < $3 ORDER BY id FOR UPDATE`, text(owner), kept, d.clock.at(before))
		if err != nil {
			return err
		}
		var cids []int64
		messages := int64(0)
		err = each(rows, func(rows pgx.Rows) error {
			var cid, count int64
			var id string
			if err := rows.Scan(&cid, &id, &count); err != nil || messages >= expireAtOnce {
				return err
			}
			cids, gone, messages = append(cids, cid), append(gone, plain(id)), messages+count+1
			return nil
		})
		if err != nil || len(cids) == 0 {
			return err
		}
		return drop(ctx, tx, owner, cids)
	})
	if err != nil {
		return nil, err
	}
	return gone, nil
}
