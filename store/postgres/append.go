package postgres

import (
	"context"
	"math/rand/v2"

	"github.com/jackc/pgx/v5"

	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/store/backend"
)

// Number implements [store.Store].
func (d *database) Number(ctx context.Context, owner string) (int64, error) {
	var num int64
	err := d.hand(ctx, &op{
		query: `INSERT INTO dragoman.owners AS o (owner, next, live) VALUES ($1, 2, 0)
			ON CONFLICT (owner) DO UPDATE SET next = o.next + 1 RETURNING next - 1`,
		args: []any{text(owner)}, key: owner,
		read: func(rows pgx.Rows) error {
			return each(rows, func(rows pgx.Rows) error { return rows.Scan(&num) })
		},
	})
	if err != nil {
		return 0, err // num may still be written to
	}
	return num, nil
}

// columns are messages as the table has them.
type columns struct {
	roles, names, parts []string
	at                  []int64
	incomplete          []bool
	marks               []int16
	weights             []int32
	lines               []string
}

func toColumns(messages []store.Message) (*columns, error) {
	c := &columns{}
	for i := range messages {
		m := &messages[i]
		parts, err := backend.EncodeParts(m.Parts)
		if err != nil {
			return nil, err
		}
		c.roles, c.names, c.parts = append(c.roles, m.Role.String()), append(c.names, text(m.Name)), append(c.parts, parts)
		c.at, c.incomplete, c.marks = append(c.at, m.At), append(c.incomplete, m.Incomplete), append(c.marks, int16(m.Mark))
		c.weights, c.lines = append(c.weights, int32(min(m.Weight(), 1<<30))), append(c.lines, text(backend.LastLine(m)))
	}
	return c, nil
}

// messageRows are the arguments $1 to $8, which args are, as rows; ord counts from 1.
const messageRows = `unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::boolean[], $6::smallint[], $7::integer[], $8::text[])
	WITH ORDINALITY AS m (role, name, parts, at, incomplete, mark, weight, line, ord)`

const messageColumns = `conv, seq, role, name, parts, at, incomplete, mark, weight, line`

func (c *columns) args() []any {
	return []any{c.roles, c.names, c.parts, c.at, c.incomplete, c.marks, c.weights, c.lines}
}

// turn is an Append on its way.
type turn struct {
	conv    store.Conversation // without messages
	version int64              // that it makes
	created int64
}

// step is by how much a change makes a version larger. It is chosen at random, so that who
// has lost the connection can tell whether the version is of its own making.
func step() int64 { return 1 + rand.Int64N(1<<20) }

// Append implements [store.Store].
func (d *database) Append(ctx context.Context, c *store.Conversation, t store.Turn) error {
	if err := d.open(ctx); err != nil {
		return err
	}
	if err := backend.CheckTurn(c, t); err != nil {
		return err
	}
	messages, err := toColumns(t.Messages)
	if err != nil {
		return err
	}
	t.At = d.clock.at(t.At)
	n := &turn{conv: *c}
	n.conv.Messages = nil
	o := n.extend(t, messages)
	if c.Created == 0 {
		if len(t.Marks) > 0 {
			return store.ErrNotFound
		}
		o = n.create(t, messages)
	}
	if err := d.hand(ctx, o); err != nil {
		return err
	}
	c.Num, c.Group, c.Created, c.Updated, c.Model, c.Web, c.Version = n.conv.Num, n.conv.Group, n.created, t.At, t.Model, t.Web, n.version
	return nil
}

// insertConversation makes owner, conversation and messages. Where one of the three is taken
// it makes nothing, and shows the conversation that has the id. What is taken at the same
// moment by another connection ends it.
const insertConversation = `WITH free AS (
	SELECT WHERE NOT EXISTS (SELECT FROM dragoman.conversations WHERE id = $9)
		AND NOT EXISTS (SELECT FROM dragoman.conversations WHERE owner = $10 AND num = $11::bigint)
		AND NOT EXISTS (SELECT FROM dragoman.conversations WHERE owner = $10 AND key = $12 AND key <> '')
), o AS (
	INSERT INTO dragoman.owners AS o (owner, next, live) SELECT $10, CASE WHEN $11::bigint = 0 THEN 2 ELSE $11::bigint + 1 END, 1 FROM free
	ON CONFLICT (owner) DO UPDATE SET live = o.live + 1,
		next = CASE WHEN $11::bigint = 0 THEN o.next + 1 ELSE greatest(o.next, $11::bigint + 1) END
	RETURNING CASE WHEN $11::bigint = 0 THEN next - 1 ELSE $11::bigint END AS num
), c AS (
	INSERT INTO dragoman.conversations (id, owner, num, key, usr, grp, name, model, web, created, updated, count, plain, last, tail, version)
	SELECT $9, $10, num, $12, $13, CASE WHEN $15::boolean THEN $14::text || num ELSE $14::text END, $16, $17, $18, $19, $20, $21, $22, $23, $21, $24 FROM o
	RETURNING cid, num, grp
), m AS (
	INSERT INTO dragoman.messages (` + messageColumns + `)
	SELECT c.cid, m.ord - 1, m.role, m.name, m.parts, m.at, m.incomplete, m.mark, m.weight, m.line FROM c CROSS JOIN ` + messageRows + `
)
SELECT num, grp, created, version FROM (
	SELECT num, grp, $19::bigint AS created, $24::bigint AS version FROM c
	UNION ALL
	SELECT num, grp, created, version FROM dragoman.conversations WHERE id = $9 AND owner = $10 AND NOT EXISTS (SELECT FROM c)
) made`

func (n *turn) create(t store.Turn, messages *columns) *op {
	c := &n.conv
	n.version, n.created = backend.FirstVersion(), max(t.At, 1)
	plain, last := backend.PlainOf(t.Messages)
	args := append(messages.args(), text(c.ID), text(c.Owner), c.Num, text(c.Key), text(c.User), text(c.Group), c.Numbered, text(c.Name),
		text(t.Model), t.Web, n.created, t.At, int64(len(t.Messages)), int64(plain), text(last), n.version)
	return &op{query: insertConversation, args: args, key: c.Owner, read: func(rows pgx.Rows) error {
		var version int64
		err := each(rows, func(rows pgx.Rows) error { return rows.Scan(&c.Num, &c.Group, &n.created, &version) })
		if err == nil && version != n.version {
			return store.ErrExists
		}
		plains(&c.Group)
		return err
	}}
}

// updateConversation changes the row first, if it has the version: a turn is added to the
// conversation that it was answered for, or nothing is. Else it shows the row as it is.
const updateConversation = `WITH c AS (
	UPDATE dragoman.conversations SET model = $13, web = $14, updated = $15, last = CASE WHEN $17::bigint > 0 THEN $18 ELSE last END,
		count = count + $16::bigint, plain = plain + $17::bigint, tail = tail + $16::bigint, version = $12
	WHERE id = $9 AND owner = $10 AND version = $11 RETURNING cid, num, created, tail - $16::bigint AS tail
)` + addMessages

// addMessages ends a statement whose c is the changed conversation.
const addMessages = `, m AS (
	INSERT INTO dragoman.messages (` + messageColumns + `)
	SELECT c.cid, c.tail + m.ord - 1, m.role, m.name, m.parts, m.at, m.incomplete, m.mark, m.weight, m.line FROM c CROSS JOIN ` + messageRows + `
)
SELECT num, created, version, count FROM (
	SELECT num, created, $12::bigint AS version, 0::bigint AS count FROM c
	UNION ALL
	SELECT num, created, version, count FROM dragoman.conversations WHERE id = $9 AND owner = $10 AND NOT EXISTS (SELECT FROM c)
) made`

// remarkConversation gives marks as well, $19 counted from the newest message and $20 what
// they are; the later one of two for the same message counts. $21 is the
// farthest place.
const remarkConversation = `WITH was AS (
	SELECT cid FROM dragoman.conversations WHERE id = $9 AND owner = $10 AND version = $11
), r AS MATERIALIZED (
	SELECT DISTINCT ON (m.seq) m.seq, m.incomplete, m.mark AS was, r.mark FROM was
	CROSS JOIN unnest($19::bigint[], $20::smallint[]) WITH ORDINALITY AS r (back, mark, ord)
	CROSS JOIN LATERAL (SELECT seq, incomplete, mark FROM dragoman.messages WHERE conv = was.cid ORDER BY seq DESC LIMIT 1 OFFSET r.back) m
	ORDER BY m.seq, r.ord DESC
), c AS (
	UPDATE dragoman.conversations AS c SET model = $13, web = $14, updated = $15,
		count = count + $16::bigint, tail = tail + $16::bigint, version = $12,
		plain = plain + $17::bigint + (SELECT coalesce(sum((mark = 0 AND NOT incomplete)::integer - (r.was = 0 AND NOT incomplete)::integer), 0) FROM r),
		last = CASE WHEN $17::bigint > 0 THEN $18 ELSE coalesce((SELECT m.line FROM dragoman.messages m LEFT JOIN r ON r.seq = m.seq
			WHERE m.conv = c.cid AND NOT m.incomplete AND coalesce(r.mark, m.mark) = 0 ORDER BY m.seq DESC LIMIT 1), '') END
	WHERE id = $9 AND owner = $10 AND version = $11 AND count > $21::bigint RETURNING cid, num, created, tail - $16::bigint AS tail
), k AS (
	UPDATE dragoman.messages AS m SET mark = r.mark FROM r, c WHERE m.conv = c.cid AND m.seq = r.seq
)` + addMessages

func (n *turn) extend(t store.Turn, messages *columns) *op {
	c := &n.conv
	n.version = c.Version + step()
	plain, last := backend.PlainOf(t.Messages)
	args := append(messages.args(), text(c.ID), text(c.Owner), c.Version, n.version, text(t.Model), t.Web, t.At, int64(len(t.Messages)), int64(plain), text(last))
	o := &op{query: updateConversation, args: args, rank: 1, key: c.ID}
	farthest := int64(-1)
	if len(t.Marks) > 0 {
		var backs []int64
		var marks []int16
		for _, m := range t.Marks {
			back := int64(max(0, m.Back))
			backs, marks, farthest = append(backs, back), append(marks, int16(m.Mark)), max(farthest, back)
		}
		o.query, o.args = remarkConversation, append(args, backs, marks, farthest)
	}
	o.read = func(rows pgx.Rows) error {
		version, count := int64(0), int64(0)
		err := each(rows, func(rows pgx.Rows) error { return rows.Scan(&c.Num, &n.created, &version, &count) })
		switch {
		case err != nil || version == n.version:
			return err
		case version == 0, version == c.Version && count <= farthest: // a mark is for a message that is not there
			return store.ErrNotFound
		}
		return store.ErrConflict // perhaps since the statement began: it shows the row of then
	}
	return o
}
