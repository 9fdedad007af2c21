package embedded

import (
	"context"
	"database/sql"
	"slices"
	"strings"

	"github.com/dragoman-gateway/dragoman/store"
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

// Each is read only as far as it is needed.
const (
	newestFirst = `SELECT seq, role, name, parts, at, incomplete FROM messages WHERE conv = ? ORDER BY seq DESC`
	oldestFirst = `SELECT seq, role, name, parts, at, incomplete FROM messages WHERE conv = ? ORDER BY seq`
)

// load reads row and messages in one transaction, so that both are of one turn.
func (s *sqlite) load(ctx context.Context, owner string, ref store.Ref, w store.Window) (*store.Conversation, error) {
	where, args := find(owner, ref)
	if where == "" {
		return nil, sql.ErrNoRows
	}
	one, err := s.prepare(ctx, `SELECT cid, id, num, key, user, grp, name, model, web, created, updated, version, count FROM conversations WHERE `+where)
	if err != nil {
		return nil, err
	}
	var newest, oldest *sql.Stmt
	if newest, err = s.prepare(ctx, newestFirst); err == nil {
		oldest, err = s.prepare(ctx, oldestFirst)
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
	var count int
	err = tx.StmtContext(ctx, one).QueryRowContext(ctx, args...).
		Scan(&cid, &c.ID, &c.Num, &c.Key, &c.User, &c.Group, &c.Name, &c.Model, &c.Web, &c.Created, &c.Updated, &c.Version, &count)
	if err != nil {
		return nil, err
	}
	if w.Messages < 0 {
		c.Skipped = count
		return c, nil
	}
	in, lowest := inside{window: w}, int64(0)
	err = eachMessage(ctx, tx.StmtContext(ctx, newest), cid, func(seq int64, m *store.Message) bool {
		if !in.takes(m) {
			return false
		}
		lowest, c.Messages = seq, append(c.Messages, *m)
		return len(c.Messages) != w.Messages
	})
	slices.Reverse(c.Messages)
	if c.Skipped = count - len(c.Messages); err != nil || c.Skipped <= 0 {
		c.Head, c.Skipped = begins(c.Messages), 0
		return c, err
	}
	var head []store.Message
	err = eachMessage(ctx, tx.StmtContext(ctx, oldest), cid, func(seq int64, m *store.Message) bool {
		if seq >= lowest || m.Role != translate.RoleSystem {
			return false
		}
		head = append(head, *m)
		return true
	})
	c.Messages, c.Head, c.Skipped = append(head, c.Messages...), len(head), c.Skipped-len(head)
	if c.Skipped == 0 {
		c.Head = begins(c.Messages)
	}
	return c, err
}

// begins is how many system messages msgs begins with.
func begins(msgs []store.Message) (n int) {
	for n < len(msgs) && msgs[n].Role == translate.RoleSystem {
		n++
	}
	return n
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
		if err := rows.Scan(&seq, &role, &m.Name, &parts, &m.At, &m.Incomplete); err != nil {
			return err
		}
		m.Role = translate.ParseRole(role)
		if m.Parts, err = decodeParts(parts); err != nil {
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
	where, args := []string{"owner = ?"}, []any{f.Owner}
	if f.User != nil {
		where, args = append(where, "user = ?"), append(args, *f.User)
	}
	if f.Group != nil {
		where, args = append(where, "grp = ?"), append(args, *f.Group)
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
		count = `SELECT coalesce(sum(live), 0) FROM owners WHERE owner = ?`
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
	rows, err := tx.QueryContext(ctx, `SELECT id, user, grp, name, model, web, num, created, updated, count, last FROM conversations
		WHERE `+rule+` ORDER BY `+order+` LIMIT ? OFFSET ?`, append(args, limit, max(0, f.Offset))...)
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
		v.Messages, err = decodeMessages(messages)
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
