// Package balance holds the policies that choose among channels of one tier. It
// sees [Target]s, not channels, and imports nothing but the standard library.
package balance

import "sync/atomic"

// Target is what a policy may know of a channel and a model on it. Fields are read
// without locks.
type Target struct {
	Weight   int32         // share of the traffic, at least 1
	Seed     uint64        // tells it from the others, the same in every run
	Channel  uint64        // the same for all that are one channel with several keys, beside each other in a tier; 0: it has but one
	InFlight *atomic.Int32 // requests that run on the channel now
	// First is how long the model takes to its first content of late, in nanoseconds:
	// a moving average; 0: not known. nil is the same.
	First *atomic.Int64
}

// Chance draws a number below n, which is above 0, as math/rand's Int64N does. It
// is safe for concurrent use.
type Chance func(n int64) int64

// Policy chooses among targets that could each take the request. It is safe for
// concurrent use.
type Policy interface {
	// Pick returns an index into ts, which is never empty. It must not block,
	// allocate or keep ts. key is equal for requests of one conversation.
	Pick(ts []*Target, key uint64) int
	// Over prepares to choose among ts, which it keeps and which must not be empty
	// nor change.
	Over(ts []*Target) Drawer
}
