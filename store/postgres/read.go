package postgres

import (
	"context"
	"math"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/store/backend"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Version implements [store.Store].
func (d *database) Version(ctx context.Context, owner, id string) (version int64, err error) {
	err = d.one(ctx, []any{&version}, `SELECT version FROM dragoman.conversations WHERE id = $1 AND owner = $2`, text(id), text(owner))
	return version, err
}

// How many messages are read at first of a window that is bounded in bytes only, and how
// many times as many if these are not enough.
const (
	readFirst = 128
	readMore  = 16
)

// Load implements [store.Store].
func (d *database) Load(ctx context.Context, owner string, ref store.Ref, w store.Window) (*store.Conversation, error) {
	most := int64(math.MaxInt64)
	switch {
	case w.Messages > 0:
		most = int64(w.Messages) + 1
	case w.Messages == 0 && w.Bytes > 0:
		most = readFirst
	}
	for {
		l := &loading{owner: owner, window: w, most: most}
		if err := l.find(ref); err != nil {
			if open := d.open(ctx); open != nil {
				return nil, open
			}
			return nil, err
		}
		err := d.all(ctx, l.begin, l.row, l.query, l.args...)
		if err == nil && l.conv == nil {
			err = store.ErrNotFound
		}
		if err != nil {
			return nil, err
		}
		if c := l.within(); c != nil {
			return c, nil
		}
		if most > math.MaxInt64/readMore {
			most = math.MaxInt64 / readMore
		}
		most *= readMore
	}
}

// loading is one look at a conversation: its row and messages in one statement, so that both
// are of one turn.
type loading struct {
	owner  string
	window store.Window
	most   int64 // messages that are read, without system messages before these
	query  string
	args   []any

	conv         *store.Conversation
	count, plain int
	other        *int64 // seq of the first message that is none of the system; nil: there is none
	newest       []loaded
	head         []loaded // system messages before all of newest and other, the newest first
}

// loaded is a message, without its parts if it is outside of the window for its weight.
type loaded struct {
	store.Message
	seq int64
	cut bool
}

// shows are the messages that a view shows, and of what a conversation begins with.
func shows(v store.View) (newest, head string) {
	const sent, plain = ` AND mark = 0`, ` AND mark = 0 AND NOT incomplete`
	switch v {
	case store.ViewSent:
		return sent, sent
	case store.ViewPlain:
		return plain, plain
	case store.ViewAgain:
		return "", sent
	}
	return "", ""
}

// find makes the statement.
func (l *loading) find(ref store.Ref) error {
	var where string
	l.args = []any{text(l.owner)}
	switch {
	case ref.ID != "":
		where, l.args = `id = $2 AND owner = $1`, append(l.args, text(ref.ID))
	case ref.Num != 0:
		where, l.args = `owner = $1 AND num = $2`, append(l.args, ref.Num)
	case ref.Key != "":
		where, l.args = `owner = $1 AND key = $2 AND key <> ''`, append(l.args, text(ref.Key)) // the last words let it use the partial index
	case ref.User != "" || ref.Group != "":
		where, l.args = `owner = $1 AND usr = $2 AND grp = $3 ORDER BY updated DESC, id LIMIT 1`, append(l.args, text(ref.User), text(ref.Group))
	default:
		return store.ErrNotFound
	}
	l.query = `SELECT 0, cid, id, num, key, usr, grp, name, model, web, created, updated, version, count, plain FROM dragoman.conversations WHERE ` + where
	if l.window.Messages < 0 {
		return nil
	}
	bytes := int64(math.MaxInt64)
	if l.window.Bytes > 0 && l.window.View != store.ViewAgain { // of which the newest count as nothing
		bytes = int64(l.window.Bytes)
	}
	most, bound := place(len(l.args)+1), place(len(l.args)+2)
	l.args = append(l.args, l.most, bytes)
	newest, head := shows(l.window.View)
	l.query = `WITH c AS MATERIALIZED (` + l.query + `), n AS MATERIALIZED (
	SELECT seq, role, name, CASE WHEN upto <= ` + bound + `::bigint OR place = 1 OR role = 'system' THEN parts END AS parts, at, incomplete, mark FROM (
		SELECT m.*, row_number() OVER w AS place, sum(m.weight) OVER w AS upto FROM c CROSS JOIN LATERAL (
			SELECT seq, role, name, parts, at, incomplete, mark, weight FROM dragoman.messages WHERE conv = c.cid` + newest + ` ORDER BY seq DESC LIMIT ` + most + `::bigint
		) m WINDOW w AS (ORDER BY m.seq DESC ROWS UNBOUNDED PRECEDING)
	) m WHERE upto - weight <= ` + bound + `::bigint OR place = 2
), f AS MATERIALIZED (
	SELECT m.seq FROM c CROSS JOIN LATERAL (SELECT seq FROM dragoman.messages WHERE conv = c.cid` + head + ` AND role <> 'system' ORDER BY seq LIMIT 1) m
)
SELECT c.*, (SELECT seq FROM f), NULL::text, NULL::text, NULL::text, NULL::bigint, NULL::boolean, NULL::smallint FROM c
UNION ALL
SELECT 1, ` + nothing + `, seq, role, name, parts, at, incomplete, mark FROM n
UNION ALL
SELECT 2, ` + nothing + `, m.seq, m.role, m.name, m.parts, m.at, m.incomplete, m.mark FROM c CROSS JOIN LATERAL (
	SELECT seq, role, name, parts, at, incomplete, mark FROM dragoman.messages WHERE conv = c.cid` + head + ` AND role = 'system'
		AND seq < (SELECT min(seq) FROM n) AND seq < coalesce((SELECT seq FROM f), 9223372036854775807)
) m
ORDER BY 1, 16 DESC`
	return nil
}

// nothing stands for the columns of a conversation in the row of a message.
const nothing = `NULL::bigint, NULL, NULL::bigint, NULL, NULL, NULL, NULL, NULL, NULL::boolean, NULL::bigint, NULL::bigint, NULL::bigint, NULL::bigint, NULL::bigint`

func (l *loading) begin() { l.conv, l.other, l.newest, l.head = nil, nil, nil, nil }

// row takes one row: that of the conversation comes first.
func (l *loading) row(rows pgx.Rows) error {
	if l.conv == nil {
		c := &store.Conversation{Owner: l.owner}
		to := []any{nil, nil, &c.ID, &c.Num, &c.Key, &c.User, &c.Group, &c.Name, &c.Model, &c.Web, &c.Created, &c.Updated, &c.Version, &l.count, &l.plain}
		if l.window.Messages >= 0 {
			to = append(to, &l.other, nil, nil, nil, nil, nil, nil)
		}
		err := rows.Scan(to...)
		plains(&c.ID, &c.Key, &c.User, &c.Group, &c.Name, &c.Model)
		l.conv = c
		return err
	}
	var kind, mark int16
	var m loaded
	var role string
	var parts *string
	err := rows.Scan(&kind, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, &m.seq, &role, &m.Name, &parts, &m.At, &m.Incomplete, &mark)
	if err != nil {
		return err
	}
	plains(&m.Name)
	m.Role, m.Mark, m.cut = translate.ParseRole(role), store.Mark(mark), parts == nil
	if !m.cut {
		if m.Parts, err = backend.DecodeParts(*parts); err != nil {
			return err
		}
	}
	if kind == 1 {
		l.newest = append(l.newest, m)
	} else {
		l.head = append(l.head, m)
	}
	return nil
}

// within returns the conversation with the messages of the window; nil: too few were read.
func (l *loading) within() *store.Conversation {
	c, count := l.conv, l.count
	if l.window.Messages < 0 {
		c.Skipped = count
		return c
	}
	if l.window.View == store.ViewPlain {
		count = l.plain
	}
	in, lowest, rest := backend.NewInside(l.window), int64(0), len(l.newest)
	for i := range l.newest {
		m := &l.newest[i]
		seen := backend.Ends
		if m.cut {
			in.Cut()
		} else {
			seen = in.Sees(&m.Message)
		}
		if seen == backend.Ends {
			rest = i
			break
		}
		if seen == backend.Shown {
			lowest, c.Messages = m.seq, append(c.Messages, m.Message)
		}
	}
	if !in.Over() && int64(len(l.newest)) == l.most {
		return nil
	}
	slices.Reverse(c.Messages)
	if !in.Over() {
		c.Head = backend.Begins(c.Messages)
		return c
	}
	c.Skipped = max(1, count-len(c.Messages))
	head := l.begins(lowest, rest)
	c.Messages, c.Head, c.Skipped = append(head, c.Messages...), len(head), max(1, c.Skipped-len(head))
	if l.other == nil || *l.other >= lowest {
		c.Head, c.Skipped = backend.Begins(c.Messages), 0
	}
	return c
}

// begins returns the system messages that the conversation begins with, as far as they are
// before lowest; newest[rest:] were read and not shown.
func (l *loading) begins(lowest int64, rest int) (head []store.Message) {
	older := append(slices.Clone(l.newest[rest:]), l.head...)
	slices.Reverse(older)
	for i := range older {
		m := &older[i]
		if m.seq >= lowest || l.other != nil && m.seq >= *l.other {
			break
		}
		if l.window.View == store.ViewAgain && m.Mark != store.MarkNone {
			continue
		}
		head = append(head, m.Message)
	}
	return head
}
