package embedded

import (
	"cmp"
	"context"
	"slices"

	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/store/backend"
	"github.com/dragoman-gateway/dragoman/translate"
)

// edit changes one conversation, if it has the version, and returns the new one; do
// must change nothing where it fails.
func (m *memory) edit(ctx context.Context, name, id string, version, at int64, do func(*store.Conversation) error) (made int64, err error) {
	err = m.with(ctx, name, id, func(c *store.Conversation) error {
		if c.Version != version {
			return store.ErrConflict
		}
		if err := do(c); err != nil {
			return err
		}
		c.Version, c.Updated = c.Version+1, at
		made = c.Version
		return nil
	})
	return made, err
}

// with calls do with one conversation, under the lock.
func (m *memory) with(ctx context.Context, name, id string, do func(*store.Conversation) error) error {
	if err := m.begin(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	c := m.byID[id]
	if c == nil || c.Owner != name {
		return store.ErrNotFound
	}
	return do(c)
}

// Rename implements [store.Editor].
func (m *memory) Rename(ctx context.Context, name, id, title string, at int64) error {
	return m.with(ctx, name, id, func(c *store.Conversation) error {
		c.Name, c.Updated = title, at
		return nil
	})
}

// SetText implements [store.Editor].
func (m *memory) SetText(ctx context.Context, name, id string, version int64, index int, text string, at int64) (int64, error) {
	return m.edit(ctx, name, id, version, at, func(c *store.Conversation) error {
		if index < 0 || index >= len(c.Messages) {
			return store.ErrNotFound
		}
		c.Messages[index].Parts = []translate.Part{{Kind: translate.PartText, Text: text}}
		return nil
	})
}

// Remove implements [store.Editor].
func (m *memory) Remove(ctx context.Context, name, id string, version int64, index int, at int64) (int64, error) {
	return m.edit(ctx, name, id, version, at, func(c *store.Conversation) error {
		if index < 0 || index >= len(c.Messages) {
			return store.ErrNotFound
		}
		c.Messages = store.Without(c.Messages, index)
		return nil
	})
}

// Insert implements [store.Editor].
func (m *memory) Insert(ctx context.Context, name, id string, version int64, first []store.Message, at int64) (int64, error) {
	if err := backend.CheckMessages(first); err != nil {
		return 0, err
	}
	return m.edit(ctx, name, id, version, at, func(c *store.Conversation) error {
		c.Messages = append(copyMessages(first), c.Messages...)
		return nil
	})
}

// Share implements [store.Sharer].
func (m *memory) Share(ctx context.Context, s *store.Share) error {
	if err := backend.CheckMessages(s.Messages); err != nil {
		return err
	}
	if err := m.begin(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	if m.shares[s.Hash] != nil {
		return store.ErrExists
	}
	held, bytes := 1, weigh(s.Messages)
	for _, one := range m.shares {
		if one.Owner == s.Owner {
			held, bytes = held+1, bytes+weigh(one.Messages)
		}
	}
	if held > store.MaxShares || bytes > store.MaxShareBytes {
		return store.ErrFull
	}
	kept := *s
	kept.Messages = copyMessages(s.Messages)
	m.shares[s.Hash] = &kept
	return nil
}

// weigh is about how many bytes messages take.
func weigh(messages []store.Message) (n int) {
	for i := range messages {
		n += messages[i].Weight()
	}
	return n
}

// Shared implements [store.Sharer].
func (m *memory) Shared(ctx context.Context, hash string) (*store.Share, error) {
	if err := m.begin(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	s := m.shares[hash]
	if s == nil {
		return nil, store.ErrNotFound
	}
	out := *s
	out.Messages = copyMessages(s.Messages)
	return &out, nil
}

// Shares implements [store.Sharer].
func (m *memory) Shares(ctx context.Context, name string) ([]store.Share, error) {
	if err := m.begin(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	var out []store.Share
	for _, s := range m.shares {
		if s.Owner == name {
			one := *s
			one.Messages = nil
			out = append(out, one)
		}
	}
	slices.SortFunc(out, func(a, b store.Share) int {
		return cmp.Or(cmp.Compare(b.At, a.At), cmp.Compare(a.Hash, b.Hash))
	})
	return out, nil
}

// Unshare implements [store.Sharer].
func (m *memory) Unshare(ctx context.Context, name, hash string) error {
	if err := m.begin(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	if s := m.shares[hash]; s == nil || s.Owner != name {
		return store.ErrNotFound
	}
	delete(m.shares, hash)
	return nil
}

// SaveMask implements [store.Masker].
func (m *memory) SaveMask(ctx context.Context, name string, mask *store.Mask) error {
	if err := m.begin(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	kept := *mask
	kept.Context = slices.Clone(mask.Context)
	o := m.owner(name)
	bytes := kept.Bytes()
	for i := range o.masks {
		if o.masks[i].ID != mask.ID {
			bytes += o.masks[i].Bytes()
		}
	}
	if mask.ID <= 0 {
		if len(o.masks) >= store.MaxMasks || bytes > store.MaxMaskBytes {
			return store.ErrFull
		}
		m.mask++
		mask.ID, kept.ID = m.mask, m.mask
		o.masks = append(o.masks, kept)
		return nil
	}
	i := slices.IndexFunc(o.masks, func(k store.Mask) bool { return k.ID == mask.ID })
	if i < 0 {
		return store.ErrNotFound
	}
	if bytes > store.MaxMaskBytes {
		return store.ErrFull
	}
	o.masks[i] = kept
	return nil
}

// Masks implements [store.Masker].
func (m *memory) Masks(ctx context.Context, name string) ([]store.Mask, error) {
	if err := m.begin(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	o := m.owners[name]
	if o == nil {
		return nil, nil
	}
	var out []store.Mask
	for _, mask := range o.masks {
		mask.Context = slices.Clone(mask.Context)
		out = append(out, mask)
	}
	return out, nil
}

// DeleteMask implements [store.Masker].
func (m *memory) DeleteMask(ctx context.Context, name string, id int64) error {
	if err := m.begin(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	o := m.owners[name]
	if o == nil {
		return store.ErrNotFound
	}
	i := slices.IndexFunc(o.masks, func(k store.Mask) bool { return k.ID == id })
	if i < 0 {
		return store.ErrNotFound
	}
	o.masks = slices.Delete(o.masks, i, i+1)
	return nil
}
