package embedded

import (
	"cmp"
	"context"

	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/store/backend"
	"github.com/dragoman-gateway/dragoman/translate"
)

// edit changes the messages of one conversation, if it has the version, and brings its
// row up to date. It returns the new version.
func (s *sqlite) edit(ctx context.Context, owner, id string, version, at int64, do func(w *session, cid int64) error) (int64, error) {
	var made int64
	err := s.change(ctx, func(w *session) error {
		var cid int64
		err := w.scan([]any{&cid, &made}, `UPDATE conversations SET version = version + 1
			WHERE id = ? AND owner = ? AND version = ? RETURNING cid, version`, id, owner, version)
		if err != nil {
			return conflict(w, owner, id, err)
		}
		if err := do(w, cid); err != nil {
			return err
		}
		return retell(w, cid, at)
	})
	if err != nil {
		return 0, err // made may still be written to
	}
	return made, nil
}

// messageAt returns the seq of message index, with its role and mark, or store.ErrNotFound.
func messageAt(w *session, cid int64, index int) (seq int64, m store.Message, err error) {
	if index < 0 {
		return 0, m, store.ErrNotFound
	}
	var role string
	err = w.scan([]any{&seq, &role, &m.Mark}, `SELECT seq, role, mark FROM messages WHERE conv = ? ORDER BY seq LIMIT 1 OFFSET ?`, cid, index)
	m.Role = translate.ParseRole(role)
	return seq, m, err
}

// Rename implements [store.Editor].
func (s *sqlite) Rename(ctx context.Context, owner, id, name string, at int64) error {
	return s.change(ctx, func(w *session) error {
		n, err := w.exec(`UPDATE conversations SET name = ?, updated = ? WHERE id = ? AND owner = ?`, name, at, id, owner)
		if err == nil && n == 0 {
			return store.ErrNotFound
		}
		return err
	})
}

// SetText implements [store.Editor].
func (s *sqlite) SetText(ctx context.Context, owner, id string, version int64, index int, text string, at int64) (int64, error) {
	parts, err := backend.EncodeParts([]translate.Part{{Kind: translate.PartText, Text: text}})
	if err != nil {
		return 0, err
	}
	return s.edit(ctx, owner, id, version, at, func(w *session, cid int64) error {
		seq, _, err := messageAt(w, cid, index)
		if err != nil {
			return err
		}
		_, err = w.exec(`UPDATE messages SET parts = ? WHERE conv = ? AND seq = ?`, parts, cid, seq)
		return err
	})
}

// Remove implements [store.Editor].
func (s *sqlite) Remove(ctx context.Context, owner, id string, version int64, index int, at int64) (int64, error) {
	return s.edit(ctx, owner, id, version, at, func(w *session, cid int64) error {
		seq, gone, err := messageAt(w, cid, index)
		if err != nil {
			return err
		}
		if _, err = w.exec(`DELETE FROM messages WHERE conv = ? AND seq = ?`, cid, seq); err != nil {
			return err
		}
		switch {
		case gone.Role == translate.RoleUser:
			_, err = w.exec(`UPDATE messages SET mark = ?3 WHERE conv = ?1 AND seq > ?2 AND mark IN (?4, ?5)
				AND seq < coalesce((SELECT min(seq) FROM messages WHERE conv = ?1 AND seq > ?2 AND role <> ?6), ?2 + 1000000000)`,
				cid, seq, store.MarkOrphan, store.MarkNone, store.MarkSuperseded, translate.RoleAssistant.String())
		case gone.Role == translate.RoleAssistant && gone.Mark == store.MarkNone:
			_, err = w.exec(`UPDATE messages SET mark = ?3 WHERE conv = ?1 AND seq = (SELECT max(seq) FROM messages WHERE conv = ?1 AND seq < ?2 AND mark = ?4
				AND seq > coalesce((SELECT max(seq) FROM messages WHERE conv = ?1 AND seq < ?2 AND role <> ?5), ?2 - 1000000000))`,
				cid, seq, store.MarkNone, store.MarkSuperseded, translate.RoleAssistant.String())
		}
		return err
	})
}

// Insert implements [store.Editor]. The new messages count down from the first.
func (s *sqlite) Insert(ctx context.Context, owner, id string, version int64, first []store.Message, at int64) (int64, error) {
	rows, err := toTable(first)
	if err != nil {
		return 0, err
	}
	return s.edit(ctx, owner, id, version, at, func(w *session, cid int64) error {
		// An empty conversation's next message is at tail, so what goes before
		// all others must end below that.
		var lowest int64
		err := w.scan([]any{&lowest}, `SELECT coalesce((SELECT min(seq) FROM messages WHERE conv = ?1),
			(SELECT tail FROM conversations WHERE cid = ?1))`, cid)
		if err != nil {
			return err
		}
		return insert(w, cid, lowest-int64(len(rows)), rows)
	})
}

// Share implements [store.Sharer].
func (s *sqlite) Share(ctx context.Context, v *store.Share) error {
	messages, err := backend.EncodeMessages(v.Messages)
	if err != nil {
		return err
	}
	kept := *v
	return s.change(ctx, func(w *session) error {
		if err := room(w, `SELECT count(*) FROM shares WHERE owner = ?`, kept.Owner, store.MaxShares-1); err != nil {
			return err
		}
		if err := room(w, `SELECT coalesce(sum(octet_length(messages)), 0) FROM shares WHERE owner = ?`, kept.Owner, store.MaxShareBytes-len(messages)); err != nil {
			return err
		}
		n, err := w.exec(`INSERT INTO shares (hash, owner, num, name, model, at, messages) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
			kept.Hash, kept.Owner, kept.Num, kept.Name, kept.Model, kept.At, messages)
		if err == nil && n == 0 {
			return store.ErrExists
		}
		return err
	})
}

// room is store.ErrFull when count finds that owner has more than most of something.
func room(w *session, count, owner string, most int) error {
	var held int
	if err := w.scan([]any{&held}, count, owner); err != nil {
		return err
	}
	if held > most {
		return store.ErrFull
	}
	return nil
}

// Unshare implements [store.Sharer].
func (s *sqlite) Unshare(ctx context.Context, owner, hash string) error {
	return s.change(ctx, func(w *session) error {
		n, err := w.exec(`DELETE FROM shares WHERE hash = ? AND owner = ?`, hash, owner)
		if err == nil && n == 0 {
			return store.ErrNotFound
		}
		return err
	})
}

// maskBytes is the sum of what Mask.Bytes is.
const maskBytes = `SELECT coalesce(sum(octet_length(avatar) + octet_length(name) + octet_length(description) + octet_length(context)), 0) FROM masks WHERE owner = ?`

// SaveMask implements [store.Masker].
func (s *sqlite) SaveMask(ctx context.Context, owner string, m *store.Mask) error {
	kept := *m
	kept.Context = append([]byte{}, m.Context...) // not nil: the column takes no NULL
	err := s.change(ctx, func(w *session) error {
		if kept.ID <= 0 {
			if err := room(w, `SELECT count(*) FROM masks WHERE owner = ?`, owner, store.MaxMasks-1); err != nil {
				return err
			}
			if err := room(w, maskBytes, owner, store.MaxMaskBytes-kept.Bytes()); err != nil {
				return err
			}
			return w.scan([]any{&kept.ID}, `INSERT INTO masks (owner, avatar, name, description, context) VALUES (?, ?, ?, ?, ?) RETURNING id`,
				owner, kept.Avatar, kept.Name, kept.Description, kept.Context)
		}
		n, err := w.exec(`UPDATE masks SET avatar = ?, name = ?, description = ?, context = ? WHERE id = ? AND owner = ?`,
			kept.Avatar, kept.Name, kept.Description, kept.Context, kept.ID, owner)
		if err != nil || n == 0 {
			return cmp.Or(err, store.ErrNotFound)
		}
		return room(w, maskBytes, owner, store.MaxMaskBytes)
	})
	if err != nil {
		return err
	}
	m.ID = kept.ID
	return nil
}

// DeleteMask implements [store.Masker].
func (s *sqlite) DeleteMask(ctx context.Context, owner string, id int64) error {
	return s.change(ctx, func(w *session) error {
		n, err := w.exec(`DELETE FROM masks WHERE id = ? AND owner = ?`, id, owner)
		if err == nil && n == 0 {
			return store.ErrNotFound
		}
		return err
	})
}
