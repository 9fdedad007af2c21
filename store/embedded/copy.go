package embedded

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/store/backend"
)

// CopyLast implements [store.Copier].
func (s *sqlite) CopyLast(ctx context.Context, t store.Table) (last string, err error) {
	if err := s.open(ctx); err != nil {
		return "", err
	}
	c := &backend.Copied[t]
	err = s.reads.QueryRowContext(ctx, fmt.Sprintf(`SELECT coalesce(max(%s), '') FROM %s`, c.Key, c.Name)).Scan(&last)
	return last, s.fault(ctx, err)
}

// CopyOut implements [store.Copier].
func (s *sqlite) CopyOut(ctx context.Context, t store.Table, after string) (*store.Rows, error) {
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	c, from := &backend.Copied[t], any(after)
	if c.Numbered {
		n, err := c.Number(after)
		if err != nil {
			return nil, err
		}
		from = n
	}
	columns := [store.Tables]string{
		store.Owners: `owner, next`, store.Conversations: `cid, id, owner, num, key, user, grp, name, model, web, created, updated, version`,
		store.Shares: `hash, owner, num, name, model, at, messages`, store.Masks: `id, owner, avatar, name, description, context`,
		store.Keys: keyColumns, store.Entries: `seq, ` + entryRead,
	}
	r, bytes := &store.Rows{}, 0
	rows, err := s.reads.QueryContext(ctx, fmt.Sprintf(`SELECT %s FROM %s WHERE %s > ? ORDER BY %[3]s LIMIT %d`, columns[t], c.Name, c.Key, backend.CopyRows), from)
	if err != nil {
		return nil, s.fault(ctx, err)
	}
	defer func() { _ = rows.Close() }()
	for bytes < store.CopyBytes && rows.Next() {
		n, err := s.copyRow(ctx, rows, t, r)
		if err != nil {
			return nil, s.fault(ctx, err)
		}
		bytes += n
	}
	return r, s.fault(ctx, rows.Err())
}

// copyRow adds one row, and returns about how many bytes it has.
func (s *sqlite) copyRow(ctx context.Context, rows *sql.Rows, t store.Table, r *store.Rows) (bytes int, err error) {
	switch t {
	case store.Owners:
		var v store.NextNumber
		err = rows.Scan(&v.Owner, &v.Next)
		r.Owners, r.Last = append(r.Owners, v), v.Owner
	case store.Conversations:
		var c store.Conversation
		var cid int64
		if err = rows.Scan(&cid, &c.ID, &c.Owner, &c.Num, &c.Key, &c.User, &c.Group, &c.Name, &c.Model, &c.Web, &c.Created, &c.Updated, &c.Version); err == nil {
			bytes, err = s.copyMessages(ctx, cid, &c)
		}
		r.Conversations, r.Last = append(r.Conversations, c), c.ID
	case store.Shares:
		var v store.Share
		var messages string
		if err = rows.Scan(&v.Hash, &v.Owner, &v.Num, &v.Name, &v.Model, &v.At, &messages); err == nil {
			v.Messages, err = backend.DecodeMessages(messages)
		}
		r.Shares, r.Last, bytes = append(r.Shares, v), v.Hash, len(messages)
	case store.Masks:
		var v store.OwnedMask
		err = rows.Scan(&v.ID, &v.Owner, &v.Avatar, &v.Name, &v.Description, &v.Context)
		r.Masks, r.Last, bytes = append(r.Masks, v), strconv.FormatInt(v.ID, 10), v.Bytes()
	case store.Keys:
		var k *store.Key
		if k, err = scanKey(rows); err == nil {
			r.Keys, r.Last = append(r.Keys, *k), k.ID
		}
	case store.Entries:
		var v store.PlacedEntry
		e := &v.Entry
		err = rows.Scan(&v.Place, &e.Request, &e.Attempt, &e.At, &e.Caller, &e.Group, &e.Rule, &e.User, &e.Front, &e.Model, &e.Channel, &e.Key, &e.Upstream,
			&e.Outcome, &e.Status, &e.Input, &e.Output, &e.Cached, &e.Estimated, &e.Cost, &e.Queue, &e.Open, &e.First, &e.Took, &e.Count, &e.Endpoint, &e.Sound, &e.Images)
		r.Entries, r.Last = append(r.Entries, v), strconv.FormatInt(v.Place, 10)
	}
	return bytes, err
}

func (s *sqlite) copyMessages(ctx context.Context, cid int64, c *store.Conversation) (bytes int, err error) {
	oldest, err := s.prepare(ctx, selectAll+oldestFirst)
	if err != nil {
		return 0, err
	}
	err = eachMessage(ctx, oldest, cid, func(_ int64, m *store.Message) bool {
		c.Messages, bytes = append(c.Messages, *m), bytes+m.Weight()
		return true
	})
	return bytes, err
}

// CopyIn implements [store.Copier].
func (s *sqlite) CopyIn(ctx context.Context, r *store.Rows) error {
	return s.change(ctx, func(w *session) error {
		for _, v := range r.Owners {
			if _, err := w.exec(`INSERT INTO owners (owner, next, live) VALUES (?, ?, 0)`, v.Owner, v.Next); err != nil {
				return err
			}
		}
		for i := range r.Conversations {
			if err := w.copyIn(&r.Conversations[i]); err != nil {
				return err
			}
		}
		return w.copyRest(r)
	})
}

func (w *session) copyIn(c *store.Conversation) error {
	rows, err := toTable(c.Messages)
	if err != nil {
		return err
	}
	plain, last := backend.PlainOf(c.Messages)
	var cid int64
	err = w.scan([]any{&cid}, `INSERT INTO conversations (id, owner, num, key, user, grp, name, model, web, created, updated, count, plain, last, tail, version)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING cid`,
		c.ID, c.Owner, c.Num, c.Key, c.User, c.Group, c.Name, c.Model, c.Web, c.Created, c.Updated, len(rows), plain, last, len(rows), c.Version)
	if err != nil {
		return err
	}
	return insert(w, cid, 0, rows)
}

func (w *session) copyRest(r *store.Rows) error {
	for i := range r.Shares {
		v := &r.Shares[i]
		messages, err := backend.EncodeMessages(v.Messages)
		if err == nil {
			_, err = w.exec(`INSERT INTO shares (hash, owner, num, name, model, at, messages) VALUES (?, ?, ?, ?, ?, ?, ?)`, v.Hash, v.Owner, v.Num, v.Name, v.Model, v.At, messages)
		}
		if err != nil {
			return err
		}
	}
	for _, v := range r.Masks {
		if _, err := w.exec(`INSERT INTO masks (id, owner, avatar, name, description, context) VALUES (?, ?, ?, ?, ?, ?)`,
			v.ID, v.Owner, v.Avatar, v.Name, v.Description, append([]byte{}, v.Context...)); err != nil {
			return err
		}
	}
	for i := range r.Keys {
		k := &r.Keys[i]
		models, err := json.Marshal(k.Models)
		if err == nil {
			_, err = w.exec(`INSERT INTO keys (`+keyColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`, k.ID, k.Hash[:], k.Name, k.Group, string(models), k.Limits, k.Created, k.Expires)
		}
		if err != nil {
			return err
		}
	}
	for i := range r.Entries {
		if _, err := w.exec(placeEntry, append([]any{r.Entries[i].Place}, entryArgs(&r.Entries[i].Entry)...)...); err != nil {
			return err
		}
	}
	return nil
}

// CopyDone implements [store.Copier].
func (s *sqlite) CopyDone(ctx context.Context) error {
	return s.change(ctx, func(w *session) error {
		_, err := w.exec(`UPDATE owners SET live = (SELECT count(*) FROM conversations c WHERE c.owner = owners.owner)`)
		return err
	})
}
