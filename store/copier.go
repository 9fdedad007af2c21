package store

import "context"

// Table is one kind of rows that a store keeps.
type Table uint8

// The tables, in the order in which they are copied.
const (
	Owners Table = iota
	Conversations
	Shares
	Masks
	Keys
	Entries
	Tables // how many there are
)

// String is the table's name for messages.
func (t Table) String() string {
	return [...]string{"owners", "conversations", "shares", "masks", "keys", "ledger"}[t]
}

// Rows are some rows of one table, in the order of their keys.
type Rows struct {
	Owners        []NextNumber
	Conversations []Conversation // with all of their messages
	Shares        []Share        // with their messages
	Masks         []OwnedMask
	Keys          []Key
	Entries       []PlacedEntry
	// Last is the key of the last of them; empty: there is none.
	Last string
}

// NextNumber is the number that an owner's next conversation gets.
type NextNumber struct {
	Owner string
	Next  int64
}

// OwnedMask is a mask and whose it is.
type OwnedMask struct {
	Owner string
	Mask
}

// PlacedEntry is a row of the ledger and its place in the order of their recording.
type PlacedEntry struct {
	Place int64
	Entry
}

// Copier lets a store be copied into another one, while nobody else works on either.
type Copier interface {
	// CopyOut returns rows behind the key after, at most some megabytes of them, unless one
	// alone has more.
	CopyOut(ctx context.Context, t Table, after string) (*Rows, error)
	// CopyLast returns the greatest key of a table; empty: it has no rows.
	CopyLast(ctx context.Context, t Table) (string, error)
	// CopyIn adds rows, none of which is there, as one step.
	CopyIn(ctx context.Context, r *Rows) error
	// CopyDone is called behind the last CopyIn, and makes the store ready for use.
	CopyDone(ctx context.Context) error
}

// CopyBytes is about how many bytes one CopyOut returns at most.
const CopyBytes = 4 << 20
