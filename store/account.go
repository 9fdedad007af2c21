package store

import (
	"context"
	"errors"
	"math"

	"github.com/dragoman-gateway/dragoman/translate"
)

// Key is a caller's key that was made at run time. The key itself is kept
// nowhere.
type Key struct {
	ID      string   // key_…, made by the caller of AddKey; what it is revoked by
	Hash    [32]byte // SHA-256 of the key
	Name    string   // of the caller that the key makes of who has it
	Group   string
	Models  []string // models and presets; empty: all
	Limits  string   // names of configured limits, with commas between them; empty: none
	Created int64    // Unix milliseconds
	Expires int64    // Unix milliseconds; 0: never
}

// LastTime is the last moment that a key may name, in Unix milliseconds: RFC 3339 has
// no year after 9999.
const LastTime = 253_402_300_799_999

// Check says what is wrong with k as a key that is to be stored or was read back: one
// without an ID could not be revoked, and one without a hash is nobody's.
func (k *Key) Check() error {
	switch {
	case k.ID == "" || k.Name == "" || k.Hash == [32]byte{}:
		return errors.New("a key needs an id, a name and a hash")
	case k.Created < 0 || k.Created > LastTime || k.Expires < 0 || k.Expires > LastTime:
		return errors.New("a key has a time before 1970 or after 9999")
	}
	return nil
}

// Keyer keeps keys.
type Keyer interface {
	// AddKey stores k, or returns ErrExists where its ID or Hash is known; a key that
	// does not pass Check is refused.
	AddKey(ctx context.Context, k *Key) error
	// KeyByHash returns the key with this SHA-256, or ErrNotFound.
	KeyByHash(ctx context.Context, hash [32]byte) (*Key, error)
	// KeyByID returns the key with this ID, or ErrNotFound.
	KeyByID(ctx context.Context, id string) (*Key, error)
	// Keys lists all of them, oldest first.
	Keys(ctx context.Context) ([]Key, error)
	// RevokeKey forgets a key, or returns ErrNotFound.
	RevokeKey(ctx context.Context, id string) error
}

// Entry is one row of the ledger: a request, one of its attempts, or several requests
// that were refused alike. It holds no text of the conversation, no key and no address of
// a channel.
type Entry struct {
	Request  string // request id; of several requests: the first one's, as everything but Count
	Attempt  int    // from 1; 0 is the row of the request itself
	At       int64  // Unix milliseconds: when it began
	Caller   string
	Group    string // of the caller
	Rule     string // the caller's limits by name, under whose budget it counts
	User     string // end user's id, as the client said it
	Front    string // dialect of the front
	Model    string // that was asked for
	Channel  string // of a request: the one that was asked last; empty: none was
	Key      int    // which of the channel's keys, from 0
	Upstream string // the back end's name of the model
	Outcome  string // of a request: ok, cache or the code of its failure; of an attempt: ok or its fault
	Status   int    // HTTP status that the outcome has
	Input    int64  // tokens of the question
	Output   int64  // tokens of the answer
	Cached   int64  // part of Input: read from a prompt cache of the back end
	// Estimated: the tokens were counted by us, since nobody reported them.
	Estimated bool
	Cost      int64  // in billionths of the unit of the configured prices
	Queue     int64  // microseconds before the first attempt, or for a free channel
	Open      int64  // microseconds until the back end began to answer
	First     int64  // microseconds from there to the first content
	Took      int64  // microseconds in all
	Count     int64  // how many requests the row stands for; 0 is taken for 1
	Endpoint  string // path that was asked beside chat; empty: it was a chat
	Sound     int64  // milliseconds of sound that the back end has told of
	Images    int64  // pictures that it has made
}

// MaxCost is the most that a row costs; what is more, or less than nothing, counts as
// that, or as nothing, where rows are summed.
const MaxCost = 1 << 53

// maxCount keeps sums of Entry.Count from running over.
const maxCount = math.MaxInt32

// EntryFilter chooses rows of the ledger; what is zero chooses all.
type EntryFilter struct {
	Request  string
	Caller   string // the name of a caller, or the shown one of several, see ShownCaller
	Rule     string
	From, To int64 // Unix milliseconds of Entry.At: From <= At < To; a To of 0 is no end
	Requests bool  // only rows of requests, not of attempts
	Limit    int   // 0: 1000
	Offset   int
}

// Totals are sums over rows of requests, each at most MaxInt64. A row with tokens that no
// model can use ([translate.MaxTokens]) counts with its requests only: earlier versions
// believed what back ends reported.
type Totals struct {
	Requests, Input, Output, Cached int64
	Cost                            int64 // in billionths, see Entry
}

// Add counts e, a row of requests.
func (t *Totals) Add(e *Entry) {
	t.Requests = sum(t.Requests, min(max(e.Count, 1), maxCount))
	if e.Input < 0 || e.Input > translate.MaxTokens || e.Output < 0 || e.Output > translate.MaxTokens {
		return
	}
	t.Input = sum(t.Input, e.Input)
	t.Output = sum(t.Output, e.Output)
	t.Cached = sum(t.Cached, min(max(e.Cached, 0), e.Input))
	t.Cost = sum(t.Cost, min(max(e.Cost, 0), MaxCost))
}

// sum is a + b, which are not negative, or the largest number there is.
func sum(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// Chosen reports whether f chooses e.
func (f *EntryFilter) Chosen(e *Entry) bool {
	return (f.Request == "" || e.Request == f.Request) && f.chooses(e.Caller) &&
		(f.Rule == "" || e.Rule == f.Rule) && e.At >= f.From && (f.To == 0 || e.At < f.To) && (!f.Requests || e.Attempt == 0)
}

// Ledger keeps what was asked and what it cost.
type Ledger interface {
	// Record adds rows as one step. It keeps nothing of the slice.
	Record(ctx context.Context, rows []Entry) error
	// Entries returns rows, those that were recorded last first.
	Entries(ctx context.Context, f EntryFilter) ([]Entry, error)
	// Totals sums the rows of requests that f chooses; Limit and Offset say nothing.
	Totals(ctx context.Context, f EntryFilter) (Totals, error)
	// Forget removes some thousands of the rows that began before the given Unix
	// millisecond and returns how many it removed; 0: there is none left.
	Forget(ctx context.Context, before int64) (int, error)
	// Trim removes some thousands of the rows that were recorded first, as long as more
	// than keep are left, and returns how many it removed; 0: there are no more than that.
	Trim(ctx context.Context, keep int) (int, error)
}

// Batcher is a Ledger on a server that may have done what it did not live to confirm.
type Batcher interface {
	// RecordBatch is Record of a batch, named at random by whoever records it. Within an hour
	// a batch is recorded once, however often it is handed in: after an error that leaves open
	// whether it was, the same rows are handed in again under the same name.
	RecordBatch(ctx context.Context, batch int64, rows []Entry) error
}
