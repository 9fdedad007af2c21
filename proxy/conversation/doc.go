// Package conversation is the registry of the conversations in use: who may ask next in
// each, which of its messages are held, and what a remote memory knows of it.
//
// A [Turn] is a place in the queue of one conversation. Its holder reads what was said,
// asks, and keeps the answer; turns of one conversation run one after the other, in the order
// in which they were enqueued. A deletion or a clear waits for none of them: what was asked
// before it is answered, but not stored any more. A turn is stored only in the version of the
// conversation that it answers.
//
// A conversation is read with its first question. From then on the registry holds the window
// of the next question and the system text at the beginning, within one budget of bytes for
// the conversations in use and the newest of those that rest; a longer reading goes to the
// store. A conversation that rested is asked for its version before it is used, so that the
// turn of another process is seen.
//
// Where several processes work on the store, a turn has a place among those of all of them as
// well, a [store.Lease]; having come up it knows the version of the conversation.
//
// A remote memory is known by a [Position]: a conversation and a [Fingerprint] of all that
// was said in it. Of a conversation in the registry its version stands for that, so that an
// edit, a clear, or a turn that another channel answered is out of sync by itself.
//
// Beside them are [Proofs]: signatures that servers want back with the calls of tools.
// Processes tell each other of them through a [Server].
package conversation
