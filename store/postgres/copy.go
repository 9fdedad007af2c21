package postgres

import (
	"context"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/store/backend"
	"github.com/dragoman-gateway/dragoman/translate"
)

// behind is the argument of a key.
func behind(t store.Table, after string) (any, error) {
	if c := &backend.Copied[t]; c.Numbered {
		return c.Number(after)
	}
	return text(after), nil
}

// CopyLast implements [store.Copier].
func (d *database) CopyLast(ctx context.Context, t store.Table) (last string, err error) {
	c := &backend.Copied[t]
	err = d.one(ctx, []any{&last}, fmt.Sprintf(`SELECT coalesce(max(%s)::text, '') FROM dragoman.%s`, c.Key, c.Name))
	return plain(last), err
}

// CopyOut implements [store.Copier].
func (d *database) CopyOut(ctx context.Context, t store.Table, after string) (*store.Rows, error) {
	from, err := behind(t, after)
	if err != nil {
		return nil, err
	}
	if t == store.Conversations {
		return d.copyConversations(ctx, from)
	}
	var r *store.Rows
	columns := [store.Tables]string{
		store.Owners: `owner, next`, store.Shares: `hash, owner, num, name, model, at, messages`,
		store.Masks: `id, owner, avatar, name, description, context`, store.Keys: keyColumns, store.Entries: `seq, ` + entryColumns,
	}
	bytes := 0
	begin := func() { r, bytes = &store.Rows{}, 0 }
	err = d.all(ctx, begin, func(rows pgx.Rows) error {
		if bytes > store.CopyBytes {
			return nil
		}
		n, err := copyRow(rows, t, r)
		bytes += n
		return err
	}, fmt.Sprintf(`SELECT %s FROM dragoman.%s WHERE %s > $1 ORDER BY %[3]s LIMIT $2`, columns[t], backend.Copied[t].Name, backend.Copied[t].Key), from, int64(backend.CopyRows))
	return r, err
}

// copyRow adds one row, and returns about how many bytes it has.
func copyRow(rows pgx.Rows, t store.Table, r *store.Rows) (bytes int, err error) {
	switch t {
	case store.Owners:
		var v store.NextNumber
		err = rows.Scan(&v.Owner, &v.Next)
		plains(&v.Owner)
		r.Owners, r.Last = append(r.Owners, v), v.Owner
	case store.Shares:
		var v store.Share
		var messages string
		if err = rows.Scan(&v.Hash, &v.Owner, &v.Num, &v.Name, &v.Model, &v.At, &messages); err == nil {
			err = decodeShare(&v, messages)
		}
		plains(&v.Hash, &v.Owner, &v.Name, &v.Model)
		r.Shares, r.Last, bytes = append(r.Shares, v), v.Hash, len(messages)
	case store.Masks:
		var v store.OwnedMask
		err = rows.Scan(&v.ID, &v.Owner, &v.Avatar, &v.Name, &v.Description, &v.Context)
		plains(&v.Owner, &v.Avatar, &v.Name, &v.Description)
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
		plains(&e.Request, &e.Caller, &e.Group, &e.Rule, &e.User, &e.Front, &e.Model, &e.Channel, &e.Upstream, &e.Outcome, &e.Endpoint)
		r.Entries, r.Last = append(r.Entries, v), strconv.FormatInt(v.Place, 10)
	}
	return bytes, err
}

func (d *database) copyConversations(ctx context.Context, from any) (*store.Rows, error) {
	var r *store.Rows
	var cids []int64
	at := map[int64]int{}
	begin := func() { r, cids = &store.Rows{}, nil }
	// The sum leaves out all behind the conversation with which there is enough.
	err := d.all(ctx, begin, func(rows pgx.Rows) error {
		var c store.Conversation
		var cid int64
		err := rows.Scan(&cid, &c.ID, &c.Owner, &c.Num, &c.Key, &c.User, &c.Group, &c.Name, &c.Model, &c.Web, &c.Created, &c.Updated, &c.Version)
		plains(&c.ID, &c.Owner, &c.Key, &c.User, &c.Group, &c.Name, &c.Model)
		at[cid] = len(r.Conversations)
		cids, r.Conversations, r.Last = append(cids, cid), append(r.Conversations, c), c.ID
		return err
	}, `SELECT cid, id, owner, num, key, usr, grp, name, model, web, created, updated, version FROM (
			SELECT c.*, sum(w.weight) OVER (ORDER BY c.id ROWS UNBOUNDED PRECEDING) - w.weight AS before
			FROM (SELECT * FROM dragoman.conversations WHERE id > $1 ORDER BY id LIMIT $2) c
			CROSS JOIN LATERAL (SELECT coalesce(sum(weight), 0) AS weight FROM dragoman.messages WHERE conv = c.cid) w
		) c WHERE before < $3 ORDER BY id`, from, int64(backend.CopyRows), int64(store.CopyBytes))
	if err != nil {
		return nil, err
	}
	begin = func() {
		for i := range r.Conversations {
			r.Conversations[i].Messages = nil
		}
	}
	err = d.all(ctx, begin, func(rows pgx.Rows) error {
		var cid int64
		var m store.Message
		var role, parts string
		var mark int16
		if err := rows.Scan(&cid, &role, &m.Name, &parts, &m.At, &m.Incomplete, &mark); err != nil {
			return err
		}
		plains(&m.Name)
		m.Role, m.Mark = translate.ParseRole(role), store.Mark(mark)
		var err error
		m.Parts, err = backend.DecodeParts(parts)
		c := &r.Conversations[at[cid]]
		c.Messages = append(c.Messages, m)
		return err
	}, `SELECT conv, role, name, parts, at, incomplete, mark FROM dragoman.messages WHERE conv = ANY ($1) ORDER BY conv, seq`, cids)
	return r, err
}

// CopyIn implements [store.Copier].
func (d *database) CopyIn(ctx context.Context, r *store.Rows) error {
	b := &pgx.Batch{}
	for _, v := range r.Owners {
		b.Queue(`INSERT INTO dragoman.owners (owner, next, live) VALUES ($1, $2, 0)`, text(v.Owner), v.Next)
	}
	for i := range r.Conversations {
		if err := copyIn(b, &r.Conversations[i]); err != nil {
			return err
		}
	}
	for i := range r.Shares {
		v := &r.Shares[i]
		messages, err := encodeShare(v)
		if err != nil {
			return err
		}
		b.Queue(`INSERT INTO dragoman.shares (hash, owner, num, name, model, at, messages) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			text(v.Hash), text(v.Owner), v.Num, text(v.Name), text(v.Model), v.At, messages)
	}
	for _, v := range r.Masks {
		b.Queue(`INSERT INTO dragoman.masks (id, owner, avatar, name, description, context) VALUES ($1, $2, $3, $4, $5, $6)`,
			v.ID, text(v.Owner), text(v.Avatar), text(v.Name), text(v.Description), append([]byte{}, v.Context...))
	}
	for i := range r.Keys {
		args, err := keyArgs(&r.Keys[i])
		if err != nil {
			return err
		}
		b.Queue(insertKey, args...)
	}
	if len(r.Entries) > 0 {
		entries, places := make([]store.Entry, len(r.Entries)), make([]int64, len(r.Entries))
		for i, e := range r.Entries {
			entries[i], places[i] = e.Entry, e.Place
		}
		b.Queue(placeEntries, append(entryArgs(entries), places)...)
	}
	return d.change(ctx, func(ctx context.Context, tx pgx.Tx) error { return tx.SendBatch(ctx, b).Close() })
}

func copyIn(b *pgx.Batch, c *store.Conversation) error {
	messages, err := toColumns(c.Messages)
	if err != nil {
		return err
	}
	plain, last := backend.PlainOf(c.Messages)
	n := int64(len(c.Messages))
	b.Queue(`WITH c AS (
		INSERT INTO dragoman.conversations (id, owner, num, key, usr, grp, name, model, web, created, updated, count, plain, last, tail, version)
		VALUES ($9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $20, $23) RETURNING cid
	) INSERT INTO dragoman.messages (`+messageColumns+`)
	SELECT c.cid, m.ord - 1, m.role, m.name, m.parts, m.at, m.incomplete, m.mark, m.weight, m.line FROM c CROSS JOIN `+messageRows,
		append(messages.args(), text(c.ID), text(c.Owner), c.Num, text(c.Key), text(c.User), text(c.Group), text(c.Name), text(c.Model), c.Web,
			c.Created, c.Updated, n, int64(plain), text(last), c.Version)...)
	return nil
}

// CopyDone implements [store.Copier].
func (d *database) CopyDone(ctx context.Context) error {
	return d.change(ctx, func(ctx context.Context, tx pgx.Tx) error {
		for _, one := range []string{
			removeMost,
			`UPDATE dragoman.owners o SET live = (SELECT count(*) FROM dragoman.conversations c WHERE c.owner = o.owner)`,
			`SELECT setval(pg_get_serial_sequence('dragoman.masks', 'id'), greatest((SELECT max(id) FROM dragoman.masks), 1))`,
			`SELECT setval(pg_get_serial_sequence('dragoman.ledger', 'seq'), greatest((SELECT max(seq) FROM dragoman.ledger), 1))`,
			`ANALYZE dragoman.owners, dragoman.conversations, dragoman.messages, dragoman.shares, dragoman.masks, dragoman.keys, dragoman.ledger`,
		} {
			if _, err := tx.Exec(ctx, one); err != nil {
				return err
			}
		}
		return nil
	})
}
