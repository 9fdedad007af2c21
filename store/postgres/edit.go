package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/store/backend"
	"github.com/dragoman-gateway/dragoman/translate"
)

// edit changes the messages of one conversation, if it has the version, and brings its
// row up to date. It returns the new version.
func (d *database) edit(ctx context.Context, owner, id string, version, at int64, do func(ctx context.Context, tx pgx.Tx, cid int64) error) (int64, error) {
	made, at := version+step(), d.clock.at(at)
	err := d.change(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var cid int64
		err := tx.QueryRow(ctx, `UPDATE dragoman.conversations SET version = $4 WHERE id = $1 AND owner = $2 AND version = $3 RETURNING cid`,
			text(id), text(owner), version, made).Scan(&cid)
		if errors.Is(err, pgx.ErrNoRows) {
			return conflict(ctx, tx, owner, id)
		}
		if err != nil {
			return err
		}
		if err := do(ctx, tx, cid); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, retell, cid, at)
		return err
	})
	if err != nil {
		return 0, err
	}
	return made, nil
}

// retell makes count, plain and last say what messages says.
const retell = `UPDATE dragoman.conversations SET updated = $2, count = s.count, plain = s.plain,
	last = coalesce((SELECT line FROM dragoman.messages WHERE conv = $1 AND mark = 0 AND NOT incomplete ORDER BY seq DESC LIMIT 1), '')
	FROM (SELECT count(*), count(*) FILTER (WHERE mark = 0 AND NOT incomplete) AS plain FROM dragoman.messages WHERE conv = $1) s WHERE cid = $1`

// conflict says why no row of owner's conversation id had the version that was looked for.
func conflict(ctx context.Context, tx pgx.Tx, owner, id string) error {
	var there bool
	err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM dragoman.conversations WHERE id = $1 AND owner = $2)`, text(id), text(owner)).Scan(&there)
	switch {
	case err != nil:
		return err
	case there:
		return store.ErrConflict
	}
	return store.ErrNotFound
}

// messageAt returns the seq of message index, with its role and mark, or store.ErrNotFound.
func messageAt(ctx context.Context, tx pgx.Tx, cid int64, index int) (seq int64, m store.Message, err error) {
	if index < 0 {
		return 0, m, store.ErrNotFound
	}
	var role string
	var mark int16
	err = tx.QueryRow(ctx, `SELECT seq, role, mark FROM dragoman.messages WHERE conv = $1 ORDER BY seq LIMIT 1 OFFSET $2`, cid, int64(index)).Scan(&seq, &role, &mark)
	m.Role, m.Mark = translate.ParseRole(role), store.Mark(mark)
	return seq, m, err
}

// Rename implements [store.Editor].
func (d *database) Rename(ctx context.Context, owner, id, name string, at int64) error {
	return d.exec(ctx, `UPDATE dragoman.conversations SET name = $3, updated = $4 WHERE id = $1 AND owner = $2`, text(id), text(owner), text(name), d.clock.at(at))
}

// SetText implements [store.Editor].
func (d *database) SetText(ctx context.Context, owner, id string, version int64, index int, said string, at int64) (int64, error) {
	return d.edit(ctx, owner, id, version, at, func(ctx context.Context, tx pgx.Tx, cid int64) error {
		seq, m, err := messageAt(ctx, tx, cid, index)
		if err != nil {
			return err
		}
		var name string
		if err := tx.QueryRow(ctx, `SELECT name FROM dragoman.messages WHERE conv = $1 AND seq = $2`, cid, seq).Scan(&name); err != nil {
			return err
		}
		m.Name, m.Parts = plain(name), []translate.Part{{Kind: translate.PartText, Text: said}}
		c, err := toColumns([]store.Message{m})
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE dragoman.messages SET parts = $3, weight = $4, line = $5 WHERE conv = $1 AND seq = $2`, cid, seq, c.parts[0], c.weights[0], c.lines[0])
		return err
	})
}

// Remove implements [store.Editor].
func (d *database) Remove(ctx context.Context, owner, id string, version int64, index int, at int64) (int64, error) {
	return d.edit(ctx, owner, id, version, at, func(ctx context.Context, tx pgx.Tx, cid int64) error {
		seq, gone, err := messageAt(ctx, tx, cid, index)
		if err != nil {
			return err
		}
		if _, err = tx.Exec(ctx, `DELETE FROM dragoman.messages WHERE conv = $1 AND seq = $2`, cid, seq); err != nil {
			return err
		}
		switch {
		case gone.Role == translate.RoleUser:
			_, err = tx.Exec(ctx, `UPDATE dragoman.messages SET mark = $3 WHERE conv = $1 AND seq > $2 AND mark IN ($4, $5)
				AND seq < coalesce((SELECT min(seq) FROM dragoman.messages WHERE conv = $1 AND seq > $2 AND role <> 'assistant'), 9223372036854775807)`,
				cid, seq, int16(store.MarkOrphan), int16(store.MarkNone), int16(store.MarkSuperseded))
		case gone.Role == translate.RoleAssistant && gone.Mark == store.MarkNone:
			_, err = tx.Exec(ctx, `UPDATE dragoman.messages SET mark = $3 WHERE conv = $1 AND seq = (SELECT max(seq) FROM dragoman.messages WHERE conv = $1 AND seq < $2 AND mark = $4
				AND seq > coalesce((SELECT max(seq) FROM dragoman.messages WHERE conv = $1 AND seq < $2 AND role <> 'assistant'), -9223372036854775808))`,
				cid, seq, int16(store.MarkNone), int16(store.MarkSuperseded))
		}
		return err
	})
}

// Insert implements [store.Editor]. The new messages count down from the first.
func (d *database) Insert(ctx context.Context, owner, id string, version int64, first []store.Message, at int64) (int64, error) {
	if err := d.open(ctx); err != nil {
		return 0, err
	}
	if err := backend.CheckMessages(first); err != nil {
		return 0, err
	}
	messages, err := toColumns(first)
	if err != nil {
		return 0, err
	}
	return d.edit(ctx, owner, id, version, at, func(ctx context.Context, tx pgx.Tx, cid int64) error {
		// An empty conversation's next message is at tail, so what goes before
		// all others must end below that.
		_, err := tx.Exec(ctx, `INSERT INTO dragoman.messages (`+messageColumns+`)
			SELECT $9, low.est - $10::bigint + m.ord - 1, m.role, m.name, m.parts, m.at, m.incomplete, m.mark, m.weight, m.line
			FROM (SELECT coalesce((SELECT min(seq) FROM dragoman.messages WHERE conv = $9), (SELECT tail FROM dragoman.conversations WHERE cid = $9)) AS est) low
			CROSS JOIN `+messageRows, append(messages.args(), cid, int64(len(first)))...)
		return err
	})
}

// Clear implements [store.Store].
func (d *database) Clear(ctx context.Context, owner, id string, at int64) error {
	return d.change(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var cid int64
		err := tx.QueryRow(ctx, `UPDATE dragoman.conversations SET count = 0, plain = 0, last = '', updated = $3, version = version + $4
			WHERE id = $1 AND owner = $2 RETURNING cid`, text(id), text(owner), d.clock.at(at), step()).Scan(&cid)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `DELETE FROM dragoman.messages WHERE conv = $1`, cid)
		return err
	})
}
