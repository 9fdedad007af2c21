package embedded

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/store/backend"
	"github.com/dragoman-gateway/dragoman/translate"
)

const keyColumns = `id, hash, name, grp, models, limits, created, expires`

// AddKey implements [store.Keyer].
func (s *sqlite) AddKey(ctx context.Context, k *store.Key) error {
	if err := k.Check(); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	kept := *k
	models, err := json.Marshal(k.Models)
	if err != nil {
		return err
	}
	return s.change(ctx, func(w *session) error {
		n, err := w.exec(`INSERT INTO keys (`+keyColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
			kept.ID, kept.Hash[:], kept.Name, kept.Group, string(models), kept.Limits, kept.Created, kept.Expires)
		if err == nil && n == 0 {
			return store.ErrExists
		}
		return err
	})
}

// KeyByHash implements [store.Keyer].
func (s *sqlite) KeyByHash(ctx context.Context, hash [32]byte) (*store.Key, error) {
	return s.key(ctx, `hash = ?`, hash[:])
}

// KeyByID implements [store.Keyer].
func (s *sqlite) KeyByID(ctx context.Context, id string) (*store.Key, error) {
	return s.key(ctx, `id = ?`, id)
}

func (s *sqlite) key(ctx context.Context, where string, arg any) (*store.Key, error) {
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	k, err := scanKey(s.reads.QueryRowContext(ctx, `SELECT `+keyColumns+` FROM keys WHERE `+where, arg))
	if err != nil {
		return nil, s.fault(ctx, err)
	}
	return k, nil
}

func scanKey(row interface{ Scan(...any) error }) (*store.Key, error) {
	k, hash, models := &store.Key{}, []byte(nil), ""
	if err := row.Scan(&k.ID, &hash, &k.Name, &k.Group, &models, &k.Limits, &k.Created, &k.Expires); err != nil {
		return nil, err
	}
	if len(hash) != len(k.Hash) {
		return nil, errors.New("the hash of a stored key has another length")
	}
	copy(k.Hash[:], hash)
	if err := json.Unmarshal([]byte(models), &k.Models); err != nil {
		return nil, fmt.Errorf("a stored key cannot be read: %w", err)
	}
	return k, k.Check()
}

// Keys implements [store.Keyer].
func (s *sqlite) Keys(ctx context.Context) ([]store.Key, error) {
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	all, err := collect(ctx, s.reads, func(rows *sql.Rows) (store.Key, error) {
		k, err := scanKey(rows)
		if err != nil {
			return store.Key{}, err
		}
		return *k, nil
	}, `SELECT `+keyColumns+` FROM keys ORDER BY created, id`)
	return all, s.fault(ctx, err)
}

// collect reads all rows of a query.
func collect[T any](ctx context.Context, db *sql.DB, scan func(*sql.Rows) (T, error), query string, args ...any) (all []T, err error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}

// RevokeKey implements [store.Keyer].
func (s *sqlite) RevokeKey(ctx context.Context, id string) error {
	return s.change(ctx, func(w *session) error {
		n, err := w.exec(`DELETE FROM keys WHERE id = ?`, id)
		if err == nil && n == 0 {
			return store.ErrNotFound
		}
		return err
	})
}

const entryColumns = `request, attempt, at, caller, grp, rule, user, front, model, channel, key, upstream, outcome, status, ` +
	`input, output, cached, estimated, cost, queue, open, first, took, count, endpoint, sound, images`

// entryRead are entryColumns as they are read: a number that is none, in a damaged row,
// must not keep the others from being shown.
var entryRead = func() string {
	words := strings.Split(entryColumns, ", ")
	for i, c := range words {
		switch c {
		case "attempt", "at", "key", "status", "input", "output", "cached", "cost", "queue", "open", "first", "took", "count", "sound", "images":
			words[i] = "CAST(" + c + " AS INTEGER)"
		case "estimated":
			words[i] = "estimated <> 0"
		}
	}
	return strings.Join(words, ", ")
}()

const (
	insertEntry = `INSERT INTO ledger (` + entryColumns + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	placeEntry  = `INSERT INTO ledger (seq, ` + entryColumns + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
)

func entryArgs(e *store.Entry) []any {
	return []any{
		e.Request, int64(e.Attempt), e.At, e.Caller, e.Group, e.Rule, e.User, e.Front, e.Model, e.Channel, e.Key, e.Upstream, e.Outcome, e.Status,
		e.Input, e.Output, e.Cached, e.Estimated, e.Cost, e.Queue, e.Open, e.First, e.Took, max(e.Count, 1), e.Endpoint, e.Sound, e.Images,
	}
}

// Record implements [store.Ledger].
func (s *sqlite) Record(ctx context.Context, rows []store.Entry) error {
	kept := rows
	if ctx.Done() != nil { // the caller may have them back before the writer has come to them
		kept = slices.Clone(rows)
	}
	return s.change(ctx, func(w *session) error {
		for i := range kept {
			if _, err := w.exec(insertEntry, entryArgs(&kept[i])...); err != nil {
				return err
			}
		}
		return nil
	})
}

// choose makes the condition of f.
func choose(f store.EntryFilter) (where string, args []any) {
	var all []string
	add := func(set bool, condition string, arg any) {
		if set {
			all, args = append(all, condition), append(args, arg)
		}
	}
	add(f.Request != "", `request = ?`, f.Request)
	if name, prefix := f.Callers(); prefix != "" {
		all, args = append(all, `(caller = ? OR substr(caller, 1, ?) = ?)`), append(args, name, len(prefix), prefix)
	} else {
		add(name != "", `caller = ?`, name)
	}
	add(f.Rule != "", `rule = ?`, f.Rule)
	add(f.From != 0, `at >= ?`, f.From)
	add(f.To != 0, `at < ?`, f.To)
	add(f.Requests, `attempt = ?`, 0)
	if len(all) == 0 {
		return "", nil
	}
	return ` WHERE ` + strings.Join(all, ` AND `), args
}

// Entries implements [store.Ledger].
func (s *sqlite) Entries(ctx context.Context, f store.EntryFilter) ([]store.Entry, error) {
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	where, args := choose(f)
	args = append(args, backend.EntryLimit(f), max(f.Offset, 0))
	all, err := collect(ctx, s.reads, func(rows *sql.Rows) (e store.Entry, err error) {
		err = rows.Scan(&e.Request, &e.Attempt, &e.At, &e.Caller, &e.Group, &e.Rule, &e.User, &e.Front, &e.Model, &e.Channel, &e.Key, &e.Upstream,
			&e.Outcome, &e.Status, &e.Input, &e.Output, &e.Cached, &e.Estimated, &e.Cost, &e.Queue, &e.Open, &e.First, &e.Took, &e.Count, &e.Endpoint, &e.Sound, &e.Images)
		return e, err
	}, `SELECT `+entryRead+` FROM ledger`+where+` ORDER BY seq DESC LIMIT ? OFFSET ?`, args...)
	return all, s.fault(ctx, err)
}

// costShift parts a cost, for its sum must not run over: SQLite refuses such a sum for
// as long as its rows are there.
const costShift = 31

var totalsQuery = fmt.Sprintf(`SELECT coalesce(sum(n), 0), coalesce(sum(input), 0), coalesce(sum(output), 0), coalesce(sum(cached), 0),
	coalesce(sum(cost >> %[3]d), 0), coalesce(sum(cost & ((1 << %[3]d) - 1)), 0)
FROM (SELECT min(max(CAST(count AS INTEGER), 1), %[4]d) n, fine * CAST(input AS INTEGER) input, fine * CAST(output AS INTEGER) output,
	fine * min(max(CAST(cached AS INTEGER), 0), CAST(input AS INTEGER)) cached, fine * min(max(CAST(cost AS INTEGER), 0), %[2]d) cost
FROM (SELECT count, input, output, cached, cost, input BETWEEN 0 AND %[1]d AND output BETWEEN 0 AND %[1]d fine FROM ledger`,
	translate.MaxTokens, store.MaxCost, costShift, math.MaxInt32)

// Totals implements [store.Ledger].
func (s *sqlite) Totals(ctx context.Context, f store.EntryFilter) (t store.Totals, err error) {
	if err := s.open(ctx); err != nil {
		return t, err
	}
	f.Requests = true
	where, args := choose(f)
	var high, low int64
	err = s.reads.QueryRowContext(ctx, totalsQuery+where+`))`, args...).Scan(&t.Requests, &t.Input, &t.Output, &t.Cached, &high, &low)
	if t.Cost = math.MaxInt64; high < 1<<(62-costShift) && low < 1<<62 {
		t.Cost = high<<costShift + low
	}
	return t, s.fault(ctx, err)
}

// Forget implements [store.Ledger].
func (s *sqlite) Forget(ctx context.Context, before int64) (int, error) {
	var n atomic.Int64 // the writer may go on after ctx has ended
	err := s.change(ctx, func(w *session) error {
		gone, err := w.exec(`DELETE FROM ledger WHERE seq IN (SELECT seq FROM ledger WHERE at < ? ORDER BY at LIMIT ?)`, before, forgetAtOnce)
		n.Store(gone)
		return err
	})
	return int(n.Load()), err
}

// Trim implements [store.Ledger]. Rows are told by their place, which grows by one with
// each: to count millions would take seconds. Where some were removed from the middle it
// leaves fewer than keep.
func (s *sqlite) Trim(ctx context.Context, keep int) (int, error) {
	var n atomic.Int64 // the writer may go on after ctx has ended
	err := s.change(ctx, func(w *session) error {
		gone, err := w.exec(`DELETE FROM ledger WHERE seq IN (SELECT seq FROM ledger WHERE seq <= (SELECT max(seq) FROM ledger) - ? ORDER BY seq LIMIT ?)`, max(keep, 0), forgetAtOnce)
		n.Store(gone)
		return err
	})
	return int(n.Load()), err
}
