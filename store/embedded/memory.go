package embedded

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/store/backend"
	"github.com/dragoman-gateway/dragoman/translate"
)

// memory keeps everything in maps under one mutex. Whatever comes in or goes
// out is copied.
type memory struct {
	mu     sync.Mutex
	closed bool
	byID   map[string]*store.Conversation
	owners map[string]*owner
	shares map[string]*store.Share
	mask   int64 // the newest mask's id
	keys   []store.Key
	rows   rowLog // of the ledger
}

// owner is what belongs to one caller. It stays when all is deleted, because
// its numbers must not come again.
type owner struct {
	next  int64
	byNum map[int64]*store.Conversation
	byKey map[string]*store.Conversation
	byWho map[who][]*store.Conversation
	masks []store.Mask
}

// who is talking, and in which group.
type who struct{ user, group string }

func newMemory() *memory {
	return &memory{
		byID:   map[string]*store.Conversation{},
		owners: map[string]*owner{},
		shares: map[string]*store.Share{},
	}
}

// begin locks m; the caller unlocks it where the error is nil.
func (m *memory) begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return backend.ErrClosed
	}
	return nil
}

func (m *memory) owner(name string) *owner {
	o := m.owners[name]
	if o == nil {
		o = &owner{next: 1, byNum: map[int64]*store.Conversation{}, byKey: map[string]*store.Conversation{}, byWho: map[who][]*store.Conversation{}}
		m.owners[name] = o
	}
	return o
}

// Number implements [store.Store].
func (m *memory) Number(ctx context.Context, name string) (int64, error) {
	if err := m.begin(ctx); err != nil {
		return 0, err
	}
	defer m.mu.Unlock()
	o := m.owner(name)
	o.next++
	return o.next - 1, nil
}

// Load implements [store.Store].
func (m *memory) Load(ctx context.Context, name string, ref store.Ref, w store.Window) (*store.Conversation, error) {
	if err := m.begin(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	c := m.find(name, ref)
	if c == nil {
		return nil, store.ErrNotFound
	}
	out := *c
	out.Messages = nil
	if w.Messages < 0 {
		out.Skipped = len(c.Messages)
		return &out, nil
	}
	all, within := visible(c.Messages, w)
	head, from := backend.Begins(all), len(all)-within
	out.Head = head
	if from <= head {
		out.Messages = copyMessages(all)
		return &out, nil
	}
	out.Skipped = from - head
	out.Messages = append(copyMessages(all[:head]), copyMessages(all[from:])...)
	return &out, nil
}

// visible are the messages that the view of w shows, messages themselves where these are
// all, and how many of the newest are within w.
func visible(messages []store.Message, w store.Window) (all []store.Message, within int) {
	in, hidden := backend.NewInside(w), 0
	var hides []bool // by the message's place
	for i := len(messages) - 1; i >= 0; i-- {
		switch in.Sees(&messages[i]) {
		case backend.Shown:
			within++
		case backend.Hidden:
			if hides == nil {
				hides = make([]bool, len(messages))
			}
			hides[i] = true
			hidden++
		}
	}
	if hidden == 0 {
		return messages, within
	}
	all = make([]store.Message, 0, len(messages)-hidden)
	for i, hide := range hides {
		if !hide {
			all = append(all, messages[i])
		}
	}
	return all, within
}

// Version implements [store.Store].
func (m *memory) Version(ctx context.Context, name, id string) (version int64, err error) {
	err = m.with(ctx, name, id, func(c *store.Conversation) error {
		version = c.Version
		return nil
	})
	return version, err
}

func (m *memory) find(name string, ref store.Ref) *store.Conversation {
	o := m.owners[name]
	switch {
	case o == nil:
		return nil
	case ref.ID != "":
		if c := m.byID[ref.ID]; c != nil && c.Owner == name {
			return c
		}
		return nil
	case ref.Num != 0:
		return o.byNum[ref.Num]
	case ref.Key != "":
		return o.byKey[ref.Key]
	case ref.User == "" && ref.Group == "":
		return nil
	}
	var best *store.Conversation
	for _, c := range o.byWho[who{ref.User, ref.Group}] {
		if best == nil || byUpdated(c, best) < 0 {
			best = c
		}
	}
	return best
}

func byUpdated(a, b *store.Conversation) int {
	return cmp.Or(cmp.Compare(b.Updated, a.Updated), cmp.Compare(a.ID, b.ID))
}

// List implements [store.Store].
func (m *memory) List(ctx context.Context, f store.Filter) ([]store.Summary, int, error) {
	if err := m.begin(ctx); err != nil {
		return nil, 0, err
	}
	defer m.mu.Unlock()
	o := m.owners[f.Owner]
	if o == nil {
		return nil, 0, nil
	}
	var all []*store.Conversation
	for _, c := range o.byNum {
		if (f.User == nil || *f.User == c.User) && (f.Group == nil || *f.Group == c.Group) && (!f.Plain || !concealed(c)) {
			all = append(all, c)
		}
	}
	slices.SortFunc(all, func(a, b *store.Conversation) int {
		if f.ByNum {
			return cmp.Compare(b.Num, a.Num)
		}
		return byUpdated(a, b)
	})
	page := all[min(max(f.Offset, 0), len(all)):]
	if f.Limit > 0 {
		page = page[:min(f.Limit, len(page))]
	}
	var out []store.Summary
	for _, c := range page {
		out = append(out, summary(c))
	}
	return out, len(all), nil
}

func summary(c *store.Conversation) store.Summary {
	s := store.Summary{
		ID: c.ID, User: c.User, Group: c.Group, Name: c.Name, Model: c.Model, Web: c.Web,
		Num: c.Num, Created: c.Created, Updated: c.Updated,
	}
	s.Messages, s.LastMessage = backend.PlainOf(c.Messages)
	return s
}

// concealed reports whether c has messages, but none that is plain.
func concealed(c *store.Conversation) bool {
	return len(c.Messages) > 0 && !slices.ContainsFunc(c.Messages, func(m store.Message) bool { return m.Plain() })
}

// Append implements [store.Store].
func (m *memory) Append(ctx context.Context, c *store.Conversation, t store.Turn) error {
	if err := backend.CheckTurn(c, t); err != nil {
		return err
	}
	if err := m.begin(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	kept := m.byID[c.ID]
	switch {
	case c.Created == 0 && len(t.Marks) > 0:
		return store.ErrNotFound
	case c.Created == 0:
		var err error
		if kept, err = m.create(c, t.At); err != nil {
			return err
		}
	case kept == nil || kept.Owner != c.Owner:
		return store.ErrNotFound
	case kept.Version != c.Version:
		return store.ErrConflict
	case slices.ContainsFunc(t.Marks, func(m store.Remark) bool { return max(0, m.Back) >= len(kept.Messages) }):
		return store.ErrNotFound
	default:
		kept.Version++
	}
	for _, m := range t.Marks {
		kept.Messages[len(kept.Messages)-1-max(0, m.Back)].Mark = m.Mark
	}
	kept.Messages = append(kept.Messages, copyMessages(t.Messages)...)
	kept.Model, kept.Web, kept.Updated = t.Model, t.Web, t.At
	c.Num, c.Group, c.Created, c.Updated, c.Model, c.Web, c.Version = kept.Num, kept.Group, kept.Created, kept.Updated, kept.Model, kept.Web, kept.Version
	return nil
}

func (m *memory) create(c *store.Conversation, at int64) (*store.Conversation, error) {
	o := m.owner(c.Owner)
	num := c.Num
	if num == 0 {
		num = o.next
	}
	if m.byID[c.ID] != nil || o.byNum[num] != nil || c.Key != "" && o.byKey[c.Key] != nil {
		return nil, store.ErrExists
	}
	o.next = max(o.next, num+1)
	kept := *c
	kept.Num, kept.Created, kept.Messages, kept.Version = num, max(at, 1), nil, backend.FirstVersion()
	kept.Head, kept.Skipped = 0, 0
	kept.Group, kept.Numbered = backend.GroupOf(&kept), false
	m.byID[c.ID], o.byNum[num] = &kept, &kept
	if c.Key != "" {
		o.byKey[c.Key] = &kept
	}
	if at := (who{kept.User, kept.Group}); at != (who{}) {
		o.byWho[at] = append(o.byWho[at], &kept)
	}
	return &kept, nil
}

// Clear implements [store.Store].
func (m *memory) Clear(ctx context.Context, name, id string, at int64) error {
	return m.with(ctx, name, id, func(c *store.Conversation) error {
		c.Messages, c.Updated = nil, at
		c.Version++
		return nil
	})
}

// Delete implements [store.Store].
func (m *memory) Delete(ctx context.Context, name, id string) error {
	if err := m.begin(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	o := m.owners[name]
	if id == "" {
		if o != nil {
			for _, c := range o.byNum {
				m.drop(o, c)
			}
		}
		return nil
	}
	c := m.byID[id]
	if c == nil || c.Owner != name {
		return store.ErrNotFound
	}
	m.drop(o, c)
	return nil
}

func (m *memory) drop(o *owner, c *store.Conversation) {
	delete(m.byID, c.ID)
	delete(o.byNum, c.Num)
	if c.Key != "" {
		delete(o.byKey, c.Key)
	}
	at := who{c.User, c.Group}
	if rest := slices.DeleteFunc(o.byWho[at], func(k *store.Conversation) bool { return k == c }); len(rest) > 0 {
		o.byWho[at] = rest
	} else {
		delete(o.byWho, at)
	}
}

// Close implements [store.Store]. Everything is forgotten.
func (m *memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed, m.byID, m.owners, m.shares, m.keys, m.rows = true, nil, nil, nil, nil, rowLog{}
	return nil
}

func copyMessages(in []store.Message) []store.Message {
	if len(in) == 0 {
		return nil
	}
	out := slices.Clone(in)
	n := 0
	for i := range in {
		n += len(in[i].Parts)
	}
	parts := make([]translate.Part, 0, n) // one for all of them
	for i := range out {
		from := len(parts)
		parts = appendParts(parts, out[i].Parts)
		if out[i].Parts = nil; len(parts) > from {
			out[i].Parts = parts[from:len(parts):len(parts)]
		}
	}
	return out
}

func appendParts(dst, in []translate.Part) []translate.Part {
	from := len(dst)
	dst = append(dst, in...)
	for i := from; i < len(dst); i++ {
		if dst[i].Cache = slices.Clone(dst[i].Cache); len(dst[i].Cache) == 0 {
			dst[i].Cache = nil
		}
	}
	return dst
}
