package postgres

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/store/backend"
	"github.com/dragoman-gateway/dragoman/translate"
)

const entryColumns = `request, attempt, at, caller, grp, rule, usr, front, model, channel, key, upstream, outcome, status, ` +
	`input, output, cached, estimated, cost, queue, open, first, took, count, endpoint, sound, images`

// insertBatch has a column of all rows in each argument, and placeEntries their places in one
// more.
const (
	// A batch is noted in the statement that records it, and forgotten after an hour: by the time
	// of the statement, which an index is looked into for, as it is not for a time that moves on.
	insertBatch = `WITH old AS (
			DELETE FROM dragoman.batches WHERE batch = ANY (ARRAY(SELECT batch FROM dragoman.batches
				WHERE at < statement_timestamp() - interval '1 hour' ORDER BY at LIMIT 100 FOR UPDATE SKIP LOCKED))
		), new AS (INSERT INTO dragoman.batches (batch, at) VALUES ($28, clock_timestamp()) ON CONFLICT DO NOTHING RETURNING batch)
		INSERT INTO dragoman.ledger (` + entryColumns + `) SELECT ` + entryColumns + ` FROM new, unnest(` + entryArrays + `)
		WITH ORDINALITY AS e (` + entryColumns + `, ord) ORDER BY ord`
	placeEntries = `INSERT INTO dragoman.ledger (` + entryColumns + `, seq) OVERRIDING SYSTEM VALUE SELECT * FROM unnest(` + entryArrays + `, $28::bigint[])`
	entryArrays  = `$1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::bigint[],
		$12::text[], $13::text[], $14::bigint[], $15::bigint[], $16::bigint[], $17::bigint[], $18::boolean[], $19::bigint[], $20::bigint[], $21::bigint[],
		$22::bigint[], $23::bigint[], $24::bigint[], $25::text[], $26::bigint[], $27::bigint[]`
)

// Record implements [store.Ledger].
func (d *database) Record(ctx context.Context, rows []store.Entry) error {
	return d.RecordBatch(ctx, rand.Int64(), rows)
}

// RecordBatch implements [store.Batcher]. Where the connection breaks it hands the batch in
// again for as long as a server is waited for.
func (d *database) RecordBatch(ctx context.Context, batch int64, rows []store.Entry) error {
	if len(rows) == 0 {
		return d.open(ctx)
	}
	args := append(entryArgs(rows), batch)
	return d.read(ctx, func(ctx context.Context) error {
		_, err := d.pool.Exec(ctx, insertBatch, args...)
		return err
	})
}

// entryArgs are the columns of rows.
func entryArgs(rows []store.Entry) []any {
	texts := func(of func(*store.Entry) string) []string {
		all := make([]string, len(rows))
		for i := range rows {
			all[i] = text(of(&rows[i]))
		}
		return all
	}
	numbers := func(of func(*store.Entry) int64) []int64 {
		all := make([]int64, len(rows))
		for i := range rows {
			all[i] = of(&rows[i])
		}
		return all
	}
	estimated := make([]bool, len(rows))
	for i := range rows {
		estimated[i] = rows[i].Estimated
	}
	return []any{
		texts(func(e *store.Entry) string { return e.Request }),
		numbers(func(e *store.Entry) int64 { return int64(e.Attempt) }),
		numbers(func(e *store.Entry) int64 { return e.At }),
		texts(func(e *store.Entry) string { return e.Caller }),
		texts(func(e *store.Entry) string { return e.Group }),
		texts(func(e *store.Entry) string { return e.Rule }),
		texts(func(e *store.Entry) string { return e.User }),
		texts(func(e *store.Entry) string { return e.Front }),
		texts(func(e *store.Entry) string { return e.Model }),
		texts(func(e *store.Entry) string { return e.Channel }),
		numbers(func(e *store.Entry) int64 { return int64(e.Key) }),
		texts(func(e *store.Entry) string { return e.Upstream }),
		texts(func(e *store.Entry) string { return e.Outcome }),
		numbers(func(e *store.Entry) int64 { return int64(e.Status) }),
		numbers(func(e *store.Entry) int64 { return e.Input }),
		numbers(func(e *store.Entry) int64 { return e.Output }),
		numbers(func(e *store.Entry) int64 { return e.Cached }),
		estimated,
		numbers(func(e *store.Entry) int64 { return e.Cost }),
		numbers(func(e *store.Entry) int64 { return e.Queue }),
		numbers(func(e *store.Entry) int64 { return e.Open }),
		numbers(func(e *store.Entry) int64 { return e.First }),
		numbers(func(e *store.Entry) int64 { return e.Took }),
		numbers(func(e *store.Entry) int64 { return max(e.Count, 1) }),
		texts(func(e *store.Entry) string { return e.Endpoint }),
		numbers(func(e *store.Entry) int64 { return e.Sound }),
		numbers(func(e *store.Entry) int64 { return e.Images }),
	}
}

// choose makes the condition of f.
func choose(f store.EntryFilter) (where string, args []any) {
	var all []string
	add := func(set bool, condition string, arg any) {
		if set {
			args = append(args, arg)
			all = append(all, condition+place(len(args)))
		}
	}
	add(f.Request != "", `request = `, text(f.Request))
	if name, prefix := f.Callers(); prefix != "" {
		args = append(args, name, prefix)
		all = append(all, `(caller = `+place(len(args)-1)+` OR starts_with(caller, `+place(len(args))+`))`)
	} else {
		add(name != "", `caller = `, text(name))
	}
	add(f.Rule != "", `rule = `, text(f.Rule))
	add(f.From != 0, `at >= `, f.From)
	add(f.To != 0, `at < `, f.To)
	if f.Requests {
		all = append(all, `attempt = 0`)
	}
	if len(all) == 0 {
		return "", nil
	}
	return ` WHERE ` + strings.Join(all, ` AND `), args
}

// Entries implements [store.Ledger].
func (d *database) Entries(ctx context.Context, f store.EntryFilter) (entries []store.Entry, err error) {
	where, args := choose(f)
	args = append(args, int64(backend.EntryLimit(f)), int64(max(f.Offset, 0)))
	begin := func() { entries = nil }
	err = d.all(ctx, begin, func(rows pgx.Rows) error {
		var e store.Entry
		err := rows.Scan(&e.Request, &e.Attempt, &e.At, &e.Caller, &e.Group, &e.Rule, &e.User, &e.Front, &e.Model, &e.Channel, &e.Key, &e.Upstream,
			&e.Outcome, &e.Status, &e.Input, &e.Output, &e.Cached, &e.Estimated, &e.Cost, &e.Queue, &e.Open, &e.First, &e.Took, &e.Count, &e.Endpoint, &e.Sound, &e.Images)
		plains(&e.Request, &e.Caller, &e.Group, &e.Rule, &e.User, &e.Front, &e.Model, &e.Channel, &e.Upstream, &e.Outcome, &e.Endpoint)
		entries = append(entries, e)
		return err
	}, `SELECT `+entryColumns+` FROM dragoman.ledger`+where+` ORDER BY seq DESC LIMIT `+place(len(args)-1)+` OFFSET `+place(len(args)), args...)
	return entries, err
}

// totalsQuery sums in numbers of any size.
var totalsQuery = func() string {
	sum := func(what string) string {
		return fmt.Sprintf(`least(coalesce(sum(%s), 0), %d)::bigint`, what, math.MaxInt64)
	}
	fine := fmt.Sprintf(`CASE WHEN input BETWEEN 0 AND %[1]d AND output BETWEEN 0 AND %[1]d THEN `, translate.MaxTokens)
	return `SELECT ` + strings.Join([]string{
		sum(fmt.Sprintf(`least(greatest(count, 1), %d)`, math.MaxInt32)),
		sum(fine + `input END`), sum(fine + `output END`), sum(fine + `least(greatest(cached, 0), input) END`),
		sum(fine + fmt.Sprintf(`least(greatest(cost, 0), %d) END`, store.MaxCost)),
	}, `, `) + ` FROM dragoman.ledger`
}()

// Totals implements [store.Ledger].
func (d *database) Totals(ctx context.Context, f store.EntryFilter) (t store.Totals, err error) {
	f.Requests = true
	where, args := choose(f)
	err = d.one(ctx, []any{&t.Requests, &t.Input, &t.Output, &t.Cached, &t.Cost}, totalsQuery+where, args...)
	return t, err
}

// forgetAtOnce is how many rows one call of Forget removes, so that whoever else writes does
// not wait for long.
const forgetAtOnce = 5_000

// Forget implements [store.Ledger]. What another process removes at this moment is left to
// it.
func (d *database) Forget(ctx context.Context, before int64) (int, error) {
	return d.remove(ctx, `DELETE FROM dragoman.ledger WHERE seq = ANY (ARRAY(SELECT seq FROM dragoman.ledger WHERE at < $1 ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED))`, before)
}

// Trim implements [store.Ledger]. Rows are told by their place, which grows with each: to
// count millions would take seconds. Where some were removed from the middle, or never came
// to be, it leaves fewer than keep.
func (d *database) Trim(ctx context.Context, keep int) (int, error) {
	return d.remove(ctx, `DELETE FROM dragoman.ledger WHERE seq = ANY (ARRAY(SELECT seq FROM dragoman.ledger
		WHERE seq <= (SELECT max(seq) FROM dragoman.ledger) - $1::bigint ORDER BY seq LIMIT $2 FOR UPDATE SKIP LOCKED))`, int64(max(keep, 0)))
}

func (d *database) remove(ctx context.Context, query string, bound int64) (n int, err error) {
	err = d.change(ctx, func(ctx context.Context, tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, query, bound, int64(forgetAtOnce))
		n = int(tag.RowsAffected())
		return err
	})
	return n, err
}
