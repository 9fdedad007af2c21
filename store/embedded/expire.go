package embedded

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"

	"github.com/dragoman-gateway/dragoman/store"
)

// expireAtOnce is after how many messages Expire takes no further conversation, so that
// those who write wait for no longer than a moment.
const expireAtOnce = 2000

// Stale implements [store.Expirer]. An owner without any costs one look into an index.
func (s *sqlite) Stale(ctx context.Context, before int64, after string, limit int) ([]store.Owned, error) {
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	all, err := collect(ctx, s.reads, func(rows *sql.Rows) (o store.Owned, err error) {
		return o, rows.Scan(&o.Owner, &o.ID)
	}, `SELECT o.owner, c.id FROM owners o CROSS JOIN conversations c ON c.owner = o.owner AND c.updated < ?
		WHERE o.owner > ? AND o.live > 0 ORDER BY o.owner LIMIT ?`, before, after, limit)
	return all, s.fault(ctx, err)
}

// Expire implements [store.Expirer].
func (s *sqlite) Expire(ctx context.Context, owner string, ids []string, before int64) ([]string, error) {
	ids = slices.Clone(ids)
	gone := make(chan []string, 1) // the writer may go on after ctx has ended
	err := s.change(ctx, func(w *session) error {
		var removed []string
		for messages := int64(0); len(ids) > 0 && messages < expireAtOnce; ids = ids[1:] {
			n, err := w.expire(owner, ids[0], before)
			if errors.Is(err, store.ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			messages += n + 1
			removed = append(removed, ids[0])
		}
		gone <- removed
		_, err := w.exec(`UPDATE owners SET live = live - ? WHERE owner = ?`, len(removed), owner)
		return err
	})
	if err != nil {
		return nil, err
	}
	return <-gone, nil
}

// expire removes one conversation and returns how many messages that had, or
// store.ErrNotFound where it is gone or was changed.
func (w *session) expire(owner, id string, before int64) (messages int64, err error) {
	var cid int64
	err = w.scan([]any{&cid}, `SELECT cid FROM conversations WHERE id = ? AND owner = ? AND updated < ?`, id, owner, before)
	if err != nil {
		return 0, err
	}
	if messages, err = w.exec(`DELETE FROM messages WHERE conv = ?`, cid); err != nil {
		return 0, err
	}
	_, err = w.exec(`DELETE FROM conversations WHERE cid = ?`, cid)
	return messages, err
}

// Stale implements [store.Expirer].
func (m *memory) Stale(ctx context.Context, before int64, after string, limit int) ([]store.Owned, error) {
	if err := m.begin(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	var all []store.Owned
	for _, c := range m.byID {
		if c.Updated < before && c.Owner > after {
			all = append(all, store.Owned{Owner: c.Owner, ID: c.ID})
		}
	}
	slices.SortFunc(all, func(a, b store.Owned) int { return strings.Compare(a.Owner, b.Owner) })
	return all[:min(limit, len(all))], nil
}

// Expire implements [store.Expirer].
func (m *memory) Expire(ctx context.Context, owner string, ids []string, before int64) (gone []string, err error) {
	if err := m.begin(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	for _, id := range ids {
		if c := m.byID[id]; c != nil && c.Owner == owner && c.Updated < before {
			m.drop(m.owners[owner], c)
			gone = append(gone, id)
		}
	}
	return gone, nil
}
