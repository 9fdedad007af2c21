package embedded

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/store/backend"
)

// memoryRows is how many rows of the ledger are kept in memory; older ones go.
const memoryRows = 50_000

// forgetAtOnce is how many rows one call of Forget removes, so that whoever else
// writes does not wait for long.
const forgetAtOnce = 5_000

// AddKey implements [store.Keyer].
func (m *memory) AddKey(ctx context.Context, k *store.Key) error {
	if err := k.Check(); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	if err := m.begin(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	if slices.ContainsFunc(m.keys, func(o store.Key) bool { return o.ID == k.ID || o.Hash == k.Hash }) {
		return store.ErrExists
	}
	m.keys = append(m.keys, copyKey(*k))
	return nil
}

func copyKey(k store.Key) store.Key {
	k.Models = append([]string(nil), k.Models...)
	return k
}

// KeyByHash implements [store.Keyer].
func (m *memory) KeyByHash(ctx context.Context, hash [32]byte) (*store.Key, error) {
	return m.key(ctx, func(k store.Key) bool { return k.Hash == hash })
}

// KeyByID implements [store.Keyer].
func (m *memory) KeyByID(ctx context.Context, id string) (*store.Key, error) {
	return m.key(ctx, func(k store.Key) bool { return k.ID == id })
}

func (m *memory) key(ctx context.Context, is func(store.Key) bool) (*store.Key, error) {
	if err := m.begin(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	i := slices.IndexFunc(m.keys, is)
	if i < 0 {
		return nil, store.ErrNotFound
	}
	k := copyKey(m.keys[i])
	return &k, nil
}

// Keys implements [store.Keyer].
func (m *memory) Keys(ctx context.Context) ([]store.Key, error) {
	if err := m.begin(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	var all []store.Key
	for _, k := range m.keys {
		all = append(all, copyKey(k))
	}
	slices.SortStableFunc(all, func(a, b store.Key) int {
		return cmp.Or(cmp.Compare(a.Created, b.Created), cmp.Compare(a.ID, b.ID))
	})
	return all, nil
}

// RevokeKey implements [store.Keyer].
func (m *memory) RevokeKey(ctx context.Context, id string) error {
	if err := m.begin(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	i := slices.IndexFunc(m.keys, func(k store.Key) bool { return k.ID == id })
	if i < 0 {
		return store.ErrNotFound
	}
	m.keys = slices.Delete(m.keys, i, i+1)
	return nil
}

// Record implements [store.Ledger]. Only the newest rows are kept.
func (m *memory) Record(ctx context.Context, rows []store.Entry) error {
	if err := m.begin(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	for i := range rows {
		e := rows[i]
		e.Count = max(e.Count, 1)
		m.rows.add(&e)
	}
	m.rows.keep(memoryRows)
	return nil
}

// Entries implements [store.Ledger].
func (m *memory) Entries(ctx context.Context, f store.EntryFilter) ([]store.Entry, error) {
	if err := m.begin(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	var all []store.Entry
	skip := max(f.Offset, 0)
	for e := range m.rows.each {
		switch {
		case !f.Chosen(e):
		case skip > 0:
			skip--
		case len(all) == backend.EntryLimit(f):
			return all, nil
		default:
			all = append(all, *e)
		}
	}
	return all, nil
}

// Totals implements [store.Ledger].
func (m *memory) Totals(ctx context.Context, f store.EntryFilter) (store.Totals, error) {
	var t store.Totals
	if err := m.begin(ctx); err != nil {
		return t, err
	}
	defer m.mu.Unlock()
	f.Requests = true
	for e := range m.rows.each {
		if f.Chosen(e) {
			t.Add(e)
		}
	}
	return t, nil
}

// Forget implements [store.Ledger].
func (m *memory) Forget(ctx context.Context, before int64) (int, error) {
	if err := m.begin(ctx); err != nil {
		return 0, err
	}
	defer m.mu.Unlock()
	return m.rows.forget(before, forgetAtOnce), nil
}

// Trim implements [store.Ledger]. It may leave some hundreds more, as many as lie together.
func (m *memory) Trim(ctx context.Context, keep int) (int, error) {
	if err := m.begin(ctx); err != nil {
		return 0, err
	}
	defer m.mu.Unlock()
	before := m.rows.n
	m.rows.keep(max(keep, 0))
	return before - m.rows.n, nil
}
