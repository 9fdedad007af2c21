// Package mockmodel is a scripted model. A channel of kind mock answers with it
// inside the process ([Model]); `dragoman mock` serves it as five kinds of
// upstream on one port ([Server]); tests and benchmarks run against either.
//
// It shares no code with the dialects of the gateway: what it reads and writes
// on the wire was written from the protocol documents a second time, so that a
// mistake made alike in a decoder and an encoder still shows.
//
// The model's name is the script, a list of [Words] joined with - or +. Some
// words take a number, which is the next word. Unknown words mean nothing, so
// mock-echo, small and gpt-4o are all plain echo. Words combine:
// long-50-slow-20-cut sends numbered pieces 20 ms apart and breaks off after two
// of them. docs/mock.md is made from the table.
//
// The counts it reports: input is the number of words of all messages, output
// the number of pieces.
package mockmodel

// The parts of the vocabulary.
const (
	Answers = "What it answers"
	Manner  = "How it answers"
	Faults  = "How it fails"
)

// Word is one word of the vocabulary.
type Word struct {
	Part    string // Answers, Manner or Faults
	Name    string // as written in a model's name, with -N where a number may follow
	Default string // the number where the name gives none
	Meaning string
}

// Words is the vocabulary. Of the words that decide the content, and of the faults, the last
// one in a name counts. It must not be changed.
var Words = []Word{
	{Answers, "echo", "", "repeats the last user text and says how many messages it was given; the default"},
	{Answers, "recall", "", "lists every message it was given"},
	{Answers, "say", "", "the last user text itself, one piece per character"},
	{Answers, "long-N", "100", "N numbered pieces"},
	{Answers, "burst-N", "10", "N numbered pieces in a single write"},
	{Answers, "unicode", "", "CJK, emoji, right to left, combining marks, escapes"},
	{Answers, "image", "", "says how many images it saw"},
	{Answers, "tool", "", "calls the first tool offered, or lookup, in 3 pieces; after the result repeats that"},
	{Answers, "tools", "", "two tool calls in parallel"},

	{Manner, "reason", "", "three pieces of reasoning first"},
	{Manner, "length", "", "ends for its length"},
	{Manner, "filter", "", "ends for a content filter"},
	{Manner, "nousage", "", "reports no usage; chatnio: quota stays 0"},
	{Manner, "sound", "", "/v1/audio/*: tells the seconds of the WAV that it was sent, in `usage` of the type `duration`, and with verbose_json in `duration`; elsewhere nothing"},
	{Manner, "forget", "", "chatnio, rest, iagent: the turn is not remembered"},
	{Manner, "first-N", "500", "N ms before the first piece"},
	{Manner, "slow-N", "100", "N ms between pieces"},
	{Manner, "per-N", "10", "N pieces in one write"},
	{Manner, "times-N", "1", "the fault happens for the first N requests with this name only"},

	{Faults, "fail-S", "500", "refuses with HTTP status S, in the dialect's own form"},
	{Faults, "retry-N", "1", "with fail: Retry-After: N seconds"},
	{Faults, "context", "", "refuses with 400 context_length_exceeded"},
	{Faults, "takes-N", "1000", "refuses so where all messages have more than N words, which it counts as tokens"},
	{Faults, "policy", "", "refuses with 400 content_policy_violation"},
	{Faults, "refuse", "", "in the process: the dial fails; served: like drop"},
	{Faults, "drop", "", "reads the request, then closes without a byte"},
	{Faults, "hang", "", "never answers, not even with headers"},
	{Faults, "stall", "", "headers and start, then silence"},
	{Faults, "stallmid", "", "silence after two pieces"},
	{Faults, "cut0", "", "cuts the connection after headers and start"},
	{Faults, "cut", "", "cuts the connection after two pieces, within a chunk"},
	{Faults, "garbage", "", "status 200 and nonsense"},
	{Faults, "garbagemid", "", "nonsense after two pieces; iagent: a reply to the question that says nothing"},
	{Faults, "empty", "", "a well-formed answer without content and usage"},
	{Faults, "blank", "", "status 200 and no body or events"},
	{Faults, "error200", "", "an error object inside status 200, before any content"},
	{Faults, "errormid", "", "an error in the stream after two pieces"},
	{Faults, "noend", "", "all of the text, but no end mark; an iagent reply is whole without one"},
	{Faults, "silent", "", "iagent: resp_code 10; elsewhere like empty"},
	{Faults, "double", "", "chatnio: two end frames; iagent: two replies"},
}
