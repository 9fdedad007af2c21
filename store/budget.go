package store

import "context"

// Account is where the cost of one budget counts in one period.
type Account struct {
	Rule     string // the limits that have the budget
	Caller   string // empty: all who share it
	From, To int64  // Unix milliseconds of the period: From <= t < To
}

// Reserving is how an account stands in a process, and the questions that ask for room in it.
// Amounts are in billionths of the unit of the configured prices, from 0 to 1<<60.
type Reserving struct {
	Account
	Opened int64   // as [Budgeter.OpenAccount] said
	Spent  int64   // by this process, as [Budgeter.OpenAccount] began it
	Held   int64   // reserved by its questions that run
	Amount int64   // of the budget
	Wants  []int64 // one for each question, above 0
}

// Reserved is the answer to a [Reserving].
type Reserved struct {
	// Open is false for an account that must be opened, or opened again since the server has lost
	// it and somebody else has opened it anew: then nothing was done.
	Open bool
	// Taken says that so many of the first Wants are reserved: all before the first one that is
	// more than was left. A process has them in Held from its next call on.
	Taken int
	Spent int64 // in the period by all others, and before anybody has reserved
	Held  int64 // reserved by other processes that live
}

// Budgeter keeps accounts that several processes spend from, none more than there is. It is
// safe for concurrent use.
type Budgeter interface {
	// OpenAccount makes an account where it is missing, and returns a number by which it is told from
	// another one that takes its place, and what this process had spent of it, which is what it
	// goes on from. recorded is the sum of the ledger's rows: what of it nobody has told the
	// account, is spent besides.
	OpenAccount(ctx context.Context, a Account, recorded int64) (opened, spent int64, err error)
	// Reserve notes how accounts stand in this process, in place of what it told before, and takes
	// room for its questions. No account comes twice. Where it fails the questions have no room,
	// or lose it with the next call; a process makes one call after the other.
	Reserve(ctx context.Context, all []Reserving) ([]Reserved, error)
}
