package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/dragoman-gateway/dragoman/store"
)

const keyColumns = `id, hash, name, grp, models, limits, created, expires`

// AddKey implements [store.Keyer].
func (d *database) AddKey(ctx context.Context, k *store.Key) error {
	if err := k.Check(); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	args, err := keyArgs(k)
	if err != nil {
		return err
	}
	err = d.exec(ctx, insertKey+` ON CONFLICT DO NOTHING`, args...)
	if errors.Is(err, store.ErrNotFound) {
		return store.ErrExists
	}
	return err
}

const insertKey = `INSERT INTO dragoman.keys (` + keyColumns + `) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`

func keyArgs(k *store.Key) ([]any, error) {
	names := make([]string, len(k.Models))
	for i, m := range k.Models {
		names[i] = text(m)
	}
	models, err := json.Marshal(names)
	if err != nil {
		return nil, err
	}
	hash := k.Hash
	return []any{text(k.ID), hash[:], text(k.Name), text(k.Group), string(models), text(k.Limits), k.Created, k.Expires}, nil
}

// KeyByHash implements [store.Keyer].
func (d *database) KeyByHash(ctx context.Context, hash [32]byte) (*store.Key, error) {
	return d.key(ctx, `hash = $1`, hash[:])
}

// KeyByID implements [store.Keyer].
func (d *database) KeyByID(ctx context.Context, id string) (*store.Key, error) {
	return d.key(ctx, `id = $1`, text(id))
}

func (d *database) key(ctx context.Context, where string, arg any) (k *store.Key, err error) {
	err = d.read(ctx, func(ctx context.Context) error {
		k, err = scanKey(d.pool.QueryRow(ctx, `SELECT `+keyColumns+` FROM dragoman.keys WHERE `+where, arg))
		return err
	})
	if err != nil {
		return nil, err
	}
	return k, nil
}

func scanKey(row pgx.Row) (*store.Key, error) {
	k, hash, models := &store.Key{}, []byte(nil), ""
	if err := row.Scan(&k.ID, &hash, &k.Name, &k.Group, &models, &k.Limits, &k.Created, &k.Expires); err != nil {
		return nil, err
	}
	if len(hash) != len(k.Hash) {
		return nil, errors.New("the hash of a stored key has another length")
	}
	copy(k.Hash[:], hash)
	if err := json.Unmarshal([]byte(models), &k.Models); err != nil {
		return nil, fmt.Errorf("a stored key cannot be read: %w", err)
	}
	for i := range k.Models {
		plains(&k.Models[i])
	}
	if len(k.Models) == 0 {
		k.Models = nil
	}
	plains(&k.ID, &k.Name, &k.Group, &k.Limits)
	return k, k.Check()
}

// Keys implements [store.Keyer].
func (d *database) Keys(ctx context.Context) (keys []store.Key, err error) {
	begin := func() { keys = nil }
	err = d.all(ctx, begin, func(rows pgx.Rows) error {
		k, err := scanKey(rows)
		if err == nil {
			keys = append(keys, *k)
		}
		return err
	}, `SELECT `+keyColumns+` FROM dragoman.keys ORDER BY created, id`)
	return keys, err
}

// RevokeKey implements [store.Keyer].
func (d *database) RevokeKey(ctx context.Context, id string) error {
	return d.exec(ctx, `DELETE FROM dragoman.keys WHERE id = $1`, text(id))
}

// lockRoom lets those who ask for room of one owner do so one after the other.
const lockRoom = `SELECT pg_advisory_xact_lock(hashtextextended($1, 7306086))`

// Share implements [store.Sharer].
func (d *database) Share(ctx context.Context, v *store.Share) error {
	if err := d.open(ctx); err != nil {
		return err
	}
	messages, err := encodeShare(v)
	if err != nil {
		return err
	}
	return d.change(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var there, fits bool
		b := &pgx.Batch{}
		b.Queue(lockRoom, text(v.Owner))
		b.Queue(`SELECT EXISTS (SELECT FROM dragoman.shares WHERE hash = $2),
			count(*) < $3::bigint AND coalesce(sum(octet_length(messages)), 0) + $4::bigint <= $5::bigint FROM dragoman.shares WHERE owner = $1`,
			text(v.Owner), text(v.Hash), int64(store.MaxShares), int64(len(messages)), int64(store.MaxShareBytes)).
			QueryRow(func(row pgx.Row) error { return row.Scan(&there, &fits) })
		if err := tx.SendBatch(ctx, b).Close(); err != nil {
			return err
		}
		switch {
		case !fits:
			return store.ErrFull
		case there:
			return store.ErrExists
		}
		_, err := tx.Exec(ctx, `INSERT INTO dragoman.shares (hash, owner, num, name, model, at, messages) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			text(v.Hash), text(v.Owner), v.Num, text(v.Name), text(v.Model), v.At, messages)
		if taken(err) {
			return store.ErrExists
		}
		return err
	})
}

// Shared implements [store.Sharer].
func (d *database) Shared(ctx context.Context, hash string) (*store.Share, error) {
	v := &store.Share{Hash: hash}
	var messages string
	err := d.one(ctx, []any{&v.Owner, &v.Num, &v.Name, &v.Model, &v.At, &messages},
		`SELECT owner, num, name, model, at, messages FROM dragoman.shares WHERE hash = $1`, text(hash))
	if err != nil {
		return nil, err
	}
	plains(&v.Owner, &v.Name, &v.Model)
	return v, decodeShare(v, messages)
}

// Shares implements [store.Sharer].
func (d *database) Shares(ctx context.Context, owner string) (shares []store.Share, err error) {
	begin := func() { shares = nil }
	err = d.all(ctx, begin, func(rows pgx.Rows) error {
		var v store.Share
		err := rows.Scan(&v.Hash, &v.Owner, &v.Num, &v.Name, &v.Model, &v.At)
		plains(&v.Hash, &v.Owner, &v.Name, &v.Model)
		shares = append(shares, v)
		return err
	}, `SELECT hash, owner, num, name, model, at FROM dragoman.shares WHERE owner = $1 ORDER BY at DESC, hash`, text(owner))
	return shares, err
}

// Unshare implements [store.Sharer].
func (d *database) Unshare(ctx context.Context, owner, hash string) error {
	return d.exec(ctx, `DELETE FROM dragoman.shares WHERE hash = $1 AND owner = $2`, text(hash), text(owner))
}
