package embedded

import (
	"context"
	"errors"

	"github.com/dragoman-gateway/dragoman/store"
)

// row is one message as the table has it.
type row struct {
	role, name, parts string
	at                int64
	incomplete        bool
}

func toTable(messages []store.Message) ([]row, error) {
	rows := make([]row, len(messages))
	for i, m := range messages {
		parts, err := encodeParts(m.Parts)
		if err != nil {
			return nil, err
		}
		rows[i] = row{role: m.Role.String(), name: m.Name, parts: parts, at: m.At, incomplete: m.Incomplete}
	}
	return rows, nil
}

// Number implements [store.Store]. The reservation is on disk before it returns,
// so that no crash gives the number out again.
func (s *sqlite) Number(ctx context.Context, owner string) (int64, error) {
	var num int64
	err := s.change(ctx, func(w *session) error {
		return w.scan([]any{&num}, `INSERT INTO owners (owner, next, live) VALUES (?, 2, 0)
			ON CONFLICT (owner) DO UPDATE SET next = next + 1 RETURNING next - 1`, owner)
	})
	if err != nil {
		return 0, err // num may still be written to
	}
	return num, nil
}

// turn is an Append on its way: a copy of all that it needs.
type turn struct {
	conv    store.Conversation // without messages
	rows    []row
	replace int
	model   string
	web     bool
	at      int64
	last    string
	cid     int64
	tail    int64
	created int64
	version int64
}

// Append implements [store.Store].
func (s *sqlite) Append(ctx context.Context, c *store.Conversation, t store.Turn) error {
	if err := checkTurn(c, t); err != nil {
		return err
	}
	rows, err := toTable(t.Messages)
	if err != nil {
		return err
	}
	n := &turn{conv: *c, rows: rows, replace: max(0, t.Replace), model: t.Model, web: t.Web, at: t.At}
	n.conv.Messages = nil
	if len(t.Messages) > 0 {
		n.last = head(&t.Messages[len(t.Messages)-1])
	}
	err = s.change(ctx, func(w *session) error {
		if n.conv.Created == 0 {
			return n.create(w)
		}
		return n.extend(w)
	})
	if err != nil {
		return err
	}
	c.Num, c.Created, c.Updated, c.Model, c.Web, c.Version = n.conv.Num, n.created, t.At, t.Model, t.Web, n.version
	return nil
}

func (n *turn) create(w *session) error {
	c := &n.conv
	query := `INSERT INTO owners (owner, next, live) VALUES (?1, ?2 + 1, 1)
		ON CONFLICT (owner) DO UPDATE SET next = max(next, excluded.next), live = live + 1 RETURNING ?2`
	if c.Num == 0 {
		query = `INSERT INTO owners (owner, next, live) VALUES (?1, 2, 1)
			ON CONFLICT (owner) DO UPDATE SET next = next + 1, live = live + 1 RETURNING next - 1`
	}
	args := []any{c.Owner, c.Num}
	if c.Num == 0 {
		args = args[:1]
	}
	if err := w.scan([]any{&c.Num}, query, args...); err != nil {
		return err
	}
	n.created, n.version = max(n.at, 1), firstVersion()
	err := w.scan([]any{&n.cid}, `INSERT INTO conversations
		(id, owner, num, key, user, grp, name, model, web, created, updated, count, last, tail, version)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING cid`,
		c.ID, c.Owner, c.Num, c.Key, c.User, c.Group, c.Name, n.model, n.web, n.created, n.at, len(n.rows), n.last, len(n.rows), n.version)
	if errors.Is(err, errNotFound) {
		return store.ErrExists
	}
	if err != nil {
		return err
	}
	return insert(w, n.cid, 0, n.rows)
}

// extend changes the row first: whether the conversation is the one that was answered
// is found out with what has to be written anyway.
func (n *turn) extend(w *session) error {
	c, more := &n.conv, int64(len(n.rows))
	err := w.scan([]any{&n.cid, &c.Num, &n.created, &n.tail, &n.version}, `UPDATE conversations
		SET model = ?4, web = ?5, updated = ?6, last = ?7, count = count + ?8, tail = tail + ?8, version = version + 1
		WHERE id = ?1 AND owner = ?2 AND version = ?3 RETURNING cid, num, created, tail - ?8, version`,
		c.ID, c.Owner, c.Version, n.model, n.web, n.at, n.last, more)
	if err != nil {
		return conflict(w, c.Owner, c.ID, err)
	}
	if n.replace > 0 {
		gone, err := w.exec(`DELETE FROM messages WHERE conv = ?1 AND seq IN
			(SELECT seq FROM messages WHERE conv = ?1 ORDER BY seq DESC LIMIT ?2)`, n.cid, n.replace)
		if err != nil {
			return err
		}
		if gone == 0 {
			return errNotFound
		}
		if _, err := w.exec(`UPDATE conversations SET count = count - ? WHERE cid = ?`, gone, n.cid); err != nil {
			return err
		}
	}
	if len(n.rows) == 0 {
		return retell(w, n.cid, n.at)
	}
	return insert(w, n.cid, n.tail, n.rows)
}

// conflict says why no row of owner's conversation id had the version that was looked
// for, if that is what err means: there is none, or it has another version.
func conflict(w *session, owner, id string, err error) error {
	if !errors.Is(err, errNotFound) {
		return err
	}
	if _, err := conv(w, owner, id); err != nil {
		return err
	}
	return store.ErrConflict
}

// insert puts rows at seq and behind.
func insert(w *session, cid, seq int64, rows []row) error {
	for i, r := range rows {
		_, err := w.exec(`INSERT INTO messages (conv, seq, role, name, parts, at, incomplete) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			cid, seq+int64(i), r.role, r.name, r.parts, r.at, r.incomplete)
		if err != nil {
			return err
		}
	}
	return nil
}

// retell makes count and last say what messages says, after an edit.
func retell(w *session, cid, at int64) error {
	var count int64
	if err := w.scan([]any{&count}, `SELECT count(*) FROM messages WHERE conv = ?`, cid); err != nil {
		return err
	}
	last := ""
	if count > 0 {
		var parts string
		err := w.scan([]any{&parts}, `SELECT parts FROM messages WHERE conv = ? ORDER BY seq DESC LIMIT 1`, cid)
		if err != nil {
			return err
		}
		var m store.Message
		if m.Parts, err = decodeParts(parts); err != nil {
			return err
		}
		last = head(&m)
	}
	_, err := w.exec(`UPDATE conversations SET count = ?, last = ?, updated = ? WHERE cid = ?`, count, last, at, cid)
	return err
}

// conv returns the row of a conversation of owner.
func conv(w *session, owner, id string) (cid int64, err error) {
	err = w.scan([]any{&cid}, `SELECT cid FROM conversations WHERE id = ? AND owner = ?`, id, owner)
	return cid, err
}

// Clear implements [store.Store].
func (s *sqlite) Clear(ctx context.Context, owner, id string, at int64) error {
	return s.change(ctx, func(w *session) error {
		var cid int64
		err := w.scan([]any{&cid}, `UPDATE conversations SET count = 0, last = '', updated = ?, version = version + 1
			WHERE id = ? AND owner = ? RETURNING cid`, at, id, owner)
		if err != nil {
			return err
		}
		_, err = w.exec(`DELETE FROM messages WHERE conv = ?`, cid)
		return err
	})
}

// Delete implements [store.Store].
func (s *sqlite) Delete(ctx context.Context, owner, id string) error {
	return s.change(ctx, func(w *session) error {
		if id == "" {
			return deleteAll(w, owner)
		}
		cid, err := conv(w, owner, id)
		if err != nil {
			return err
		}
		if _, err := w.exec(`DELETE FROM messages WHERE conv = ?`, cid); err != nil {
			return err
		}
		if _, err := w.exec(`DELETE FROM conversations WHERE cid = ?`, cid); err != nil {
			return err
		}
		_, err = w.exec(`UPDATE owners SET live = live - 1 WHERE owner = ?`, owner)
		return err
	})
}

func deleteAll(w *session, owner string) error {
	if _, err := w.exec(`DELETE FROM messages WHERE conv IN (SELECT cid FROM conversations WHERE owner = ?)`, owner); err != nil {
		return err
	}
	if _, err := w.exec(`DELETE FROM conversations WHERE owner = ?`, owner); err != nil {
		return err
	}
	_, err := w.exec(`UPDATE owners SET live = 0 WHERE owner = ?`, owner)
	return err
}
