// Package channel is what is known of back ends: for each configured channel and key, and
// each model behind it, whether it may be asked now, how it has answered, and how many
// requests it has.
//
// A [Channel] is one configured channel with one of its keys; a [Candidate] is a model on it.
// What keeps requests from a candidate is a [Bar]: its breaker and cool-down ([Record]), a
// key or model that was refused ([Quarantine]), the operator ([Force]), its limit, or the
// pace at which its server may be dialled ([Gate]). A [Lease] is the right to put one
// request; whoever has one says with Judge how that went. What an answer has shown of a model
// beyond its dialect is in [Quirks], and how much it takes in its [ContextWindow].
//
// Which of several candidates is asked is not decided here.
package channel
