package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/store/backend"
)

func encodeShare(v *store.Share) (string, error) { return backend.EncodeMessages(v.Messages) }

func decodeShare(v *store.Share, messages string) (err error) {
	if v.Messages, err = backend.DecodeMessages(messages); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return nil
}

// maskBytes is how many bytes the masks of owner $1 have but for the one with the id $2.
const maskBytes = `SELECT count(*), coalesce(sum(octet_length(avatar) + octet_length(name) + octet_length(description) + octet_length(context)), 0)::bigint
	FROM dragoman.masks WHERE owner = $1 AND id <> $2`

// SaveMask implements [store.Masker].
func (d *database) SaveMask(ctx context.Context, owner string, m *store.Mask) error {
	id := max(m.ID, 0)
	content := append([]byte{}, m.Context...) // not nil: the column takes no NULL
	err := d.change(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var others, bytes int64
		b := &pgx.Batch{}
		b.Queue(lockRoom, text(owner))
		b.Queue(maskBytes, text(owner), id).QueryRow(func(row pgx.Row) error { return row.Scan(&others, &bytes) })
		if err := tx.SendBatch(ctx, b).Close(); err != nil {
			return err
		}
		tight := bytes+int64(m.Bytes()) > store.MaxMaskBytes
		if id > 0 {
			tag, err := tx.Exec(ctx, `UPDATE dragoman.masks SET avatar = $3, name = $4, description = $5, context = $6 WHERE id = $1 AND owner = $2`,
				id, text(owner), text(m.Avatar), text(m.Name), text(m.Description), content)
			switch {
			case err != nil:
				return err
			case tag.RowsAffected() == 0:
				return store.ErrNotFound
			case tight:
				return store.ErrFull
			}
			return nil
		}
		if tight || others >= store.MaxMasks {
			return store.ErrFull
		}
		return tx.QueryRow(ctx, `INSERT INTO dragoman.masks (owner, avatar, name, description, context) VALUES ($1, $2, $3, $4, $5) RETURNING id`,
			text(owner), text(m.Avatar), text(m.Name), text(m.Description), content).Scan(&id)
	})
	if err != nil {
		return err
	}
	m.ID = id
	return nil
}

// Masks implements [store.Masker].
func (d *database) Masks(ctx context.Context, owner string) (masks []store.Mask, err error) {
	begin := func() { masks = nil }
	err = d.all(ctx, begin, func(rows pgx.Rows) error {
		var v store.Mask
		err := rows.Scan(&v.ID, &v.Avatar, &v.Name, &v.Description, &v.Context)
		plains(&v.Avatar, &v.Name, &v.Description)
		if len(v.Context) == 0 {
			v.Context = nil
		}
		masks = append(masks, v)
		return err
	}, `SELECT id, avatar, name, description, context FROM dragoman.masks WHERE owner = $1 ORDER BY id`, text(owner))
	return masks, err
}

// DeleteMask implements [store.Masker].
func (d *database) DeleteMask(ctx context.Context, owner string, id int64) error {
	return d.exec(ctx, `DELETE FROM dragoman.masks WHERE id = $1 AND owner = $2`, id, text(owner))
}
