package postgres

import (
	"context"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/dragoman-gateway/dragoman/store"
)

// place is the name of argument n of a statement, from 1.
func place(n int) string { return "$" + strconv.Itoa(n) }

// List implements [store.Store]. Page and total are of one statement.
func (d *database) List(ctx context.Context, f store.Filter) (page []store.Summary, total int, err error) {
	query, args := listing(f)
	begin := func() { page, total = nil, 0 }
	err = d.all(ctx, begin, func(rows pgx.Rows) error {
		var v store.Summary
		var id *string // nil: the row is there for the total only
		err := rows.Scan(&total, &id, &v.User, &v.Group, &v.Name, &v.Model, &v.Web, &v.Num, &v.Created, &v.Updated, &v.Messages, &v.LastMessage)
		if err != nil || id == nil {
			return err
		}
		v.ID = *id
		plains(&v.ID, &v.User, &v.Group, &v.Name, &v.Model, &v.LastMessage)
		page = append(page, v)
		return nil
	}, query, args...)
	if err != nil {
		return nil, 0, err
	}
	return page, total, nil
}

// listing makes the statement of a list. A caller's total is kept beside its next number:
// counting a million rows would take longer than the page.
func listing(f store.Filter) (query string, args []any) {
	where, args := []string{"owner = $1"}, []any{text(f.Owner)}
	if f.User != nil {
		args = append(args, text(*f.User))
		where = append(where, "usr = "+place(len(args)))
	}
	if f.Group != nil {
		args = append(args, text(*f.Group))
		where = append(where, "grp = "+place(len(args)))
	}
	rule := strings.Join(where, " AND ")
	count := `SELECT count(*) FROM dragoman.conversations WHERE ` + rule
	if f.User == nil && f.Group == nil {
		count = `SELECT coalesce(sum(live), 0)::bigint FROM dragoman.owners WHERE owner = $1`
	}
	if f.Plain {
		count = `SELECT (` + count + `) - (SELECT count(*) FROM dragoman.conversations WHERE plain = 0 AND count > 0 AND ` + rule + `)`
		rule += " AND NOT (plain = 0 AND count > 0)"
	}
	order := "updated DESC, id"
	if f.ByNum {
		order = "num DESC"
	}
	page := `SELECT id, usr, grp, name, model, web, num, created, updated, plain, last FROM dragoman.conversations
		WHERE ` + rule + ` ORDER BY ` + order + ` OFFSET ` + place(len(args)+1)
	args = append(args, int64(max(0, f.Offset)))
	if f.Limit > 0 {
		args = append(args, int64(f.Limit))
		page += ` LIMIT ` + place(len(args))
	}
	return `SELECT t.total, p.id, coalesce(p.usr, ''), coalesce(p.grp, ''), coalesce(p.name, ''), coalesce(p.model, ''), coalesce(p.web, false),
		coalesce(p.num, 0), coalesce(p.created, 0), coalesce(p.updated, 0), coalesce(p.plain, 0), coalesce(p.last, '')
		FROM (` + count + `) AS t (total) LEFT JOIN (` + page + `) p ON true ORDER BY ` + order, args
}
