// Package proxy admits a question, finds a channel for it and yields the answer.
//
// It knows neither how clients reach it (proxy/front) nor how models are reached
// (proxy/upstream): the first hands it a [Question], the second comes in as an
// [Opener].
//
// # The life of an exchange
//
//	front                      proxy                                       channel
//	  │ Admit ──────▶ Pending: room under the caller's limits and budget,
//	  │               a place in the queue of a limit, or a refusal
//	  │ Join ───────▶ its place in its conversation; the tokens of the history
//	  │ Open ───────▶ prompt: history, preset, question
//	  │               kept answer, or the same question that is under way
//	  │            ┌▶ search: route, tier, candidate ──▶ Lease ─────────▶ open
//	  │            │  attempt: events up to the first content ◀───────── events
//	  │            └─ a fault: judge the channel, release the lease, go on
//	  │ ◀ Exchange ── commit point: first content, or a valid end
//	  │ Next … ◀───── events as they come; at the finish the turn is stored,
//	  │               then the end mark is handed on
//	  │ Close ──────▶ settle, once: stream, lease, ticket, turn; then cost,
//	  │               ledger, trace, metrics and one log line
//
// Up to the commit point a failure leads to another channel. Behind it a failure is an
// error inside the answer (docs/rules/faults.md 2). A question that never gets there ends
// in Dismiss, or in the error of Open. A phase says how far an exchange has come, and only
// grows.
//
// # Failures
//
// translate says what a failure is of (its Fault: which words of a back end mean what is
// in translate/words.go, with bodies of all kinds in translate/testdata/refusals.txt), and
// one table here says what follows for the question, the breaker and the key
// (docs/rules/faults.md 4, docs/rules/channels.md 4 and 5). A dial that a chatnio server
// throttles is no attempt: the gate of that server closes, and the question waits for it
// in the same queue as for a full channel, callers in turn. A slot that is given back is
// handed to a waiter, so that no later question can take it. A channel that takes many
// times as long as its peers gets no more time than they would need and comes after them
// while they have room; its breaker does not move.
//
// # Configurations
//
// A [Plan] is immutable. An exchange is under one plan from its beginning to its end. A new
// plan takes over upstreams, breakers and slots of the channels that stay; what only the
// old one reached is closed when the last exchange under it ends.
//
// # Glossary
//
//	exchange       one question and its answer
//	attempt        one try on one channel, with one key and one model
//	commit point   the first content or a valid end; no other channel after it
//	channel        a configured back end with one of its keys
//	candidate      a channel, key and model that could answer a question
//	lease          slot, key and permit of the breaker for one request to a candidate
//	quarantine     time out for a key or model that its back end refuses (set aside)
//	plan           the compiled, immutable configuration; replaced as a whole
//	route          what serves a model, in tiers; fallback models have routes of their own
//	tier           candidates of one rank; the next one is asked when none of it can
//	ticket         what a question holds under the limits and the budget of its caller
//	turn           a stored exchange, and its place in the line of its conversation
//	remote memory  what a stateful channel remembers of a conversation
//	fingerprint    hash of all that was said, by which a stateless chat is known again
//	trace          what explain knows of an exchange
//
// Everything else has the field's own name.
package proxy
