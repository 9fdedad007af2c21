// Package store keeps conversations. Its back ends are in folders of their own
// and pass the one conformance suite, storetest.
package store

import (
	"context"
	"errors"

	"github.com/dragoman-gateway/dragoman/translate"
)

// What a back end's error may wrap. Everything else is a fault of the storage
// itself and says nothing about the conversation.
var (
	// ErrNotFound: there is no such conversation, share or mask, or it belongs to
	// another owner; the two are never told apart.
	ErrNotFound = errors.New("store: not found")
	// ErrExists: Append was to create a conversation whose id, number or key its
	// owner has already.
	ErrExists = errors.New("store: exists already")
	// ErrConflict: the conversation is not as it was when the caller read it.
	// Nothing was written.
	ErrConflict = errors.New("store: the conversation was changed meanwhile")
	// ErrFull: the owner keeps as many shares or masks as one may.
	ErrFull = errors.New("store: the owner keeps as many as one may")
)

// How many shares and masks one owner may keep, and about how many bytes they may take
// together, as the store keeps them. What is more is ErrFull, so that no caller fills the
// storage with copies, or has one call answered with all of them.
const (
	MaxShares     = 500
	MaxShareBytes = 32 << 20
	MaxMasks      = 100
	MaxMaskBytes  = 4 << 20
)

// Conversation is one stored conversation.
type Conversation struct {
	ID    string // conv_…, made by the caller of Append; unique in the whole store
	Owner string // name of the caller it belongs to
	Num   int64  // per owner, from 1, never given out twice
	// Key names the one live conversation that its owner finds by who is
	// talking, for example a rest user in a group. Unique per owner; empty: it is
	// found by ID or Num only.
	Key   string
	User  string // rest userId
	Group string // rest groupId, empty: a private chat
	// Numbered makes the Append that creates the conversation put its number behind Group.
	Numbered bool
	Name     string // title, at most 50 runes and "..."
	Model    string // of the latest turn, as its client asked for it
	Web      bool   // the latest turn asked for a web search
	Created  int64  // Unix milliseconds; 0 in a conversation that is not stored yet
	Updated  int64  // Unix milliseconds: last turn, clear or edit
	// Version names what was said up to now. Each turn, edit and clear gives the
	// conversation another one, which none of its other states ever had; nor had one
	// that was deleted and made again under the same id. A new name leaves it.
	Version int64
	// Messages, oldest first, as many as were asked for. What a conversation begins
	// with may be system messages.
	Messages []Message
	// Head is how many of Messages are the system messages that the conversation
	// begins with, and Skipped how many messages behind them were left out by Load's
	// Window; of those that a view of what is sent leaves out some may be counted, but
	// never where they are all that is missing. They mean nothing to Append.
	Head, Skipped int
}

// Message is one stored message.
type Message struct {
	translate.Message
	At         int64 // Unix milliseconds
	Incomplete bool  // an answer that was stopped before its end
	Mark       Mark
}

// Mark says of a message why it is no part of what was said, though a client has it on
// its screen and counts it. What has one goes to no model. Back ends keep its number,
// which must not change.
type Mark uint8

// The marks.
const (
	MarkNone       Mark = 0 // it was said
	MarkFailed     Mark = 1 // a question without an answer, or the error that came for one
	MarkSuperseded Mark = 2 // an answer that a later one to the same question took the place of
	MarkEmpty      Mark = 3 // stands for an answer that was stopped before its first word
	MarkOrphan     Mark = 4 // an answer whose question was removed
)

// Plain reports whether m was said, and to its end.
func (m *Message) Plain() bool { return m.Mark == MarkNone && !m.Incomplete }

// MessageWeight is the weight of a message, and of each of its parts, beside its texts, in
// bytes, so that many empty ones count too. It is about their size in memory.
const MessageWeight = 128

// Weight is about how many bytes m takes in memory.
func (m *Message) Weight() int {
	n := MessageWeight + len(m.Name)
	for i := range m.Parts {
		p := &m.Parts[i]
		n += MessageWeight + len(p.Text) + len(p.URL) + len(p.MediaType) + len(p.Data) + len(p.Detail) + len(p.ID) + len(p.Name) + len(p.Args) + len(p.Signature) + len(p.Cache)
	}
	return n
}

// Without returns msgs without message index, which must be there; see [Editor.Remove]. It
// changes msgs.
func Without(msgs []Message, index int) []Message {
	gone := msgs[index]
	msgs = append(msgs[:index], msgs[index+1:]...)
	switch {
	case gone.Role == translate.RoleUser:
		for i := index; i < len(msgs) && msgs[i].Role == translate.RoleAssistant; i++ {
			if msgs[i].Mark == MarkNone || msgs[i].Mark == MarkSuperseded {
				msgs[i].Mark = MarkOrphan
			}
		}
	case gone.Role == translate.RoleAssistant && gone.Mark == MarkNone:
		for i := index - 1; i >= 0 && msgs[i].Role == translate.RoleAssistant; i-- {
			if msgs[i].Mark == MarkSuperseded {
				msgs[i].Mark = MarkNone
				break
			}
		}
	}
	return msgs
}

// Turn holds the messages and marks that one exchange adds to a conversation.
type Turn struct {
	// Marks are given to messages that are there already, before Messages are added. One
	// that is not there refuses the turn with ErrNotFound.
	Marks    []Remark
	Messages []Message
	Model    string
	Web      bool  // a web search was asked for
	At       int64 // Unix milliseconds; becomes Updated
}

// Remark gives a message another mark: the one before which Back newer ones are.
type Remark struct {
	Back int
	Mark Mark
}

// View says which messages of a conversation somebody sees.
type View uint8

// The views.
const (
	ViewAll  View = iota // every one, whatever its mark
	ViewSent             // those without a mark: what a model is told
	// ViewAgain is ViewSent and, whatever their marks, all from the newest message on
	// that is no answer: what a question is asked again with. These count as nothing in
	// a window.
	ViewAgain
	ViewPlain // those for which Plain holds: what a reader of whole turns sees
)

// Window says which messages Load is to return: those newest ones that are within
// both bounds and, before them, the system messages that the conversation begins
// with, which count as nothing. The zero value is all messages.
type Window struct {
	Messages int // 0: any number; negative: none at all, not even system messages
	// Bytes bounds what the messages weigh together, see [Message.Weight]; the newest
	// one is returned in any case. 0: no bound.
	Bytes int
	// View leaves out what it does not show, as if it were not there.
	View View
}

// Newest is the window of the n newest messages.
func Newest(n int) Window { return Window{Messages: n} }

// Ref names one conversation of an owner: by the first field that is set. User
// with Group finds the one that was updated last.
type Ref struct {
	ID    string
	Num   int64
	Key   string
	User  string
	Group string
}

// Filter chooses conversations of one owner.
type Filter struct {
	Owner  string
	User   *string // exact; nil: any
	Group  *string // exact, empty: private ones; nil: any
	Plain  bool    // without conversations that have messages, but none that is Plain
	ByNum  bool    // newest number first; else latest Updated first, then ID ascending
	Limit  int     // 0: no limit
	Offset int
}

// Summary is a conversation in a list.
type Summary struct {
	ID, User, Group, Name, Model string
	Web                          bool // see Conversation
	Num, Created, Updated        int64
	Messages                     int    // single messages that are Plain: a turn counts 2
	LastMessage                  string // first 100 runes of the text of the newest of them
}

// Store keeps conversations. Methods are safe for concurrent use. A conversation
// of another owner is ErrNotFound, not a different error. What Append, Clear and
// Delete did survives a crash of the process and of the machine once they have
// returned nil (back ends that keep everything in memory say so).
//
// Editing, shares, masks, keys, the ledger and forgetting by age are interfaces of their
// own ([Editor], [Sharer], [Masker], [Keyer], [Ledger], [Expirer]); every back end
// implements all.
type Store interface {
	// Number reserves the owner's next conversation number.
	Number(ctx context.Context, owner string) (int64, error)
	// Load returns a conversation with the messages of w, or ErrNotFound. It costs what
	// these messages weigh, whatever the whole conversation does. The caller owns what
	// it gets.
	Load(ctx context.Context, owner string, ref Ref, w Window) (*Conversation, error)
	// Version returns the version of a conversation, or ErrNotFound. It is a small part
	// of a Load: whoever remembers a conversation asks whether it still is so.
	Version(ctx context.Context, owner, id string) (int64, error)
	// List returns one page of f, without messages, and how many there are in all.
	List(ctx context.Context, f Filter) (page []Summary, total int, err error)
	// Append adds a turn as one step: a reader sees all of it or nothing. A
	// conversation with Created 0 is created with its first turn (ErrExists if
	// that cannot be; Num 0 takes the owner's next number), any other must exist
	// (ErrNotFound) and still have c.Version (ErrConflict): a turn is added to what it
	// was answered for, or not at all. It then sets c.Num, c.Group, c.Created, c.Updated,
	// c.Model, c.Web and c.Version, and leaves c.Messages alone.
	Append(ctx context.Context, c *Conversation, t Turn) error
	// Clear removes all messages, whatever they are: it needs no version, but makes one,
	// as Delete leaves none. So a turn that was answered before either is ErrConflict or
	// ErrNotFound after it. at becomes Updated.
	Clear(ctx context.Context, owner, id string, at int64) error
	// Delete removes the conversation, or all of the owner's when id is empty.
	// A missing id is ErrNotFound; an owner without conversations is not.
	Delete(ctx context.Context, owner, id string) error
	Close() error
}

// Editor changes stored conversations. at becomes Updated. An index means a message of
// one version: where the conversation has another one by now the call is ErrConflict,
// else it returns the version that it made.
type Editor interface {
	// Rename needs and makes no version.
	Rename(ctx context.Context, owner, id, name string, at int64) error
	// SetText replaces the content of message index (from 0) with text.
	// An index that is not there is ErrNotFound.
	SetText(ctx context.Context, owner, id string, version int64, index int, text string, at int64) (int64, error)
	// Remove deletes message index; those behind it move up. The answers to a question that
	// is removed become orphans; where an answer without a mark is, the newest superseded
	// one of the same question loses its mark.
	Remove(ctx context.Context, owner, id string, version int64, index int, at int64) (int64, error)
	// Insert puts messages before all others, creating nothing.
	Insert(ctx context.Context, owner, id string, version int64, head []Message, at int64) (int64, error)
}

// Share is a conversation, or part of one, that anyone with its hash may read.
type Share struct {
	Hash     string // 32 hex digits, made by the caller
	Owner    string
	Num      int64 // of the conversation
	Name     string
	Model    string
	At       int64 // Unix milliseconds
	Messages []Message
}

// Sharer keeps shares: copies, which later turns do not change.
type Sharer interface {
	// Share keeps s. It is ErrExists for a hash that is there, and ErrFull for an
	// owner with MaxShares, or for which this one would be more than MaxShareBytes.
	Share(ctx context.Context, s *Share) error
	Shared(ctx context.Context, hash string) (*Share, error)
	// Shares lists the owner's, newest first, without messages.
	Shares(ctx context.Context, owner string) ([]Share, error)
	Unshare(ctx context.Context, owner, hash string) error
}

// Mask is a stored preset of a chatnio user: messages to begin a chat with.
type Mask struct {
	ID          int64
	Avatar      string
	Name        string
	Description string
	Context     []byte // JSON array of {"role","content"}
}

// Bytes is how many bytes the texts of m have.
func (m *Mask) Bytes() int {
	return len(m.Avatar) + len(m.Name) + len(m.Description) + len(m.Context)
}

// Masker keeps masks.
type Masker interface {
	// SaveMask stores m; an ID of -1 or 0 makes a new one and sets ID, or is
	// ErrFull for an owner with MaxMasks; either is for one whose masks would have
	// more than MaxMaskBytes.
	SaveMask(ctx context.Context, owner string, m *Mask) error
	Masks(ctx context.Context, owner string) ([]Mask, error)
	DeleteMask(ctx context.Context, owner string, id int64) error
}

// Owned names a conversation and its owner.
type Owned struct{ Owner, ID string }

// Expirer forgets conversations by their age. Shares and masks, and the numbers that were
// given out, stay.
type Expirer interface {
	// Stale returns up to limit conversations whose Updated is before the given Unix
	// millisecond: those of owners behind after, owner by owner in the order of their
	// names. There may be more of the last owner that it names.
	Stale(ctx context.Context, before int64, after string, limit int) ([]Owned, error)
	// Expire removes some of the owner's conversations ids, as one step, and returns
	// which: only those whose Updated is before the given Unix millisecond, and with each
	// all of its messages. None: none of them is left.
	Expire(ctx context.Context, owner string, ids []string, before int64) (gone []string, err error)
}
