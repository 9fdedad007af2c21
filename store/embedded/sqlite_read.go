package embedded

import (
	"context"
	"database/sql"
	"slices"
	"strconv"
	"strings"

	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/store/backend"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Load implements [store.Store].
func (s *sqlite) Load(ctx context.Context, owner string, ref store.Ref, w store.Window) (*store.Conversation, error) {
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	c, err := s.load(ctx, owner, ref, w)
	if err != nil {
		return nil, s.fault(ctx, err)
	}
	return c, nil
}

// Version implements [store.Store].
func (s *sqlite) Version(ctx context.Context, owner, id string) (version int64, err error) {
	if err := s.open(ctx); err != nil {
		return 0, err
	}
	one, err := s.prepare(ctx, `SELECT version FROM conversations WHERE id = ? AND owner = ?`)
	if err == nil {
		err = one.QueryRowContext(ctx, id, owner).Scan(&version)
	}
	return version, s.fault(ctx, err)
}

// selects are the messages that a view shows, but for their order.
func selects(v store.View) string {
	switch v {
	case store.ViewSent:
		return selectSent
	case store.ViewPlain:
		return selectPlain
	}
	return selectAll
}

// Each is read only as far as it is needed.
const (
	selectAll   = `SELECT seq, role, name, parts, at, incomplete, mark FROM messages WHERE conv = ?`
	selectSent  = selectAll + ` AND mark = 0`
	selectPlain = selectAll + ` AND mark = 0 AND incomplete = 0`
	newestFirst = ` ORDER BY seq DESC`
	oldestFirst = ` ORDER BY seq`
)

// load reads row and messages in one transaction, so that both are of one turn.
func (s *sqlite) load(ctx context.Context, owner string, ref store.Ref, w store.Window) (*store.Conversation, error) {
	where, args := find(owner, ref)
	if where == "" {
		return nil, sql.ErrNoRows
	}
	one, err := s.prepare(ctx, `SELECT cid, id, num, key, user, grp, name, model, web, created, updated, version, count, plain FROM conversations WHERE `+where)
	if err != nil {
		return nil, err
	}
	var newest, oldest *sql.Stmt
	if newest, err = s.prepare(ctx, selects(w.View)+newestFirst); err == nil {
		oldest, err = s.prepare(ctx, selects(w.View)+oldestFirst)
	}
	if err != nil {
		return nil, err
	}
	tx, err := s.reads.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback() }() // it only read
	c := &store.Conversation{Owner: owner}
	var cid int64
	var count, plain int
	err = tx.StmtContext(ctx, one).QueryRowContext(ctx, args...).
		Scan(&cid, &c.ID, &c.Num, &c.Key, &c.User, &c.Group, &c.Name, &c.Model, &c.Web, &c.Created, &c.Updated, &c.Version, &count, &plain)
	if err != nil {
		return nil, err
	}
	if w.Messages < 0 {
		c.Skipped = count
		return c, nil
	}
	if w.View == store.ViewPlain {
		count = plain
	}
	in, lowest := backend.NewInside(w), int64(0)
	err = eachMessage(ctx, tx.StmtContext(ctx, newest), cid, func(seq int64, m *store.Message) bool {
		switch in.Sees(m) {
		case backend.Ends:
			return false
		case backend.Shown:
			lowest, c.Messages = seq, append(c.Messages, *m)
		}
		return true
	})
	slices.Reverse(c.Messages)
	if c.Skipped = max(1, count-len(c.Messages)); err != nil || !in.Over() {
		c.Head, c.Skipped = backend.Begins(c.Messages), 0
		return c, err
	}
	var head []store.Message
	gap := false
	err = eachMessage(ctx, tx.StmtContext(ctx, oldest), cid, func(seq int64, m *store.Message) bool {
		if seq >= lowest {
			return false
		}
		if w.View == store.ViewAgain && m.Mark != store.MarkNone {
			return true
		}
		if gap = m.Role != translate.RoleSystem; gap {
			return false
		}
		head = append(head, *m)
		return true
	})
	c.Messages, c.Head, c.Skipped = append(head, c.Messages...), len(head), max(1, c.Skipped-len(head))
	if !gap {
		c.Head, c.Skipped = backend.Begins(c.Messages), 0
	}
	return c, err
}

// eachMessage calls do with the messages of st until it returns false.
func eachMessage(ctx context.Context, st *sql.Stmt, cid int64, do func(seq int64, m *store.Message) bool) error {
	rows, err := st.QueryContext(ctx, cid)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var m store.Message
		var seq int64
		var role, parts string
		if err := rows.Scan(&seq, &role, &m.Name, &parts, &m.At, &m.Incomplete, &m.Mark); err != nil {
			return err
		}
		m.Role = translate.ParseRole(role)
		if m.Parts, err = backend.DecodeParts(parts); err != nil {
			return err
		}
		if !do(seq, &m) {
			return nil
		}
	}
	return rows.Err()
}

// prepare returns the statement of a query that is made for each turn. There are as
// many as places that call it. Whoever calls it holds no connection: it needs one.
func (s *sqlite) prepare(ctx context.Context, query string) (*sql.Stmt, error) {
	s.preparing.Lock()
	defer s.preparing.Unlock()
	if st := s.prepared[query]; st != nil {
		return st, nil
	}
	st, err := s.reads.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	s.prepared[query] = st
	return st, nil
}

func find(owner string, ref store.Ref) (where string, args []any) {
	switch {
	case ref.ID != "":
		return `id = ? AND owner = ?`, []any{ref.ID, owner}
	case ref.Num != 0:
		return `owner = ? AND num = ?`, []any{owner, ref.Num}
	case ref.Key != "":
		return `owner = ? AND key = ? AND key <> ''`, []any{owner, ref.Key} // the last words let it use the partial index
	case ref.User != "" || ref.Group != "":
		return `owner = ? AND user = ? AND grp = ? ORDER BY updated DESC, id LIMIT 1`, []any{owner, ref.User, ref.Group}
	}
	return "", nil
}

// List implements [store.Store].
func (s *sqlite) List(ctx context.Context, f store.Filter) ([]store.Summary, int, error) {
	if err := s.open(ctx); err != nil {
		return nil, 0, err
	}
	page, total, err := s.list(ctx, f)
	if err != nil {
		return nil, 0, s.fault(ctx, err)
	}
	return page, total, nil
}

func (s *sqlite) list(ctx context.Context, f store.Filter) ([]store.Summary, int, error) {
	// Some of them are named twice.
	where, args := []string{"owner = ?1"}, []any{f.Owner}
	if f.User != nil {
		args = append(args, *f.User)
		where = append(where, "user = ?"+strconv.Itoa(len(args)))
	}
	if f.Group != nil {
		args = append(args, *f.Group)
		where = append(where, "grp = ?"+strconv.Itoa(len(args)))
	}
	rule := strings.Join(where, " AND ")
	tx, err := s.reads.BeginTx(ctx, nil)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = tx.Rollback() }()
	// A caller's total is kept beside its next number: counting a million rows
	// would take longer than the page.
	count := `SELECT count(*) FROM conversations WHERE ` + rule
	if f.User == nil && f.Group == nil {
		count = `SELECT coalesce(sum(live), 0) FROM owners WHERE owner = ?1`
	}
	if f.Plain {
		count = `SELECT (` + count + `) - (SELECT count(*) FROM conversations WHERE plain = 0 AND count > 0 AND ` + rule + `)`
		where = append(where, "NOT (plain = 0 AND count > 0)")
	}
	var total int
	if err := tx.QueryRowContext(ctx, count, args...).Scan(&total); err != nil {
		return nil, 0, err
	}
	order := "updated DESC, id"
	if f.ByNum {
		order = "num DESC"
	}
	limit := f.Limit
	if limit <= 0 {
		limit = -1
	}
	rows, err := tx.QueryContext(ctx, `SELECT id, user, grp, name, model, web, num, created, updated, plain, last FROM conversations
		WHERE `+strings.Join(where, " AND ")+` ORDER BY `+order+` LIMIT ? OFFSET ?`, append(args, limit, max(0, f.Offset))...)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = rows.Close() }()
	var page []store.Summary
	for rows.Next() {
		var v store.Summary
		if err := rows.Scan(&v.ID, &v.User, &v.Group, &v.Name, &v.Model, &v.Web, &v.Num, &v.Created, &v.Updated, &v.Messages, &v.LastMessage); err != nil {
			return nil, 0, err
		}
		page = append(page, v)
	}
	return page, total, rows.Err()
}

// Shared implements [store.Sharer].
func (s *sqlite) Shared(ctx context.Context, hash string) (*store.Share, error) {
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	v := &store.Share{Hash: hash}
	var messages string
	err := s.reads.QueryRowContext(ctx, `SELECT owner, num, name, model, at, messages FROM shares WHERE hash = ?`, hash).
		Scan(&v.Owner, &v.Num, &v.Name, &v.Model, &v.At, &messages)
	if err == nil {
		v.Messages, err = backend.DecodeMessages(messages)
	}
	if err != nil {
		return nil, s.fault(ctx, err)
	}
	return v, nil
}

// Shares implements [store.Sharer].
func (s *sqlite) Shares(ctx context.Context, owner string) ([]store.Share, error) {
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	var out []store.Share
	err := s.each(ctx, `SELECT hash, owner, num, name, model, at FROM shares WHERE owner = ? ORDER BY at DESC, hash`, owner,
		func(rows *sql.Rows) error {
			var v store.Share
			err := rows.Scan(&v.Hash, &v.Owner, &v.Num, &v.Name, &v.Model, &v.At)
			out = append(out, v)
			return err
		})
	if err != nil {
		return nil, s.fault(ctx, err)
	}
	return out, nil
}

// Masks implements [store.Masker].
func (s *sqlite) Masks(ctx context.Context, owner string) ([]store.Mask, error) {
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	var out []store.Mask
	err := s.each(ctx, `SELECT id, avatar, name, description, context FROM masks WHERE owner = ? ORDER BY id`, owner,
		func(rows *sql.Rows) error {
			var v store.Mask
			err := rows.Scan(&v.ID, &v.Avatar, &v.Name, &v.Description, &v.Context)
			if len(v.Context) == 0 {
				v.Context = nil
			}
			out = append(out, v)
			return err
		})
	if err != nil {
		return nil, s.fault(ctx, err)
	}
	return out, nil
}

func (s *sqlite) each(ctx context.Context, query, owner string, do func(*sql.Rows) error) error {
	rows, err := s.reads.QueryContext(ctx, query, owner)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := do(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
