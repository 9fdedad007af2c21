package proxy

import "time"

// Ledger says in short where a question went and where its time was spent. Open
// writes it, whether or not it returns an exchange; it must not be read before.
type Ledger struct {
	Channel  string // that was asked last; empty: none was
	Attempts int
	Queue    time.Duration // in the conversation's queue and for a full channel
	Connect  time.Duration // of the last attempt: until it had a connection, where the channel says so
	Open     time.Duration // of the last attempt: connecting, and until the status line
	First    time.Duration // of the last attempt: from there to the first content
	// Dropped names what the question said and the channel that was asked last could
	// not be told, with commas between.
	Dropped string
}

// tries notes the beginning of an attempt on ch.
func (x *Exchange) tries(ch *Channel) {
	x.q.Ledger = Ledger{Channel: ch.ID, Attempts: x.attempts, Queue: x.asking.Sub(x.began) + x.waited}
}
