package embedded

import (
	"context"
	"errors"
	"slices"

	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/store/backend"
)

// row is one message as the table has it.
type row struct {
	role, name, parts string
	at                int64
	incomplete        bool
	mark              store.Mark
}

func toTable(messages []store.Message) ([]row, error) {
	rows := make([]row, len(messages))
	for i, m := range messages {
		parts, err := backend.EncodeParts(m.Parts)
		if err != nil {
			return nil, err
		}
		rows[i] = row{role: m.Role.String(), name: m.Name, parts: parts, at: m.At, incomplete: m.Incomplete, mark: m.Mark}
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
	marks   []store.Remark
	model   string
	web     bool
	at      int64
	last    string // of the newest plain message, if plain
	plain   int
	cid     int64
	tail    int64
	created int64
	version int64
}

// Append implements [store.Store].
func (s *sqlite) Append(ctx context.Context, c *store.Conversation, t store.Turn) error {
	if err := backend.CheckTurn(c, t); err != nil {
		return err
	}
	rows, err := toTable(t.Messages)
	if err != nil {
		return err
	}
	n := &turn{conv: *c, rows: rows, marks: slices.Clone(t.Marks), model: t.Model, web: t.Web, at: t.At}
	n.conv.Messages = nil
	n.plain, n.last = backend.PlainOf(t.Messages)
	err = s.change(ctx, func(w *session) error {
		if n.conv.Created == 0 {
			return n.create(w)
		}
		return n.extend(w)
	})
	if err != nil {
		return err
	}
	c.Num, c.Group, c.Created, c.Updated, c.Model, c.Web, c.Version = n.conv.Num, n.conv.Group, n.created, t.At, t.Model, t.Web, n.version
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
	n.created, n.version = max(n.at, 1), backend.FirstVersion()
	c.Group = backend.GroupOf(c)
	err := w.scan([]any{&n.cid}, `INSERT INTO conversations
		(id, owner, num, key, user, grp, name, model, web, created, updated, count, plain, last, tail, version)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING cid`,
		c.ID, c.Owner, c.Num, c.Key, c.User, c.Group, c.Name, n.model, n.web, n.created, n.at, len(n.rows), n.plain, n.last, len(n.rows), n.version)
	if errors.Is(err, store.ErrNotFound) {
		return store.ErrExists
	}
	if err != nil {
		return err
	}
	if len(n.marks) > 0 {
		return store.ErrNotFound
	}
	return insert(w, n.cid, 0, n.rows)
}

// extend changes the row first: whether the conversation is the one that was answered
// is found out with what has to be written anyway.
func (n *turn) extend(w *session) error {
	c, more := &n.conv, int64(len(n.rows))
	err := w.scan([]any{&n.cid, &c.Num, &n.created, &n.tail, &n.version}, `UPDATE conversations
		SET model = ?4, web = ?5, updated = ?6, last = iif(?9 > 0, ?7, last), count = count + ?8, plain = plain + ?9, tail = tail + ?8, version = version + 1
		WHERE id = ?1 AND owner = ?2 AND version = ?3 RETURNING cid, num, created, tail - ?8, version`,
		c.ID, c.Owner, c.Version, n.model, n.web, n.at, n.last, more, n.plain)
	if err != nil {
		return conflict(w, c.Owner, c.ID, err)
	}
	if err := n.remark(w); err != nil {
		return err
	}
	return insert(w, n.cid, n.tail, n.rows)
}

// remark gives the marks, and brings the row up to date with what that changes. It costs
// what the messages behind the marked ones do.
func (n *turn) remark(w *session) error {
	more := 0
	for _, m := range n.marks {
		var seq int64
		var was store.Message
		err := w.scan([]any{&seq, &was.Mark, &was.Incomplete}, `SELECT seq, mark, incomplete FROM messages
			WHERE conv = ? ORDER BY seq DESC LIMIT 1 OFFSET ?`, n.cid, max(0, m.Back))
		if err == nil {
			_, err = w.exec(`UPDATE messages SET mark = ? WHERE conv = ? AND seq = ?`, m.Mark, n.cid, seq)
		}
		if err != nil {
			return err
		}
		is := was
		is.Mark = m.Mark
		more += one(is.Plain()) - one(was.Plain())
	}
	if len(n.marks) == 0 {
		return nil
	}
	if n.plain == 0 {
		var err error
		if n.last, err = newestPlain(w, n.cid); err != nil {
			return err
		}
	}
	_, err := w.exec(`UPDATE conversations SET plain = plain + ?, last = ? WHERE cid = ?`, more, n.last, n.cid)
	return err
}

func one(is bool) int {
	if is {
		return 1
	}
	return 0
}

// conflict says why no row of owner's conversation id had the version that was looked
// for, if that is what err means: there is none, or it has another version.
func conflict(w *session, owner, id string, err error) error {
	if !errors.Is(err, store.ErrNotFound) {
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
		_, err := w.exec(`INSERT INTO messages (conv, seq, role, name, parts, at, incomplete, mark) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
			cid, seq+int64(i), r.role, r.name, r.parts, r.at, r.incomplete, r.mark)
		if err != nil {
			return err
		}
	}
	return nil
}

// retell makes count, plain and last say what messages says, after an edit.
func retell(w *session, cid, at int64) error {
	var count, plain int64
	err := w.scan([]any{&count, &plain}, `SELECT count(*), coalesce(sum(mark = 0 AND incomplete = 0), 0) FROM messages WHERE conv = ?`, cid)
	if err != nil {
		return err
	}
	last, err := newestPlain(w, cid)
	if err != nil {
		return err
	}
	_, err = w.exec(`UPDATE conversations SET count = ?, plain = ?, last = ?, updated = ? WHERE cid = ?`, count, plain, last, at, cid)
	return err
}

// newestPlain returns the text by which lists show the newest plain message.
func newestPlain(w *session, cid int64) (last string, err error) {
	var parts string
	err = w.scan([]any{&parts}, `SELECT parts FROM messages WHERE conv = ? AND mark = 0 AND incomplete = 0 ORDER BY seq DESC LIMIT 1`, cid)
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	var m store.Message
	if m.Parts, err = backend.DecodeParts(parts); err != nil {
		return "", err
	}
	return backend.LastLine(&m), nil
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
		err := w.scan([]any{&cid}, `UPDATE conversations SET count = 0, plain = 0, last = '', updated = ?, version = version + 1
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
